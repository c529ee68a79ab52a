use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rayon::prelude::*;

use crate::{binary::Dynamic, packages::preload::Present, profile::stack::Library};

/// Folders, relative to `site-packages`, with libraries that the programs of a profile load.
const FOLDERS: [&str; 7] = [
    "nvidia",
    "tensorrt_libs",
    "onnxruntime/capi",
    "torch",
    "torch/lib",
    "torchvision",
    "../lib-dynload",
];

/// The dynamic section of a file, or the reason why it cannot be loaded.
pub(super) type Read = Arc<Result<Dynamic, String>>;

/// The libraries of a prefix, each read once.
pub(super) struct Files {
    /// The libraries, by folder.
    folders: BTreeMap<PathBuf, Vec<PathBuf>>,
    site_packages: PathBuf,
    present: Present,
    read: Mutex<HashMap<PathBuf, Read>>,
}

impl Files {
    /// Lists and reads the libraries.
    pub(super) fn read(site_packages: &Path) -> Self {
        let mut folders = BTreeMap::new();
        for folder in FOLDERS {
            let depth = if folder == "nvidia" { 4 } else { 0 };
            let folder = match folder.strip_prefix("../") {
                Some(sibling) => site_packages.with_file_name(sibling),
                None => site_packages.join(folder),
            };
            list(&folder, depth, &mut folders);
        }
        let paths: Vec<&PathBuf> = folders.values().flatten().collect();
        let read = paths.par_iter().map(|path| ((*path).clone(), read(path))).collect();
        Self {
            folders,
            site_packages: site_packages.to_owned(),
            present: Present::read(site_packages),
            read: Mutex::new(read),
        }
    }

    /// Returns the files of a library that is listed for preloading.
    pub(super) fn listed(&self, library: &Library) -> Vec<PathBuf> {
        let files = self.present.called(library);
        files.map(|path| self.site_packages.join(path)).collect()
    }

    /// Returns the libraries of a folder whose names match `called`, in order.
    pub(super) fn below(&self, folder: &Path, called: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let paths = self.folders.get(folder).map(Vec::as_slice).unwrap_or_default();
        let is_called = |path: &&PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&called);
        paths.iter().filter(is_called).cloned().collect()
    }

    /// Reads the dynamic section of a file. Returns `None` if the file does not exist.
    pub(super) fn dynamic(&self, path: &Path) -> Option<Read> {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(path) {
            return Some(Arc::clone(found));
        }
        if !path.is_file() {
            return None;
        }
        let found = read(path);
        known.insert(path.to_owned(), Arc::clone(&found));
        Some(found)
    }
}

fn read(path: &Path) -> Read {
    Arc::new(Dynamic::read(path).map_err(|error| error.to_string()))
}

/// Adds the libraries of a folder, and of subfolders down to `depth`, to `folders`.
fn list(folder: &Path, depth: usize, folders: &mut BTreeMap<PathBuf, Vec<PathBuf>>) {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    let mut libraries = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let library = name.contains(".so.") || name.ends_with(".so");
        if library && path.is_file() {
            libraries.push(path);
        } else if depth > 0 && path.is_dir() {
            list(&path, depth - 1, folders);
        }
    }
    libraries.sort();
    folders.insert(folder.to_owned(), libraries);
}
