//! Facts about this matenv: its version, its files and folders, and their sizes.
//!
//! Input: the settings. Output: an [`About`]. It does not contain the environments, which `matenv list` shows.

use std::path::PathBuf;

use rayon::prelude::*;
use serde::Serialize;

use crate::{context::settings::Settings, store::Size};

/// The commit that this program was built from, if it was known at build time.
pub const COMMIT: Option<&str> = option_env!("MATENV_BUILT_FROM");

/// The version of this matenv and its folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// Version of matenv.
    pub version: &'static str,
    /// Commit that it was built from; `None` for debug builds and for archives.
    pub commit: Option<&'static str>,
    /// Platform that it was built for.
    pub target: String,
    /// Path of the program.
    pub program: Option<PathBuf>,
    /// `MATENV_HOME`.
    pub home: PathBuf,
    /// Configuration files that were read.
    pub configuration: Vec<PathBuf>,
    /// Folder of manifests that replaces the built-in ones.
    pub manifest_dir: Option<PathBuf>,
    /// The large folders.
    pub folders: Vec<Folder>,
}

/// A folder and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// `store`, `rattler-cache` or `uv-cache`.
    pub name: &'static str,
    /// Its path; it may not exist yet.
    pub path: PathBuf,
    /// Size of its files in bytes; a file with several hard links in the folder counts once.
    pub bytes: u64,
    /// Number of its files, with each hard link counted: an upper bound of the inodes that a quota counts.
    pub files: u64,
}

impl About {
    /// Measures the folders. Files that cannot be read count as zero.
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
        let Size { bytes, files } = Size::measure(&path);
        Self {
            name,
            path,
            bytes,
            files,
        }
    }
}
