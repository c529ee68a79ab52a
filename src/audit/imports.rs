//! Checks on macOS and Windows whether all libraries that the packages load are present. (For Linux, see
//! [`super::closure`].)
//!
//! Windows finds a DLL by name: in the program's folder, in folders that packages add during import, or because
//! another package has already loaded a DLL of that name. So a DLL anywhere in the prefix counts as present. dyld on
//! macOS uses paths, so this module follows them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

use path_clean::clean;
use rayon::prelude::*;

use super::{Subject, binaries::is_library, tree::Tree};
use crate::{
    binary::{Imports, Kind},
    files::layout,
    names::ProfileName,
};

/// Folders of `site-packages` whose libraries are loaded on import. Other folders may contain plugins that are never
/// loaded.
const FOLDERS: [&str; 5] = ["onnxruntime/capi/", "torch/", "torchvision/", "numpy/", "cv2/"];

/// DLLs that the NVIDIA driver installs.
const DRIVER_DLLS: [&str; 2] = ["nvcuda.dll", "nvml.dll"];

/// A library that is needed but missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingLibrary {
    /// Its name, as the files that need it spell it.
    pub library: String,
    /// The files that need it, relative to the prefix.
    pub needed_by: Vec<String>,
}

/// Returns the missing libraries, by name. Ignores ELF files. `site_packages` is relative to the prefix. `subject`
/// selects the providers that count. `of_windows` returns whether Windows itself has a DLL of that lowercase name.
#[must_use]
pub fn missing_libraries(
    prefix: &Path,
    tree: &Tree,
    site_packages: &str,
    subject: &Subject,
    of_windows: impl Fn(&str) -> bool,
) -> Vec<MissingLibrary> {
    let loaded = |path: &str| {
        let below = path.strip_prefix(site_packages).and_then(|rest| rest.strip_prefix('/'));
        below.is_some_and(|below| {
            FOLDERS.iter().any(|folder| below.starts_with(folder)) && !is_of_another_profile(below, subject)
        })
    };
    let mut names: BTreeSet<String> = tree
        .iter()
        .filter(|(path, _)| is_library(path))
        .map(|(path, _)| path.rsplit('/').next().unwrap_or(path).to_lowercase())
        .collect();
    // A virtual environment uses the DLLs of the Python that it was created with.
    names.extend(python_folders(prefix).iter().flat_map(|folder| names_in(folder)));
    let start: Vec<String> = tree
        .iter()
        .filter(|(path, entry)| !entry.link && is_library(path) && loaded(path))
        .map(|(path, _)| path.to_owned())
        .collect();
    // Read the starting libraries in parallel, and further ones when they turn up.
    let mut read: BTreeMap<String, Option<Imports>> = start
        .par_iter()
        .map(|path| (path.clone(), imports(prefix, path)))
        .collect();
    let mut queue: VecDeque<(String, Vec<PathBuf>)> = start.into_iter().map(|path| (path, Vec::new())).collect();
    let mut seen = BTreeSet::new();
    let mut missing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some((path, above)) = queue.pop_front() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let known = read.entry(path.clone()).or_insert_with(|| imports(prefix, &path));
        let Some(imports) = known.clone() else { continue };
        let file = prefix.join(&path);
        let mut rpaths: Vec<PathBuf> = imports.rpath.iter().map(|path| resolve(path, &file, prefix)).collect();
        rpaths.extend(above);
        for name in &imports.needed {
            let found = match imports.kind {
                Kind::Dll => is_there(&name.to_lowercase(), &names, &of_windows),
                Kind::MachO => match find_like_dyld(name, &file, prefix, &rpaths) {
                    Found::System => true,
                    Found::File(there) => {
                        if let Ok(below) = there.strip_prefix(prefix) {
                            queue.push_back((below.to_string_lossy().replace('\\', "/"), rpaths.clone()));
                        }
                        true
                    }
                    Found::Missing => false,
                },
            };
            if !found {
                missing.entry(name.clone()).or_default().insert(path.clone());
            }
        }
    }
    missing
        .into_iter()
        .map(|(library, needed_by)| MissingLibrary {
            library,
            needed_by: needed_by.into_iter().collect(),
        })
        .collect()
}

/// Returns whether ONNX Runtime opens the library only for a provider that the profile does not use.
fn is_of_another_profile(path: &str, subject: &Subject) -> bool {
    let provider = path.strip_prefix("onnxruntime/capi/").unwrap_or_default();
    let on_processor = subject.libraries.is_empty();
    provider.contains("providers_cuda") && on_processor
        || provider.contains("providers_tensorrt") && (on_processor || subject.profile != ProfileName::GpuTrt)
}

/// Reads the imports of a file. The check of sizes and hashes reports files that cannot be read.
fn imports(prefix: &Path, path: &str) -> Option<Imports> {
    Imports::read(&prefix.join(path)).ok().flatten()
}

/// Returns whether the environment, Windows or the driver has a DLL.
fn is_there(name: &str, names: &BTreeSet<String>, of_windows: impl Fn(&str) -> bool) -> bool {
    // API sets are virtual names that Windows resolves.
    name.starts_with("api-ms-win-")
        || name.starts_with("ext-ms-")
        || DRIVER_DLLS.contains(&name)
        || names.contains(name)
        || of_windows(name)
}

/// Returns whether Windows has a DLL of that name. Always true if Windows is not in `C:\Windows`.
#[must_use]
pub(super) fn is_in_system_folder(name: &str) -> bool {
    let folder = Path::new(r"C:\Windows\System32");
    !folder.is_dir() || folder.join(name).is_file()
}

/// Returns the folders of the base Python: the target of the environment's link, and `home` in `pyvenv.cfg`.
fn python_folders(prefix: &Path) -> Vec<PathBuf> {
    let own = fs_err::canonicalize(layout::python(prefix)).ok();
    let behind = own.and_then(|python| Some(python.parent()?.to_owned()));
    let home = layout::pyvenv_value(prefix, &["home"]).map(PathBuf::from);
    behind.into_iter().chain(home).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().to_lowercase())
        .collect()
}

enum Found {
    System,
    File(PathBuf),
    Missing,
}

/// Finds a library as dyld would.
fn find_like_dyld(name: &str, file: &Path, prefix: &Path, rpaths: &[PathBuf]) -> Found {
    // System libraries are in dyld's cache and have no files on disk.
    if name.starts_with("/usr/lib/") || name.starts_with("/System/") {
        return Found::System;
    }
    let candidates: Vec<PathBuf> = match name.strip_prefix("@rpath/") {
        Some(rest) => {
            // The Python executable adds the prefix's `lib`.
            let of_python = prefix.join("lib");
            rpaths
                .iter()
                .chain([&of_python])
                .map(|folder| folder.join(rest))
                .collect()
        }
        None => vec![resolve(name, file, prefix)],
    };
    let there = candidates.into_iter().map(clean).find(|path| path.is_file());
    there.map_or(Found::Missing, Found::File)
}

/// Resolves a path in a load command, relative to the file that contains it.
fn resolve(path: &str, file: &Path, prefix: &Path) -> PathBuf {
    let parent = file.parent().unwrap_or(file);
    for (start, folder) in [("@loader_path", parent), ("@executable_path", &prefix.join("bin"))] {
        if let Some(rest) = path.strip_prefix(start) {
            return folder.join(rest.trim_start_matches('/'));
        }
    }
    parent.join(path)
}
