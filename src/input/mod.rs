//! Reading of files from outside: only regular files, and none that is larger than its kind may be.

mod yaml;

pub(crate) use yaml::check_yaml_depth;

use std::{
    error::Error,
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use indicatif::DecimalBytes;

/// A kind of file that matenv reads. Each has a limit on its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// A file that people write: a manifest, `matenv.toml`, `config.toml`, the configuration of pip, uv or conda, a
    /// `pyproject.toml`, a list of requirements.
    Definition,
    /// The description of a machine.
    Hardware,
    /// A package lock: of a lab, of a generation, or a `pylock.toml`.
    Lock,
    /// A record that matenv wrote: of a generation, a plan, a certificate.
    Record,
    /// The metadata of an installed package: `METADATA`, `direct_url.json`, `conda-meta/*.json`.
    Metadata,
    /// The list of the files of a package: `RECORD`, `paths.json`.
    FileList,
    /// A page of a package index in a folder.
    Page,
    /// A file of the operating system, such as in `/proc` and `/sys`.
    System,
    /// The output of a program of an environment, such as the profile of ONNX Runtime.
    Output,
}

const MB: u64 = 1_000_000;

impl Input {
    /// All kinds, for the documentation.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Definition,
        Self::Hardware,
        Self::Lock,
        Self::Record,
        Self::Metadata,
        Self::FileList,
        Self::Page,
        Self::System,
        Self::Output,
    ];

    /// Returns the size of the largest file that is read, in bytes. The largest real files that were seen are at most
    /// an eighth of it.
    #[must_use]
    pub(crate) fn limit(self) -> u64 {
        match self {
            Self::Definition | Self::Hardware => MB,
            Self::System => 16 * MB,
            Self::Lock | Self::Record | Self::Metadata => 64 * MB,
            Self::FileList | Self::Page | Self::Output => 256 * MB,
        }
    }

    /// Returns the name of the kind in messages.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Definition => "a definition or configuration",
            Self::Hardware => "a hardware file",
            Self::Lock => "a lock",
            Self::Record => "a record",
            Self::Metadata => "the metadata of a package",
            Self::FileList => "a list of files",
            Self::Page => "a page of an index",
            Self::System => "a file of the system",
            Self::Output => "the output of a program",
        }
    }
}

/// A file that is not read, because of its kind or its size. It is inside an [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InputError {
    /// The file is a folder, a pipe, a socket or a device.
    #[error("{} is {kind}, expected a regular file", path.display())]
    NotAFile {
        /// The path of the file.
        path: PathBuf,
        /// The kind, with its article.
        kind: &'static str,
    },
    /// The file is larger than the limit of its kind.
    #[error("{} is too large: the limit for {} is {}", path.display(), input.name(), DecimalBytes(input.limit()))]
    TooLarge {
        /// The path of the file.
        path: PathBuf,
        /// The kind of the file.
        input: Input,
    },
    /// The file is not text.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The path of the file.
        path: PathBuf,
    },
}

impl InputError {
    /// Returns the help line.
    #[must_use]
    pub(crate) fn help(&self) -> String {
        match self {
            Self::NotAFile { path, .. } => format!(
                "use a regular file instead of {}; copy the content of a pipe or a device into one",
                path.display()
            ),
            Self::TooLarge { path, .. } => format!(
                "check that it is the file that you mean: head -c 200 '{}'",
                path.display()
            ),
            Self::NotText { path } => format!("save {} as UTF-8, then run the command again", path.display()),
        }
    }

    /// Finds this error in an error or its causes.
    #[must_use]
    pub(crate) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut at = Some(error);
        while let Some(error) = at {
            let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = inside.and_then(|inside| inside.downcast_ref()) {
                return Some(found);
            }
            at = error.source();
        }
        None
    }
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> Self {
        let kind = match &error {
            InputError::NotAFile { kind: FOLDER, .. } => ErrorKind::IsADirectory,
            InputError::NotAFile { .. } => ErrorKind::InvalidInput,
            InputError::TooLarge { .. } => ErrorKind::FileTooLarge,
            InputError::NotText { .. } => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

const FOLDER: &str = "a folder";

/// Opens a regular file of any size. It never waits for the other end of a pipe.
///
/// # Errors
/// The file is missing, cannot be opened, or is not a regular file.
pub(crate) fn open(path: &Path) -> io::Result<fs_err::File> {
    // Opening some devices does something, so the kind is checked before as well as after.
    if let Ok(metadata) = std::fs::metadata(path) {
        check_kind(path, &metadata)?;
    }
    let mut options = fs_err::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        // On a regular file this has no effect.
        options.custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default());
    }
    let file = options.open(path)?;
    check_kind(path, &file.metadata()?)?;
    Ok(file)
}

/// Reads a file.
///
/// # Errors
/// The file is missing, cannot be read, is not a regular file, or is larger than its kind may be.
pub(crate) fn read(path: &Path, input: Input) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let too_large = || InputError::TooLarge {
        path: path.to_owned(),
        input,
    };
    // The files in `/proc` have the size 0, and a file may grow meanwhile.
    let size = file.metadata()?.len();
    if size > input.limit() {
        return Err(too_large().into());
    }
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(input.limit() + 1).read_to_end(&mut content)?;
    if content.len() as u64 > input.limit() {
        return Err(too_large().into());
    }
    Ok(content)
}

/// Reads a text file.
///
/// # Errors
/// Like [`read`], and if the file is not UTF-8.
pub(crate) fn read_text(path: &Path, input: Input) -> io::Result<String> {
    String::from_utf8(read(path, input)?).map_err(|_| InputError::NotText { path: path.to_owned() }.into())
}

fn check_kind(path: &Path, metadata: &std::fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let error = InputError::NotAFile {
        path: path.to_owned(),
        kind: kind(metadata),
    };
    Err(error.into())
}

fn kind(metadata: &std::fs::Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        } else if kind.is_socket() {
            return "a socket";
        } else if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if metadata.is_dir() { FOLDER } else { "a special file" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        let error = read(path, Input::Definition).expect_err("read");
        let found = InputError::find(&error).map(InputError::help);
        format!("{error} | {}", found.unwrap_or_default())
    }

    /// Bug: reading a pipe waited for ever, and reading a device never ended.
    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = crate::process::ask(
            Path::new("/usr/bin/mkfifo"),
            &[&pipe.display().to_string()],
            &crate::process::Variables::default(),
            std::time::Duration::from_secs(20),
        );
        assert!(made.expect("mkfifo starts").success);
        let link = folder.path().join("link");
        fs_err::os::unix::fs::symlink(&pipe, &link).expect("a link");
        let socket = folder.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for (path, kind) in [
            (pipe.as_path(), "is a pipe"),
            (&link, "is a pipe"),
            (&socket, "is a socket"),
            (folder.path(), "is a folder"),
            (Path::new("/dev/zero"), "is a device"),
        ] {
            let message = refused(path);
            assert!(
                message.contains(kind) && message.contains("use a regular file"),
                "{message}"
            );
        }
        let round = folder.path().join("round");
        fs_err::os::unix::fs::symlink(&round, &round).expect("a link to itself");
        assert!(read(&round, Input::Definition).is_err());
    }

    #[test]
    fn a_file_over_its_limit_is_refused_without_reading_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("huge.toml");
        // A sparse file: reading its 4 TB would take hours.
        fs_err::File::create(&file)
            .and_then(|file| file.set_len(1 << 42))
            .expect("created");
        let message = refused(&file);
        let expected = "huge.toml is too large: the limit for a definition or configuration is 1.00 MB";
        assert!(message.contains(expected), "{message}");
        fs_err::File::create(&file)
            .and_then(|file| file.set_len(Input::Definition.limit()))
            .expect("created");
        assert_eq!(
            read(&file, Input::Definition).expect("read").len() as u64,
            Input::Definition.limit()
        );
    }

    #[test]
    fn a_file_that_is_not_text_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("latin1.toml");
        fs_err::write(&file, [b'a', 0xe4]).expect("written");
        let error = read_text(&file, Input::Definition).expect_err("not UTF-8");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().ends_with("latin1.toml is not UTF-8 text"), "{error}");
    }

    #[test]
    fn the_page_about_security_lists_every_limit() {
        let page = include_str!("../../docs/concepts/security.md");
        for input in Input::ALL {
            let row = page
                .lines()
                .find(|line| line.contains(&format!("| {} |", input.name())));
            let size = DecimalBytes(input.limit()).to_string();
            assert!(
                row.is_some_and(|row| row.ends_with(&format!("| {size} |"))),
                "{}: {size}",
                input.name()
            );
        }
    }
}
