//! Files and folders that may be missing, where that is no error.

use std::{
    io::{ErrorKind, Result},
    path::Path,
};

use crate::input::{self, Input};

/// Turns the error for a missing file or folder into `None`.
///
/// # Errors
/// All other errors.
pub(crate) fn if_exists<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a record or another text that matenv wrote, or returns `None` if it is missing.
///
/// # Errors
/// The file exists, but cannot be read.
pub(crate) fn read_if_exists(path: &Path) -> Result<Option<String>> {
    if_exists(input::read_text(path, Input::Record))
}

/// Removes a file. Returns `false` if it is missing.
///
/// # Errors
/// The file exists, but cannot be removed.
pub(crate) fn remove_if_exists(path: &Path) -> Result<bool> {
    Ok(if_exists(fs_err::remove_file(path))?.is_some())
}

/// Lists a folder. A missing folder has no entries.
///
/// # Errors
/// The folder exists, but cannot be read.
pub(crate) fn entries(folder: &Path) -> Result<Vec<fs_err::DirEntry>> {
    match if_exists(fs_err::read_dir(folder))? {
        Some(entries) => entries.collect(),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_not_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        assert_eq!(read_if_exists(&file).expect("read"), None);
        assert!(!remove_if_exists(&file).expect("removed"));
        assert!(entries(&folder.path().join("missing")).expect("listed").is_empty());
        fs_err::write(&file, "text").expect("written");
        assert_eq!(read_if_exists(&file).expect("read").as_deref(), Some("text"));
        assert_eq!(entries(folder.path()).expect("listed").len(), 1);
        assert!(remove_if_exists(&file).expect("removed"));
        assert!(!file.exists());
    }

    #[test]
    fn other_errors_stay_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs_err::write(&file, [0xff]).expect("written");
        assert_eq!(
            read_if_exists(&file).expect_err("no text").kind(),
            ErrorKind::InvalidData
        );
        assert!(entries(&file).is_err(), "a file was listed");
        assert!(remove_if_exists(folder.path()).is_err(), "a folder was removed");
    }
}
