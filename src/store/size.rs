//! How much a folder holds.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes and files below a folder; a file that other folders share by a hard link counts in each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files and links.
    pub files: u64,
}

impl Size {
    /// Look below `folder`; what is not there holds nothing.
    pub fn of(folder: &Path) -> std::io::Result<Self> {
        let mut size = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs_err::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                // Of the entry itself: a link is not followed.
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    size.bytes += metadata.len();
                    size.files += 1;
                }
            }
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_in_every_folder() {
        let folder = tempfile::tempdir().expect("a temp folder");
        fs_err::create_dir_all(folder.path().join("a/b")).expect("folders");
        fs_err::write(folder.path().join("a/b/c"), "12345").expect("a file");
        fs_err::write(folder.path().join("d"), "1").expect("a file");
        let size = Size::of(folder.path()).expect("read");
        assert_eq!((size.bytes, size.files), (6, 2));
        assert_eq!(Size::of(&folder.path().join("none")).expect("nothing"), Size::default());
    }
}
