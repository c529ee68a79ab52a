//! About this matenv: which one it is, where its things lie, and how large they are.
//!
//! In: the settings. Out: an [`About`]. Absent on purpose: the environments, which `matenv list` shows.

use std::path::PathBuf;

use rayon::prelude::*;
use serde::Serialize;

use crate::{context::settings::Settings, store::Size};

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
        let Size { bytes, files } = Size::of(&path);
        Self {
            name,
            path,
            bytes,
            files,
        }
    }
}
