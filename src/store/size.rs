//! How much a folder holds.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes and files below a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// Bytes of its files; a file with several names in the folder counts once.
    pub bytes: u64,
    /// Its files and links, each name counted: what an inode allowance sees is at most this.
    pub files: u64,
}

impl Size {
    /// Look below `folder`; what is not there or cannot be read holds nothing.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let (bytes, files) = below(folder, &Mutex::default());
        Self { bytes, files }
    }
}

/// Bytes and files below a folder. Links are counted and not followed.
fn below(folder: &Path, seen: &Mutex<HashSet<(u64, u64)>>) -> (u64, u64) {
    // A folder that vanishes or refuses meanwhile holds nothing for us.
    let entries: Vec<_> = fs_err::read_dir(folder).into_iter().flatten().flatten().collect();
    entries
        .par_iter()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => below(&entry.path(), seen),
            Ok(_) => entry
                .metadata()
                .map_or((0, 0), |metadata| (new_bytes(&metadata, seen), 1)),
            Err(_) => (0, 0),
        })
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// The bytes of a file, or nothing if another name of it was met.
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

/// Elsewhere std does not tell which names are one file.
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
        assert_eq!(Size::of(&root.join("not there")), Size::default());
        fs_err::create_dir_all(root.join("a/b")).expect("created");
        fs_err::write(root.join("a/b/one"), [0; 1000]).expect("written");
        fs_err::write(root.join("two"), [0; 10]).expect("written");
        fs_err::hard_link(root.join("a/b/one"), root.join("a/again")).expect("linked");
        let found = Size::of(root);
        assert_eq!((found.bytes, found.files), (1010, 3));
    }
}
