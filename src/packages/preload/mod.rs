//! Reach: a plain `bin/python` of a GPU environment finds CUDA's libraries, without `LD_LIBRARY_PATH`.
//!
//! In: a prefix with its wheels, and what `profiles/libraries.toml` lists. Out: the distribution `matenv-preload` in its
//! `site-packages`, whose import hook opens the libraries by absolute path, in order, when onnxruntime or tensorrt is first
//! imported. A library that is loaded already is taken by its soname, so that what lies on a hostile `LD_LIBRARY_PATH`
//! counts no more. Absent on purpose: links in the prefix's `lib/`, which work only where every part of cuDNN is linked;
//! and judgement of what is missing, which is the audit's.

mod distribution;
mod present;

pub use distribution::installed;
pub use present::Present;

use std::path::{Path, PathBuf};

use crate::{files::layout, profile::stack::Library};

/// Why an environment's Python could not be given the hook.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// There is no Python in the prefix.
    #[error("{} holds no Python", prefix.display())]
    NoPython {
        /// The prefix.
        prefix: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write the hook that loads CUDA's libraries")]
    Io(#[from] std::io::Error),
}

/// Give the Python of `prefix` the hook, and say what it will open, relative to `site-packages`. Where there is nothing to
/// open, nothing is written.
pub fn install(prefix: &Path, libraries: &[Library]) -> Result<Vec<PathBuf>, ReachError> {
    let site_packages = layout::site_packages_of(prefix).ok_or_else(|| ReachError::NoPython {
        prefix: prefix.to_owned(),
    })?;
    let list = preload_list(&site_packages, libraries);
    if !list.is_empty() {
        distribution::write(&site_packages, &list)?;
    }
    Ok(list)
}

/// The files of `libraries` that are there, relative to `site_packages`, in the order in which they can be loaded.
#[must_use]
pub fn preload_list(site_packages: &Path, libraries: &[Library]) -> Vec<PathBuf> {
    let present = Present::read(site_packages);
    libraries
        .iter()
        .flat_map(|library| present.called(library))
        .map(Path::to_owned)
        .collect()
}
