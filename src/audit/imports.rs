//! On macOS and Windows: whether what the mission's packages load is there. (Linux has [`super::closure`].)
//!
//! A DLL is found by its name alone: in the folder of the program, in those that packages add while they are imported, or because
//! another package has loaded one of that name. So one anywhere in the prefix counts. dyld goes by paths, and those are followed.

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

/// Folders of `site-packages` whose libraries are loaded when their package is imported. Others have plugins that nobody
/// may ever load.
const FOLDERS: [&str; 5] = ["onnxruntime/capi/", "torch/", "torchvision/", "numpy/", "cv2/"];

/// What NVIDIA's driver brings.
const OF_THE_DRIVER: [&str; 2] = ["nvcuda.dll", "nvml.dll"];

/// A library that is needed and nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LackingLibrary {
    /// Its name, as it is asked for.
    pub library: String,
    /// The files that need it, below the prefix.
    pub needed_by: Vec<String>,
}

/// The libraries that nobody brings, by name; none of what is ELF. `site_packages` is below the prefix, which has to
/// serve `subject`; `of_windows` says whether Windows has a DLL of its own, by its name in small letters.
#[must_use]
pub fn lacking_libraries(
    prefix: &Path,
    tree: &Tree,
    site_packages: &str,
    subject: &Subject,
    of_windows: impl Fn(&str) -> bool,
) -> Vec<LackingLibrary> {
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
    // A virtual environment has Python's own DLLs where the Python lies that it was made with.
    names.extend(python_folders(prefix).iter().flat_map(|folder| names_in(folder)));
    let start: Vec<String> = tree
        .iter()
        .filter(|(path, entry)| !entry.link && is_library(path) && loaded(path))
        .map(|(path, _)| path.to_owned())
        .collect();
    // The tables of all are read at once; what those need within the prefix is read as it comes.
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
        let mut rpaths: Vec<PathBuf> = imports.rpath.iter().map(|told| placed(told, &file, prefix)).collect();
        rpaths.extend(above);
        for name in &imports.needed {
            let found = match imports.kind {
                Kind::Dll => is_there(&name.to_lowercase(), &names, &of_windows),
                Kind::MachO => match of_dyld(name, &file, prefix, &rpaths) {
                    Found::OfTheSystem => true,
                    Found::Here(there) => {
                        if let Ok(below) = there.strip_prefix(prefix) {
                            queue.push_back((below.to_string_lossy().replace('\\', "/"), rpaths.clone()));
                        }
                        true
                    }
                    Found::Nowhere => false,
                },
            };
            if !found {
                missing.entry(name.clone()).or_default().insert(path.clone());
            }
        }
    }
    missing
        .into_iter()
        .map(|(library, needed_by)| LackingLibrary {
            library,
            needed_by: needed_by.into_iter().collect(),
        })
        .collect()
}

/// Whether ONNX Runtime opens it only for a provider that the profile does not use.
fn is_of_another_profile(path: &str, subject: &Subject) -> bool {
    let provider = path.strip_prefix("onnxruntime/capi/").unwrap_or_default();
    let on_processor = subject.libraries.is_empty();
    provider.contains("providers_cuda") && on_processor
        || provider.contains("providers_tensorrt") && (on_processor || subject.profile != ProfileName::GpuTrt)
}

/// What a file needs. One that cannot be read is told by its size or its hash.
fn imports(prefix: &Path, path: &str) -> Option<Imports> {
    Imports::read(&prefix.join(path)).ok().flatten()
}

/// Whether a DLL is there, brought by the environment, by Windows or by the driver.
fn is_there(name: &str, names: &BTreeSet<String>, of_windows: impl Fn(&str) -> bool) -> bool {
    // API sets are names that Windows itself resolves.
    name.starts_with("api-ms-win-")
        || name.starts_with("ext-ms-")
        || OF_THE_DRIVER.contains(&name)
        || names.contains(name)
        || of_windows(name)
}

/// Whether this Windows has a DLL of that name. One that lies elsewhere is not asked: nothing is missing then.
#[must_use]
pub(super) fn is_in_system_folder(name: &str) -> bool {
    let folder = Path::new(r"C:\Windows\System32");
    !folder.is_dir() || folder.join(name).is_file()
}

/// Where the Python lies that an environment starts: behind its own, and what `pyvenv.cfg` names.
fn python_folders(prefix: &Path) -> Vec<PathBuf> {
    let own = fs_err::canonicalize(layout::python(prefix)).ok();
    let behind = own.and_then(|python| Some(python.parent()?.to_owned()));
    let home = layout::of_virtual_environment(prefix, &["home"]).map(PathBuf::from);
    behind.into_iter().chain(home).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().to_lowercase())
        .collect()
}

enum Found {
    OfTheSystem,
    Here(PathBuf),
    Nowhere,
}

/// Where dyld would find it.
fn of_dyld(name: &str, file: &Path, prefix: &Path, rpaths: &[PathBuf]) -> Found {
    // Their files lie in dyld's cache, and on no disk.
    if name.starts_with("/usr/lib/") || name.starts_with("/System/") {
        return Found::OfTheSystem;
    }
    let candidates: Vec<PathBuf> = match name.strip_prefix("@rpath/") {
        Some(rest) => {
            // Python's own executable names the prefix's `lib`.
            let of_python = prefix.join("lib");
            rpaths
                .iter()
                .chain([&of_python])
                .map(|folder| folder.join(rest))
                .collect()
        }
        None => vec![placed(name, file, prefix)],
    };
    let there = candidates.into_iter().map(clean).find(|path| path.is_file());
    there.map_or(Found::Nowhere, Found::Here)
}

/// A path of a load command, seen from the file that says it.
fn placed(told: &str, file: &Path, prefix: &Path) -> PathBuf {
    let beside = file.parent().unwrap_or(file);
    for (start, folder) in [("@loader_path", beside), ("@executable_path", &prefix.join("bin"))] {
        if let Some(rest) = told.strip_prefix(start) {
            return folder.join(rest.trim_start_matches('/'));
        }
    }
    beside.join(told)
}
