//! The disk space that each generation uses alone.
//!
//! uv and rattler link files from their caches into generations, so two generations share most of their files. The own
//! size of a generation is the size of its files that no other generation of the store shares, and each file counts
//! once, however many names it has. Links to the caches do not count as shared.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{Store, StoreError, names_in};

/// A file with several names: its device and its inode.
type Inode = (u64, u64);

/// The files of a folder.
#[derive(Default)]
struct Files {
    /// The bytes of the files that have only one name.
    alone: u64,
    /// The bytes of each file that has more names, here or elsewhere.
    linked: HashMap<Inode, u64>,
}

impl Files {
    fn plus(mut self, other: Self) -> Self {
        self.alone += other.alone;
        if self.linked.len() < other.linked.len() {
            let mut more = other.linked;
            more.extend(self.linked);
            self.linked = more;
        } else {
            self.linked.extend(other.linked);
        }
        self
    }

    /// Lists a folder. Links are not followed. A folder that disappears meanwhile or cannot be read counts as empty.
    fn of_folder(folder: &Path) -> Self {
        let entries: Vec<_> = fs_err::read_dir(folder).into_iter().flatten().flatten().collect();
        entries
            .par_iter()
            .map(|entry| match entry.file_type() {
                Ok(kind) if kind.is_dir() => Self::of_folder(&entry.path()),
                Ok(_) => entry
                    .metadata()
                    .map_or_else(|_| Self::default(), |metadata| Self::of_file(&metadata)),
                Err(_) => Self::default(),
            })
            .reduce(Self::default, Self::plus)
    }

    #[cfg(unix)]
    fn of_file(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let mut files = Self::default();
        if metadata.nlink() < 2 {
            files.alone = metadata.len();
        } else {
            files.linked.insert((metadata.dev(), metadata.ino()), metadata.len());
        }
        files
    }

    /// std cannot detect hard links on other systems, so each file counts.
    #[cfg(not(unix))]
    fn of_file(metadata: &std::fs::Metadata) -> Self {
        Self {
            alone: metadata.len(),
            linked: HashMap::new(),
        }
    }
}

impl Store {
    /// Returns the own size of every folder of the store, in bytes.
    pub fn own_sizes(&self) -> Result<BTreeMap<PathBuf, u64>, StoreError> {
        let store = self.store();
        let folders: Vec<PathBuf> = names_in(&store)?.iter().map(|name| store.join(name)).collect();
        let files: Vec<Files> = folders.par_iter().map(|folder| Files::of_folder(folder)).collect();
        let mut users: HashMap<Inode, u32> = HashMap::new();
        for inode in files.iter().flat_map(|files| files.linked.keys()) {
            *users.entry(*inode).or_default() += 1;
        }
        let own = |files: &Files| {
            let linked = files.linked.iter().filter(|(inode, _)| users.get(*inode) == Some(&1));
            files.alone + linked.map(|(_, bytes)| bytes).sum::<u64>()
        };
        Ok(folders.into_iter().zip(files.iter().map(own)).collect())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::{
        context::settings::{GlobalOptions, Settings},
        process::Variables,
    };

    #[test]
    fn only_files_that_no_other_generation_has_count_and_each_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path();
        let variables = Variables::from_pairs([("HOME", home.as_os_str().to_owned())]);
        let settings = Settings::resolve(GlobalOptions::default(), variables, home).expect("settings");
        let store = Store::open(&settings).expect("a store");
        let [one, two, cache] = ["sleap-1.aaaaaa", "other-1.bbbbbb", "../cache"].map(|name| store.store().join(name));
        for prefix in [&one, &two, &cache] {
            fs_err::create_dir_all(prefix.join("lib")).expect("created");
        }
        let link = |from: &Path, to: &Path| fs_err::hard_link(from, to).expect("linked");
        fs_err::write(cache.join("shared"), [0; 1000]).expect("written");
        fs_err::write(cache.join("own"), [0; 200]).expect("written");
        link(&cache.join("shared"), &one.join("lib/shared"));
        link(&cache.join("shared"), &two.join("lib/shared"));
        link(&cache.join("own"), &one.join("lib/own"));
        link(&cache.join("own"), &one.join("lib/own again"));
        fs_err::write(one.join("record"), [0; 30]).expect("written");
        fs_err::write(two.join("record"), [0; 4]).expect("written");
        let sizes = store.own_sizes().expect("measured");
        assert_eq!((sizes[&one], sizes[&two]), (230, 4));
    }
}
