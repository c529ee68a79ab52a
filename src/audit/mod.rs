//! Audit: what the files of a prefix prove, without importing anything.
//!
//! In: a prefix. Out: an [`Audit`] with findings; an error means that it could not look. What is looked for stands in
//! [`crate::doctor::faults`], one file a fault; what is looked at is the [`Inventory`], read once. What the files have to
//! serve is the [`Subject`]: of an environment that uses no GPU, no GPU library is opened.

mod closure;
mod gpu;
mod inventory;
mod subject;

pub use closure::Closure;
pub(crate) use closure::system_folders;
pub use gpu::{GpuLibraries, LibraryCode};
pub use inventory::{AuditError, Distribution, Inventory};
pub use subject::Subject;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doctor::{Code, Finding, faults};

/// What the files prove, and what earlier stages noticed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Sorted by what blocks first.
    pub findings: Vec<Finding>,
}

/// The codes that [`audit`] can find: a new audit replaces an old one's findings.
pub const CODES: &[Code] = &[
    Code::TorchPairMismatch,
    Code::TwoOnnxRuntimes,
    Code::RequirementUnsatisfied,
    Code::LibraryMissing,
    Code::NoCodeForCard,
];

/// Look at the files of a prefix.
pub fn audit(prefix: &Path, env: &str, subject: &Subject) -> Result<Audit, AuditError> {
    let mut inventory = Inventory::read(prefix, env)?;
    inventory.gpu = GpuLibraries::read(prefix, subject);
    let mut findings = faults::detect(&inventory);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Audit { findings })
}
