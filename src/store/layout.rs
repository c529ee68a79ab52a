//! Where things lie inside a prefix, on each operating system.

use std::path::{Path, PathBuf};

/// The environment's Python.
#[must_use]
pub fn python(prefix: &Path) -> PathBuf {
    if cfg!(windows) {
        prefix.join("python.exe")
    } else {
        prefix.join("bin").join("python")
    }
}

/// Folders of executables, in the order of PATH.
#[must_use]
pub fn executable_dirs(prefix: &Path) -> Vec<PathBuf> {
    if cfg!(windows) {
        [
            "",
            "Library/mingw-w64/bin",
            "Library/usr/bin",
            "Library/bin",
            "Scripts",
            "bin",
        ]
        .iter()
        .map(|part| prefix.join(part))
        .collect()
    } else {
        vec![prefix.join("bin")]
    }
}

/// `site-packages` of a prefix whose Python is `version` (such as `3.13`).
#[must_use]
pub fn site_packages(prefix: &Path, version: &str) -> PathBuf {
    if cfg!(windows) {
        prefix.join("Lib").join("site-packages")
    } else {
        prefix
            .join("lib")
            .join(format!("python{version}"))
            .join("site-packages")
    }
}

/// `site-packages` of a prefix, by looking at it; `None` if there is no Python.
#[must_use]
pub fn site_packages_of(prefix: &Path) -> Option<PathBuf> {
    if cfg!(windows) {
        return Some(site_packages(prefix, "")).filter(|folder| folder.is_dir());
    }
    fs_err::read_dir(prefix.join("lib"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| {
            name.strip_prefix("python")
                .map(|version| site_packages(prefix, version))
        })
        .find(|folder| folder.is_dir())
}

/// matenv's own files of a generation: certificate, lock, plan.
#[must_use]
pub fn records(prefix: &Path) -> PathBuf {
    prefix.join("share").join("matenv")
}
