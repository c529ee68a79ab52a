//! Libraries of the operating system that an environment's Qt needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{audit::system_folders, binary::Dynamic, doctor::process::binding, files::layout};

/// Files that Qt from wheels opens first: its window library and its X11 plugin.
const OPENED: [&str; 3] = ["libQt6Gui.so.6", "libQt5Gui.so.5", "libqxcb.so"];

/// Returns the missing libraries, each with a file that needs it. It follows the dependencies of Qt's own files, but
/// not those of system libraries.
pub(super) fn missing(prefix: &Path) -> BTreeMap<String, PathBuf> {
    let (true, Some(binding), Some(site_packages)) = (
        cfg!(target_os = "linux"),
        binding(prefix),
        layout::site_packages_of(prefix),
    ) else {
        return BTreeMap::new();
    };
    let root = site_packages.join(binding);
    let mut ours: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in [&root, &site_packages.join("shiboken6"), &prefix.join("lib")] {
        list(folder, if folder == &root { 5 } else { 0 }, &mut ours);
    }
    let system = system_folders();
    let there = |name: &str| system.iter().any(|folder| folder.join(name).exists());
    let mut missing = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut next: Vec<&PathBuf> = OPENED.iter().filter_map(|name| ours.get(*name)).collect();
    while let Some(file) = next.pop() {
        for needed in Dynamic::read(file).map(|dynamic| dynamic.needed).unwrap_or_default() {
            if !seen.insert(needed.clone()) {
                continue;
            }
            if let Some(own) = ours.get(&needed) {
                next.push(own);
            } else if !there(&needed) {
                missing.insert(needed, file.clone());
            }
        }
    }
    missing
}

fn list(folder: &Path, depth: usize, files: &mut BTreeMap<String, PathBuf>) {
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth > 0 {
                list(&entry.path(), depth - 1, files);
            }
        } else if name.contains(".so") {
            files.entry(name).or_insert_with(|| entry.path());
        }
    }
}
