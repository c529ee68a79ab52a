//! Preloads CUDA's libraries, so that a plain `bin/python` of a GPU environment finds them without `LD_LIBRARY_PATH`.
//!
//! Input: a prefix with its wheels, and the list in `profiles/libraries.toml`. Output: the distribution
//! `matenv-preload` in its `site-packages`. Its import hook opens the libraries by absolute path, in order, when
//! onnxruntime or tensorrt is first imported. The loader finds libraries that are already loaded by their soname, so
//! other copies on `LD_LIBRARY_PATH` are ignored. There are no links in the prefix's `lib/`, on purpose: they work
//! only if every part of cuDNN is linked. Missing libraries are not reported here but by the audit.

mod distribution;
mod present;

pub use distribution::installed_libraries;
pub use present::Present;

use std::path::{Path, PathBuf};

use crate::{files::layout, profile::stack::Library};

/// An error while installing the import hook.
#[derive(Debug, thiserror::Error)]
pub enum PreloadError {
    /// The prefix contains no Python.
    #[error("{} contains no Python", prefix.display())]
    NoPython {
        /// The prefix.
        prefix: PathBuf,
    },
    /// A file could not be written.
    #[error("failed to write the hook that loads CUDA's libraries")]
    Io(#[from] std::io::Error),
}

/// Installs the hook for the Python of `prefix` and returns the libraries that it will open, relative to
/// `site-packages`. If there are none, nothing is written.
pub fn install(prefix: &Path, libraries: &[Library]) -> Result<Vec<PathBuf>, PreloadError> {
    let site_packages = layout::site_packages_of(prefix).ok_or_else(|| PreloadError::NoPython {
        prefix: prefix.to_owned(),
    })?;
    let list = preload_list(&site_packages, libraries);
    if !list.is_empty() {
        distribution::write(&site_packages, &list)?;
    }
    Ok(list)
}

/// Returns the existing files of `libraries`, relative to `site_packages`, in the order in which they can be loaded.
#[must_use]
pub fn preload_list(site_packages: &Path, libraries: &[Library]) -> Vec<PathBuf> {
    let present = Present::read(site_packages);
    libraries
        .iter()
        .flat_map(|library| present.called(library))
        .map(Path::to_owned)
        .collect()
}
