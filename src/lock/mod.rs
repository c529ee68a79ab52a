//! The lock: the exact conda packages and wheels of an environment.
//!
//! Input: the results of both resolvers. Output: a [`Lock`], which `rattler_lock` stores in the generation. A sidecar
//! file contains the data for which its format has no field. URLs in a lock are canonical and never name a mirror.

mod compare;
mod conflicts;
mod file;
#[cfg(test)]
pub(crate) mod fixtures;
mod lab;
mod satisfies;

pub(crate) use compare::{ChangeCounts, LockedVersion, PackageChange, compare};
pub(crate) use conflicts::{Fault, WheelConflict, WheelRef};
pub(crate) use conflicts::{conflicts, cuda_major, first_conflict};
pub(crate) use file::LockError;
pub(crate) use lab::{CONFLICT, LAB_SIDECAR, LabEntry, LabLock};
pub(crate) use satisfies::unmet;

use std::collections::{BTreeMap, BTreeSet};

use rattler_conda_types::RepoDataRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{context::sources::SourceName, finding::Finding, names::Backend};

/// A wheel, or an sdist that the manifest allows, pinned by hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedWheel {
    /// Normalized name.
    pub name: String,
    /// Exact version, including the local part.
    pub version: String,
    /// File name of the wheel or sdist.
    pub file: String,
    /// The source that it comes from, after fallbacks and redirects.
    pub source: SourceName,
    /// Canonical URL, only for files of an explicit index. PyPI's files are found through the index.
    pub url: Option<String>,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
    /// Size in bytes, if the index reports it.
    pub size: Option<u64>,
}

impl LockedWheel {
    /// Returns whether it has to be built.
    #[must_use]
    pub fn is_sdist(&self) -> bool {
        std::path::Path::new(&self.file)
            .extension()
            .is_none_or(|ending| ending != "whl")
    }
}

/// The kind of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PackageKind {
    /// A conda package.
    Conda,
    /// A wheel, or a built sdist.
    Pypi,
}

/// A fallback that was used (design section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// No conda channel answered, so the host's Python is used instead.
    HostPython,
    /// The torch index did not answer, so PyPI's torch is used instead.
    TorchFromPypi,
    /// A channel lists no hash of a conda package, which `--allow-unhashed` allows.
    UnhashedConda,
}

/// The wheels of an environment and how they were resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockedPypi {
    /// The wheels.
    pub wheels: Vec<LockedWheel>,
    /// The build requirements of sdists, pinned by hash.
    pub build: Vec<LockedWheel>,
    /// Whether PyPI's torch is used as a fallback.
    pub torch_from_pypi: bool,
    /// Findings of the resolution, such as a torch of another backend.
    pub findings: Vec<Finding>,
    /// Files whose SHA-256 was computed from the download, because the index does not list it.
    #[serde(default)]
    pub computed: BTreeSet<String>,
    /// The URLs of the files by SHA-256, as far as this run resolved them. They are not part of a lock.
    #[serde(skip)]
    pub places: BTreeMap<String, Url>,
}

/// All packages of an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Lock {
    /// The conda packages; URLs are canonical.
    pub conda: Vec<RepoDataRecord>,
    /// The wheels.
    pub pypi: LockedPypi,
    /// The requested backend.
    pub backend: Backend,
    /// The fallbacks that were used.
    pub fallbacks: Vec<Fallback>,
}
