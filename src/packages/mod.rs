//! Packages: resolves, downloads and installs them.
//!
//! Input: a plan, or the locked packages of an environment. Output: conda packages linked into a prefix ([`conda`]), wheels
//! installed into it ([`pypi`]), and the hook that finds CUDA's libraries ([`preload`]). This module does not
//! choose the packages ([`crate::plan`]) or the order of the steps ([`crate::install`]).

pub mod conda;
pub(crate) mod path_rules;
pub mod preload;
pub mod pypi;
mod unpacked_size;

use std::path::{Path, PathBuf};

use crate::{
    context::settings::Settings,
    net::{STALE_AFTER, remove_stale},
};

/// The name of the folder of large files that are being downloaded.
const DOWNLOADS: &str = "downloads";

/// Returns the folder of large files that are being downloaded.
fn downloads(settings: &Settings) -> PathBuf {
    settings.home.join(DOWNLOADS)
}

/// Removes the files of large downloads that nobody continued for two weeks. Returns the number of bytes that it freed.
pub fn remove_stale_downloads(home: &Path) -> u64 {
    remove_stale(&home.join(DOWNLOADS), STALE_AFTER)
}
