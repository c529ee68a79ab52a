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

/// matenv's own files of a generation: certificate, lock, plan.
#[must_use]
pub fn records(prefix: &Path) -> PathBuf {
    prefix.join("share").join("matenv")
}
