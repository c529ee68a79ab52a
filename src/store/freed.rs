//! The disk space that the removal of files frees.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Counts the bytes that the removal of files frees. Most files of a generation are hard links to a cache or to another
/// generation, and only the removal of the last link frees the bytes.
#[derive(Debug, Default)]
pub(super) struct Freed {
    /// The bytes of files with one link.
    alone: u64,
    /// Files with several links, by device and inode: bytes, links in all, links seen.
    shared: HashMap<(u64, u64), (u64, u64, u64)>,
}

impl Freed {
    /// Whether the number is exact. Windows does not tell how many links a file has, so there it is an upper bound.
    pub(super) const IS_EXACT: bool = cfg!(unix);

    /// Counts the files at `paths`, which are files or folders. Skips what cannot be read.
    pub(super) fn add(&mut self, paths: &[PathBuf]) {
        for path in paths {
            self.add_one(path);
        }
    }

    fn add_one(&mut self, path: &Path) {
        let Ok(metadata) = path.symlink_metadata() else {
            return;
        };
        if metadata.is_dir() {
            let entries = fs_err::read_dir(path).into_iter().flatten().flatten();
            entries.for_each(|entry| self.add_one(&entry.path()));
        }
        self.count(&metadata);
    }

    #[cfg(unix)]
    fn count(&mut self, metadata: &std::fs::Metadata) {
        use std::os::unix::fs::MetadataExt as _;
        /// The unit of `st_blocks` on every system.
        const BLOCK: u64 = 512;
        let bytes = metadata.blocks() * BLOCK;
        if metadata.is_dir() || metadata.nlink() < 2 {
            self.alone += bytes;
            return;
        }
        let key = (metadata.dev(), metadata.ino());
        self.shared.entry(key).or_insert((bytes, metadata.nlink(), 0)).2 += 1;
    }

    #[cfg(not(unix))]
    fn count(&mut self, metadata: &std::fs::Metadata) {
        if !metadata.is_dir() {
            self.alone += metadata.len();
        }
    }

    /// Returns the bytes that are freed if everything that was counted is removed.
    pub(super) fn bytes(&self) -> u64 {
        let freed = self.shared.values().filter(|(_, links, seen)| seen >= links);
        self.alone + freed.map(|(bytes, _, _)| bytes).sum::<u64>()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_freed_only_with_its_last_link() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let [one, two, cache] = ["one", "two", "cache"].map(|name| folder.path().join(name));
        for made in [&one, &two, &cache] {
            fs_err::create_dir(made).expect("created");
        }
        let mut empty = Freed::default();
        empty.add(&[one.clone(), two.clone()]);
        fs_err::write(cache.join("cached"), vec![1; 100_000]).expect("written");
        fs_err::write(one.join("shared"), vec![1; 200_000]).expect("written");
        fs_err::hard_link(cache.join("cached"), one.join("cached")).expect("linked");
        fs_err::hard_link(one.join("shared"), two.join("shared")).expect("linked");
        let bytes = |paths: &[&PathBuf]| {
            let mut freed = Freed::default();
            freed.add(&paths.iter().map(|path| (*path).clone()).collect::<Vec<_>>());
            freed.bytes()
        };
        assert!(bytes(&[&one]) < 100_000, "the other links stay");
        let both = bytes(&[&one, &two]) - empty.bytes();
        assert!((200_000..300_000).contains(&both), "{both}");
        assert!(bytes(&[&one, &two, &cache]) > 300_000);
        assert_eq!(bytes(&[&folder.path().join("missing")]), 0);
    }
}
