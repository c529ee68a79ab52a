//! Temporary folders of matenv, in `MATENV_HOME/tmp`.
//!
//! A folder that a crashed process left is recognized by its lock, which the operating system releases when the process
//! ends. A process id would not do, because another process may have it by now.

use std::{
    io::Result,
    path::{Path, PathBuf},
};

use super::{entries, is_read_only, lock_file};

/// The file that is locked while a folder is created, or abandoned ones are removed.
const GATE: &str = ".lock";
/// The file in each folder that is locked while its process runs.
const IN_USE: &str = ".in-use";

/// How often a process tries to lock the gate, every 10 ms.
const ATTEMPTS: usize = 20;

/// A temporary folder of this process. It is removed when this value is dropped. If the process is killed, the next
/// command that writes removes it.
#[derive(Debug)]
pub struct TemporaryFolder {
    // It is dropped first: Windows does not remove a folder while a file in it is open.
    _in_use: Option<fs_err::File>,
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl TemporaryFolder {
    /// Creates a folder that only this user may read, below `home`. If `home` cannot be written to, for example because
    /// an administrator installed the environments, creates it in the temporary folder of the system.
    ///
    /// # Errors
    /// No folder can be created in either.
    pub fn new(home: &Path) -> Result<Self> {
        match Self::below(home) {
            Ok(folder) => Ok(folder),
            Err(error) if is_read_only(&error) => {
                tracing::debug!("using the temporary folder of the system: {error}");
                Self::of(private().prefix("matenv-").tempdir()?, None)
            }
            Err(error) => Err(error),
        }
    }

    fn below(home: &Path) -> Result<Self> {
        let parent = parent(home);
        create_private(&parent)?;
        let gate = gate(&parent)?;
        // Another process removes abandoned folders, which does not take long. Where locks are not supported, no folder
        // counts as abandoned.
        let _ = (0..ATTEMPTS).any(|_| lock_file(gate.file(), true) || pause());
        let prefix = format!("{}-", std::process::id());
        let folder = private().prefix(&prefix).tempdir_in(&parent)?;
        let in_use = fs_err::File::create(folder.path().join(IN_USE))?;
        lock_file(in_use.file(), false);
        Self::of(folder, Some(in_use))
    }

    fn of(folder: tempfile::TempDir, in_use: Option<fs_err::File>) -> Result<Self> {
        let path = folder.path().join("work");
        fs_err::create_dir(&path)?;
        Ok(Self {
            _in_use: in_use,
            _folder: folder,
            path,
        })
    }

    /// Returns its path. The folder is empty.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the folders below `home` whose process has ended, or only returns them if `remove` is not set.
pub(crate) fn remove_abandoned(home: &Path, remove: bool) -> Vec<PathBuf> {
    let parent = parent(home);
    let folders: Vec<PathBuf> = entries(&parent)
        .unwrap_or_default()
        .iter()
        .map(fs_err::DirEntry::path)
        .filter(|path| path.is_dir())
        .collect();
    if folders.is_empty() {
        return Vec::new();
    }
    // If another process creates or removes a folder now, the next command looks again.
    let Ok(gate) = gate(&parent) else {
        return Vec::new();
    };
    if !lock_file(gate.file(), false) {
        return Vec::new();
    }
    let is_abandoned = |folder: &PathBuf| match fs_err::File::open(folder.join(IN_USE)) {
        Ok(file) => lock_file(file.file(), false),
        // It was killed before it created the file.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    let mut abandoned: Vec<PathBuf> = folders.into_iter().filter(is_abandoned).collect();
    if remove {
        abandoned.retain(|folder| {
            let removed = fs_err::remove_dir_all(folder);
            removed.inspect_err(|error| tracing::debug!("{error}")).is_ok()
        });
    }
    abandoned
}

/// Returns the folder of temporary folders of this user: `tmp`, or a folder with the user's number in a home that is
/// shared with the user of `tmp`.
fn parent(home: &Path) -> PathBuf {
    let shared = home.join("tmp");
    #[cfg(unix)]
    if let Ok(metadata) = shared.symlink_metadata() {
        use std::os::unix::fs::MetadataExt as _;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user || !metadata.is_dir() {
            return home.join(format!("tmp-{user}"));
        }
    }
    shared
}

fn gate(parent: &Path) -> Result<fs_err::File> {
    fs_err::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(parent.join(GATE))
}

/// Returns a builder of folders that only this user may read.
fn private() -> tempfile::Builder<'static, 'static> {
    #[cfg(unix)]
    {
        let mut builder = tempfile::Builder::new();
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        builder
    }
    #[cfg(not(unix))]
    tempfile::Builder::new()
}

/// Waits a moment and returns `false`.
fn pause() -> bool {
    std::thread::sleep(std::time::Duration::from_millis(10));
    false
}

/// Creates a folder that only this user may read.
fn create_private(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    folder.parent().map_or(Ok(()), fs_err::create_dir_all)?;
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // Another process was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: in a home that a group shares, the folder of the first user refused everybody else.
    #[cfg(unix)]
    #[test]
    fn each_user_of_a_shared_home_has_a_folder() {
        let home = tempfile::tempdir().expect("a home");
        let shared = home.path().join("tmp");
        assert_eq!(parent(home.path()), shared);
        fs_err::create_dir(&shared).expect("created");
        assert_eq!(parent(home.path()), shared);
        if std::os::unix::fs::chown(&shared, Some(65_533), None).is_err() {
            crate::context::skip::skip("two real users need root");
            return;
        }
        let folder = TemporaryFolder::new(home.path()).expect("created");
        let own = home.path().join(format!("tmp-{}", rustix::process::geteuid().as_raw()));
        assert!(folder.path().starts_with(&own), "{}", folder.path().display());
    }

    #[test]
    fn a_folder_is_removed_with_its_value_and_an_abandoned_one_by_the_next_command() {
        let home = tempfile::tempdir().expect("a temp folder");
        assert_eq!(remove_abandoned(home.path(), true), Vec::<PathBuf>::new());
        let used = TemporaryFolder::new(home.path()).expect("created");
        fs_err::write(used.path().join("file"), "text").expect("written");
        let left = TemporaryFolder::new(home.path()).expect("created");
        let left_path = left.path().parent().expect("a folder").to_owned();
        // A killed process runs no destructor, and its locks are released.
        let TemporaryFolder {
            _in_use: in_use,
            _folder: folder,
            ..
        } = left;
        let _ = folder.keep();
        assert_eq!(
            remove_abandoned(home.path(), true),
            Vec::<PathBuf>::new(),
            "both are in use"
        );
        drop(in_use);
        assert_eq!(remove_abandoned(home.path(), false), std::slice::from_ref(&left_path));
        assert!(left_path.exists());
        assert_eq!(remove_abandoned(home.path(), true), std::slice::from_ref(&left_path));
        assert!(!left_path.exists() && used.path().join("file").exists());
        drop(used);
        let left = fs_err::read_dir(home.path().join("tmp")).expect("listed").count();
        assert_eq!(left, 1, "only the lock stays");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().expect("a temp folder");
        let folder = TemporaryFolder::new(&home.path().join("deep/home")).expect("created");
        for path in folder.path().ancestors().skip(1).take(2) {
            let mode = fs_err::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", path.display());
        }
    }
}
