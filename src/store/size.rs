//! The size of a folder.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The total bytes and number of files in a folder, with its subfolders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// The bytes of its files. A file with several hard links in the folder counts once.
    pub bytes: u64,
    /// The number of files and links. Each name counts, so the number of inodes is at most this.
    pub files: u64,
}

impl Size {
    /// Measures `folder`. Files that do not exist or cannot be read count as empty.
    #[must_use]
    pub fn measure(folder: &Path) -> Self {
        let (bytes, files) = measure(folder, &Mutex::default());
        Self { bytes, files }
    }
}

/// Counts the bytes and files in a folder. Links are counted but not followed.
fn measure(folder: &Path, seen: &Mutex<HashSet<(u64, u64)>>) -> (u64, u64) {
    // A folder that disappears meanwhile or cannot be read counts as empty.
    let entries: Vec<_> = fs_err::read_dir(folder).into_iter().flatten().flatten().collect();
    entries
        .par_iter()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => measure(&entry.path(), seen),
            Ok(_) => entry
                .metadata()
                .map_or((0, 0), |metadata| (new_bytes(&metadata, seen), 1)),
            Err(_) => (0, 0),
        })
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// Returns the bytes of a file, or 0 if another hard link to it was already counted.
#[cfg(unix)]
fn new_bytes(metadata: &std::fs::Metadata, seen: &Mutex<HashSet<(u64, u64)>>) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let is_new = metadata.nlink() < 2
        || seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((metadata.dev(), metadata.ino()));
    if is_new { metadata.len() } else { 0 }
}

/// Returns the bytes of a file. On other systems std cannot detect hard links.
#[cfg(not(unix))]
fn new_bytes(metadata: &std::fs::Metadata, _seen: &Mutex<HashSet<(u64, u64)>>) -> u64 {
    metadata.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let root = folder.path();
        assert_eq!(Size::measure(&root.join("not there")), Size::default());
        fs_err::create_dir_all(root.join("a/b")).expect("created");
        fs_err::write(root.join("a/b/one"), [0; 1000]).expect("written");
        fs_err::write(root.join("two"), [0; 10]).expect("written");
        fs_err::hard_link(root.join("a/b/one"), root.join("a/again")).expect("linked");
        let found = Size::measure(root);
        assert_eq!((found.bytes, found.files), (1010, 3));
    }
}
