//! Facts about a prefix as a folder on this machine: the path that it was created for, whether it is writable, and the
//! system libraries that its windows lack.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use super::qt;
use crate::{
    context::settings::Settings, doctor::examined::ExaminedPrefix, files::layout, finding::Finding, store::conda_link,
};

/// Facts about a prefix as a folder on this machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrefixFacts {
    pub(crate) moved: Option<Moved>,
    pub(crate) read_only: bool,
    /// Libraries that its Qt needs and that are not installed, each with a file that needs it.
    pub(crate) missing_for_qt: BTreeMap<String, PathBuf>,
    /// The problem of the conda link, if it has one.
    pub(crate) conda_link: Option<Finding>,
}

/// A prefix whose programs were created for another folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The original folder.
    pub(crate) written_for: PathBuf,
    /// A file that contains the original path.
    pub(crate) says: PathBuf,
    /// The number of such files.
    pub(crate) files: usize,
    /// `true` if the original folder exists, so that its programs run instead.
    pub(crate) is_there: bool,
}

impl PrefixFacts {
    pub(crate) fn inspect(settings: &Settings, examined: &ExaminedPrefix) -> Self {
        let conda_link = examined.records.as_ref().and_then(|made| {
            conda_link::inspect_conda_link(settings, &made.plan.manifest, &made.generation.env)
                .inspect_err(|error| tracing::warn!("{error}"))
                .ok()
                .flatten()
        });
        Self {
            moved: moved(&examined.prefix),
            read_only: read_only(&examined.prefix),
            missing_for_qt: qt::missing(&examined.prefix),
            conda_link,
        }
    }
}

#[cfg(unix)]
fn read_only(prefix: &Path) -> bool {
    rustix::fs::access(prefix, rustix::fs::Access::WRITE_OK).is_err()
}

#[cfg(not(unix))]
fn read_only(prefix: &Path) -> bool {
    fs_err::metadata(prefix).is_ok_and(|metadata| metadata.permissions().readonly())
}

/// Returns the folder whose Python the prefix's scripts start, if it is not this prefix.
fn moved(prefix: &Path) -> Option<Moved> {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let here = real(prefix);
    let mut others: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for folder in layout::executable_dirs(prefix) {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let file = entry.path();
            // A link to a program in another folder shows the path of that folder, not of this prefix.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            if let Some(python) = interpreter(&file)
                && let Some(written_for) = python.parent().and_then(Path::parent)
                && real(written_for) != here
                // Many scripts start the system's Python.
                && !is_system_prefix(written_for)
            {
                others.entry(written_for.to_owned()).or_default().push(file);
            }
        }
    }
    // A single added script does not mean a move: the target of most scripts decides.
    let (written_for, mut files) = others.into_iter().max_by_key(|(_, files)| files.len())?;
    files.sort();
    let is_there = written_for.join("bin").is_dir();
    let own = own_scripts(prefix, &here);
    (files.len() > own).then(|| Moved {
        written_for,
        says: files[0].clone(),
        files: files.len(),
        is_there,
    })
}

/// Counts the scripts that start this prefix's own Python.
fn own_scripts(prefix: &Path, here: &Path) -> usize {
    let folders = layout::executable_dirs(prefix);
    let entries = folders.iter().filter_map(|folder| fs_err::read_dir(folder).ok());
    entries
        .flat_map(Iterator::flatten)
        .filter_map(|entry| interpreter(&entry.path()))
        .filter(|python| {
            python
                .parent()
                .and_then(Path::parent)
                .and_then(|folder| fs_err::canonicalize(folder).ok())
                .is_some_and(|folder| folder == here)
        })
        .count()
}

fn is_system_prefix(prefix: &Path) -> bool {
    ["/usr", "/usr/local", "/", "/opt/homebrew"]
        .iter()
        .any(|folder| prefix == Path::new(folder))
}

/// Returns the Python that a script starts, from its first lines: `#!/e/bin/python`, or a shell that starts it if the
/// path is too long or contains a space.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let head = crate::input::open(file).ok()?.take(2048);
    let mut lines = BufReader::new(head).lines().map_while(Result::ok);
    let first = lines.next()?;
    let program = first.strip_prefix("#!")?.trim();
    let is_python = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        path.starts_with('/') && name.starts_with("python")
    };
    if is_python(program) {
        return Some(PathBuf::from(program));
    }
    let second = lines.next()?;
    let quoted = second.strip_prefix("'''exec' ")?;
    let path = quoted.split(['\'', '"']).find(|part| is_python(part))?;
    Some(PathBuf::from(path))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn scripts_show_the_original_folder_of_a_prefix() {
        let root = tempfile::tempdir().expect("a folder");
        let prefix = root.path().join("new");
        let bin = prefix.join("bin");
        fs_err::create_dir_all(&bin).expect("made");
        let write = |name: &str, text: &str| fs_err::write(bin.join(name), text).expect("written");
        write("system", "#!/usr/bin/python3\n");
        write("shell", "#!/bin/sh\n");
        assert_eq!(moved(&prefix), None);
        write("own", &format!("#!{}/bin/python\n", prefix.display()));
        assert_eq!(moved(&prefix), None);
        write("one", "#!/old/place/bin/python3\nimport x\n");
        assert_eq!(moved(&prefix), None, "one foreign script is not a move");
        write(
            "two",
            "#!/bin/sh\n'''exec' '/old/place/bin/python' \"$0\" \"$@\"\n' '''\n",
        );
        let moved = moved(&prefix).expect("moved");
        assert_eq!(
            (moved.written_for, moved.files, moved.is_there),
            ("/old/place".into(), 2, false)
        );
        // The path of an environment's link.
        fs_err::os::unix::fs::symlink(&prefix, root.path().join("link")).expect("linked");
        write("one", &format!("#!{}/link/bin/python\n", root.path().display()));
        assert_eq!(super::moved(&prefix), None);
    }
}
