//! Waits until files are on the disk, so that a power failure cannot take them back.

use std::{
    io::{Error, ErrorKind, Result},
    path::Path,
};

/// Waits until every file below `prefix` is on the disk. One call for the whole file system is much faster than one
/// for each file.
#[cfg(target_os = "linux")]
pub(super) fn sync_tree(prefix: &Path) -> Result<()> {
    let folder = fs_err::File::open(prefix)?;
    match rustix::fs::syncfs(folder.file()) {
        Ok(()) => Ok(()),
        // Some sandboxes do not have this call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => sync_each(prefix),
        Err(error) => Err(failed(prefix, &error.into())),
    }
}

/// Waits until every file below `prefix` is on the disk.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync_tree(prefix: &Path) -> Result<()> {
    sync_each(prefix)
}

/// Syncs the files and folders below `folder` one by one, in parallel.
fn sync_each(folder: &Path) -> Result<()> {
    use rayon::prelude::*;
    let entries: Vec<_> = fs_err::read_dir(folder)?.collect::<Result<_>>()?;
    entries.par_iter().try_for_each(|entry| {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_each(&entry.path())
        } else if kind.is_file() {
            sync_file(&entry.path())
        } else {
            Ok(())
        }
    })?;
    sync_folder(folder)
}

/// Without the flush of the disk's own cache that std's `sync_all` requests on macOS, which takes milliseconds for each
/// file. The record that is written afterwards requests it once.
#[cfg(unix)]
fn sync_file(path: &Path) -> Result<()> {
    let file = fs_err::File::open(path)?;
    rustix::fs::fsync(file.file()).map_err(|error| failed(path, &error.into()))
}

/// Windows syncs only files that are open for writing. A read-only file comes from a cache and was synced there.
#[cfg(windows)]
fn sync_file(path: &Path) -> Result<()> {
    match fs_err::OpenOptions::new().write(true).open(path) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits until the entries of `folder` are on the disk.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    match fs_err::File::open(folder)?.sync_all() {
        // Some network file systems cannot sync a folder.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Does nothing: Windows has no such call for folders.
#[cfg(windows)]
pub(super) fn sync_folder(_folder: &Path) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn failed(path: &Path, error: &Error) -> Error {
    let path = path.display();
    Error::new(error.kind(), format!("failed to write `{path}` to the disk: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_links_and_empty_folders_is_synced() {
        let folder = tempfile::tempdir().expect("a temp folder");
        fs_err::create_dir_all(folder.path().join("a/empty")).expect("created");
        fs_err::write(folder.path().join("a/file"), "text").expect("written");
        #[cfg(unix)]
        fs_err::os::unix::fs::symlink("nowhere", folder.path().join("a/link")).expect("linked");
        sync_tree(folder.path()).expect("synced");
        sync_each(folder.path()).expect("synced");
        let missing = sync_tree(&folder.path().join("missing")).expect_err("missing");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
