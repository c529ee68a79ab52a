use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

/// Folders of a conda installation that contain other environments and archives.
const SKIPPED_FOLDERS: [&str; 3] = ["pkgs", "envs", "conda-bld"];

/// A file on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The size in bytes. For a link, the size of its target.
    pub size: u64,
    /// Whether it is a link.
    pub link: bool,
}

/// The files of a prefix by relative path, with `/` on all systems. Skips `__pycache__` and links to folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    prefix: PathBuf,
    files: BTreeMap<String, Entry>,
}

impl Tree {
    /// Lists the files of a prefix.
    #[must_use]
    pub fn read(prefix: &Path) -> Self {
        Self {
            prefix: prefix.to_owned(),
            files: list(prefix, "").into_iter().collect(),
        }
    }

    /// Returns the prefix.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Returns the full path of a file.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.prefix.join(path)
    }

    /// Returns `path` relative to the prefix, or `None` if it is outside.
    #[must_use]
    pub fn relative(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(&self.prefix).ok()?;
        Some(below.to_str()?.replace('\\', "/"))
    }

    /// Returns the file at `path`. Also finds files that the list skips.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Entry> {
        self.files.get(path).copied().or_else(|| {
            entry(&self.prefix.join(path))
                .filter(|(_, folder)| !folder)
                .map(|(entry, _)| entry)
        })
    }

    /// Returns whether anything exists at `path`, even a broken link.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || fs_err::symlink_metadata(self.prefix.join(path)).is_ok()
    }

    /// Iterates over the listed files, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Entry)> {
        self.files.iter().map(|(path, entry)| (path.as_str(), *entry))
    }
}

/// Reads the entry at a path, and whether it is a folder. `None` for a missing file or a broken link.
fn entry(path: &Path) -> Option<(Entry, bool)> {
    let own = fs_err::symlink_metadata(path).ok()?;
    let link = own.is_symlink();
    let there = if link { fs_err::metadata(path).ok()? } else { own };
    let entry = Entry {
        size: there.len(),
        link,
    };
    Some((entry, there.is_dir()))
}

fn list(prefix: &Path, folder: &str) -> Vec<(String, Entry)> {
    // Python cannot use the files of an unreadable folder either.
    let Ok(entries) = fs_err::read_dir(prefix.join(folder)) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for found in entries.flatten() {
        let Ok(name) = found.file_name().into_string() else {
            continue;
        };
        if name == "__pycache__" || folder.is_empty() && SKIPPED_FOLDERS.contains(&name.as_str()) {
            continue;
        }
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        match entry(&found.path()) {
            Some((Entry { link: false, .. }, true)) => folders.push(path),
            Some((entry, false)) => files.push((path, entry)),
            Some((_, true)) | None => {}
        }
    }
    let below: Vec<Vec<_>> = folders.par_iter().map(|folder| list(prefix, folder)).collect();
    files.extend(below.into_iter().flatten());
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn files_and_links_to_files_are_listed_and_folders_behind_links_are_not() {
        let prefix = tempfile::tempdir().expect("a folder");
        let root = prefix.path();
        fs_err::create_dir_all(root.join("lib/demo/__pycache__")).expect("created");
        fs_err::create_dir_all(root.join("pkgs")).expect("created");
        fs_err::write(root.join("lib/demo/a.so.1"), "abc").expect("written");
        fs_err::write(root.join("lib/demo/__pycache__/a.pyc"), "abc").expect("written");
        fs_err::write(root.join("pkgs/archive"), "abc").expect("written");
        std::os::unix::fs::symlink("a.so.1", root.join("lib/demo/a.so")).expect("linked");
        std::os::unix::fs::symlink("nowhere", root.join("lib/demo/b.so")).expect("linked");
        std::os::unix::fs::symlink("lib", root.join("lib64")).expect("linked");
        let tree = Tree::read(root);
        let paths: Vec<_> = tree.iter().map(|(path, entry)| (path, entry.link)).collect();
        assert_eq!(paths, [("lib/demo/a.so", true), ("lib/demo/a.so.1", false)]);
        assert_eq!(tree.get("lib64/demo/a.so.1").map(|entry| entry.size), Some(3));
        assert!(tree.has("lib/demo/b.so") && tree.get("lib/demo/b.so").is_none());
    }
}
