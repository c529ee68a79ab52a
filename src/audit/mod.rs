//! Audit: checks the files of a prefix without importing anything.
//!
//! Input: a prefix. Output: an [`Audit`] with findings. An error means that the files could not be read. The checks are
//! in [`faults`], one file per fault. They use the [`Inventory`], which is read once and in parallel:
//! records, names and sizes of all files, and the tables of shared libraries. With [`Depth::Content`], the audit also
//! compares file contents. The [`Subject`] describes what the files must support: without a GPU profile, no GPU code is
//! read. This module does not check shell variables, and does not find problems that only an import shows.

mod binaries;
mod closure;
mod conda_records;
mod distribution;
pub(crate) mod faults;
#[cfg(test)]
pub(crate) mod fixtures;
mod gpu;
mod imports;
mod installed;
mod installers;
mod inventory;
mod origin;
mod ownership;
mod published;
mod record;
mod runtimes;
mod shared_files;
mod subject;
mod substitutes;
mod torch;
mod tree;
mod unowned;

pub use binaries::{Binaries, MissingSymbols, MissingVersion};
pub(crate) use closure::system_folders;
pub use conda_records::CondaPackage;
pub use distribution::{Distribution, Leftover, LeftoverKind};
pub use gpu::{GpuLibraries, LibraryCode};
pub use imports::{MissingLibrary, missing_libraries};
pub use installed::Installed;
pub(crate) use installers::Installers;
pub use inventory::{AuditError, Inventory};
pub use origin::Origin;
pub use ownership::{Claim, Difference, Differing, Owner, Ownership};
pub use published::{Published, Suspect};
pub(crate) use record::extension;
pub use runtimes::Family;
pub use shared_files::SharedFiles;
pub use subject::Subject;
pub use substitutes::Substitute;
pub use tree::Tree;
pub use unowned::Unowned;

use std::{path::Path, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::{Code, Finding};

/// The findings about the files, and those of earlier stages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// The findings, most severe first.
    pub findings: Vec<Finding>,
    /// The files that differ from their records. The findings report them too.
    #[serde(skip)]
    pub suspects: Vec<Suspect>,
}

/// The codes that [`audit`] can report. A new audit replaces earlier findings with these codes.
pub const CODES: &[Code] = &[
    Code::TorchPairMismatch,
    Code::TwoOnnxRuntimes,
    Code::NcclSymbolsMissing,
    Code::RequirementUnsatisfied,
    Code::LibraryMissing,
    Code::NoCodeForCard,
    Code::SymbolVersionMissing,
    Code::CudaPackagesDisagree,
    Code::TwoRuntimes,
    Code::OwnedTwice,
    Code::FileDiffers,
    Code::FileMissing,
    Code::NotOwned,
    Code::WheelUnfit,
    Code::NotAsLocked,
];

/// The level of detail of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Checks names, sizes and symbol tables. Takes seconds for 50,000 files.
    Structure,
    /// Compares every file with its recorded hash. As fast as the disk.
    Content,
}

impl Depth {
    /// Returns [`Depth::Content`] if `deep`, otherwise [`Depth::Structure`].
    #[must_use]
    pub fn from_flag(deep: bool) -> Self {
        if deep { Self::Content } else { Self::Structure }
    }
}

/// Checks the files of a prefix that `matenv install ENV` creates.
///
/// # Errors
/// Fails if there is no Python or a folder cannot be read.
pub fn audit(prefix: &Path, env: &str, subject: &Subject, depth: Depth) -> Result<Audit, AuditError> {
    Ok(audit_installed(
        Arc::new(Installed::read(prefix)?),
        Some(env),
        subject,
        depth,
    ))
}

/// Checks the files of installed packages. `env` is the argument of `matenv install` that creates this environment, or
/// a similar one.
#[must_use]
pub fn audit_installed(installed: Arc<Installed>, env: Option<&str>, subject: &Subject, depth: Depth) -> Audit {
    let inventory = Inventory::inspect(installed, env, subject, depth);
    let mut findings = faults::detect(&inventory);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Audit {
        findings,
        suspects: inventory.files.suspects(&inventory.tree),
    }
}
