//! About this matenv: which one it is, where its things lie, and how large they are.
//!
//! In: the settings. Out: an [`About`]. Absent on purpose: the environments, which `matenv list` shows.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rayon::prelude::*;
use serde::Serialize;

use crate::settings::Settings;

/// The commit that this program was built from, if its builder knew it.
pub const COMMIT: Option<&str> = option_env!("MATENV_BUILT_FROM");

/// What there is to know about this matenv.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// Version of matenv.
    pub version: &'static str,
    /// The commit that it was built from; unknown in debug builds and archives.
    pub commit: Option<&'static str>,
    /// The platform that it was built for.
    pub target: String,
    /// The program itself.
    pub program: Option<PathBuf>,
    /// `MATENV_HOME`.
    pub home: PathBuf,
    /// Configuration files that were read.
    pub configuration: Vec<PathBuf>,
    /// A folder of manifests that replaces the built-in ones.
    pub manifest_dir: Option<PathBuf>,
    /// Where the large things lie.
    pub folders: Vec<Folder>,
}

/// A folder with what lies in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// `store`, `rattler-cache` or `uv-cache`.
    pub name: &'static str,
    /// Where it lies, or will lie.
    pub path: PathBuf,
    /// Bytes of its files; a file with several names in the folder counts once.
    pub bytes: u64,
    /// Its files, each name counted: what an inode allowance sees is at most this.
    pub files: u64,
}

impl About {
    /// Look at this machine. What cannot be read counts as nothing.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let folders = [
            ("store", settings.home.join("store")),
            ("rattler-cache", settings.rattler_cache.clone()),
            ("uv-cache", settings.uv_cache.clone()),
        ];
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: COMMIT,
            target: target_lexicon::HOST.to_string(),
            program: std::env::current_exe().ok(),
            home: settings.home.clone(),
            configuration: settings.configuration.clone(),
            manifest_dir: settings.manifest_dir.clone(),
            folders: folders
                .into_par_iter()
                .map(|(name, path)| Folder::measure(name, path))
                .collect(),
        }
    }
}

impl Folder {
    fn measure(name: &'static str, path: PathBuf) -> Self {
        let seen = Mutex::new(HashSet::new());
        let (bytes, files) = below(&path, &seen);
        Self {
            name,
            path,
            bytes,
            files,
        }
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
        let root = folder.path().to_owned();
        let empty = Folder::measure("store", root.join("not there"));
        assert_eq!((empty.bytes, empty.files), (0, 0));
        fs_err::create_dir_all(root.join("a/b")).expect("created");
        fs_err::write(root.join("a/b/one"), [0; 1000]).expect("written");
        fs_err::write(root.join("two"), [0; 10]).expect("written");
        fs_err::hard_link(root.join("a/b/one"), root.join("a/again")).expect("linked");
        let found = Folder::measure("store", root);
        assert_eq!((found.bytes, found.files), (1010, 3));
    }
}
