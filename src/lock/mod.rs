//! Lock: the exact conda records and wheels of an environment.
//!
//! In: what both resolvers found. Out: a [`Lock`], stored in the generation through `rattler_lock`, with what its
//! format has no field for in a file beside it. Absent on purpose: mirrors. URLs in a lock are canonical.

mod agree;
mod file;
mod footprint;
mod lab;

pub use agree::{Disagreement, Fault, Party};
pub(crate) use agree::{contradiction, contradictions, cuda_major};
pub use file::LockError;
pub use footprint::{Footprint, Growth, Table as GrowthTable, growth};
pub use lab::{CONFLICT, LAB_BESIDE, LAB_LOCK, LabEntry, LabLock, LabText};

use std::collections::BTreeSet;

use rattler_conda_types::RepoDataRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{context::sources::SourceName, finding::Finding, names::Backend};

/// A wheel, or an sdist that is on the manifest's list, pinned by hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedWheel {
    /// Normalized name.
    pub name: String,
    /// Exact version, local part included.
    pub version: String,
    /// File name of the wheel or sdist.
    pub file: String,
    /// Which source it comes from, a fallback or another source's name already applied.
    pub source: SourceName,
    /// Canonical URL, for what comes from an explicit index only; PyPI's files are found through the index.
    pub url: Option<String>,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
    /// Size in bytes, where the index tells it.
    pub size: Option<u64>,
}

impl LockedWheel {
    /// Whether it has to be built.
    #[must_use]
    pub fn is_sdist(&self) -> bool {
        std::path::Path::new(&self.file)
            .extension()
            .is_none_or(|ending| ending != "whl")
    }
}

/// The kind of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// A conda package.
    Conda,
    /// A wheel, or a built sdist.
    Pypi,
}

/// A fallback that was taken (design section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// No conda channel answered: the host's Python stands in.
    HostPython,
    /// The torch index did not answer: PyPI's torch stands in.
    TorchFromPypi,
}

/// The wheels of an environment, and how they were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockedPypi {
    /// The wheels.
    pub wheels: Vec<LockedWheel>,
    /// What the builds of sdists need, pinned by hash.
    pub build: Vec<LockedWheel>,
    /// Whether PyPI's torch had to stand in.
    pub torch_from_pypi: bool,
    /// What was noticed on the way, such as a torch of another backend.
    pub findings: Vec<Finding>,
    /// Files whose SHA-256 was computed from what came, for their index lists none.
    #[serde(default)]
    pub computed: BTreeSet<String>,
}

/// Everything that an environment is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Lock {
    /// The conda packages; URLs are canonical.
    pub conda: Vec<RepoDataRecord>,
    /// The wheels.
    pub pypi: LockedPypi,
    /// The backend that was asked for.
    pub backend: Backend,
    /// Fallbacks that were taken.
    pub fallbacks: Vec<Fallback>,
}
