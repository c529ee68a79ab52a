//! Audit: what the files of a prefix prove, without importing anything.
//!
//! In: a prefix. Out: an [`Audit`] with findings; an error means that it could not look. What is looked for stands in
//! [`crate::doctor::faults`], one file a fault; what is looked at is the [`Inventory`], read once and in parallel: records,
//! names and sizes of all files, and the tables of shared libraries, with [`Depth::Content`] the contents too. What the files have to
//! serve is the [`Subject`]: of an environment that uses no GPU, no code for GPUs is read. Absent on purpose: variables of the
//! shell, and what only an import shows.

mod binaries;
mod closure;
mod conda_records;
mod distribution;
pub(crate) mod faults;
mod gpu;
mod imports;
mod installed;
mod installers;
mod inventory;
#[cfg(test)]
pub(crate) mod made;
mod origin;
mod ownership;
mod published;
mod record;
mod runtimes;
mod shared_files;
mod stand_ins;
mod subject;
mod torch;
mod tree;
mod unowned;

pub use binaries::{Binaries, LackingSymbols, LackingVersion};
pub use closure::Closure;
pub(crate) use closure::system_folders;
pub use conda_records::CondaPackage;
pub use distribution::{Distribution, Remains, RemainsKind};
pub use gpu::{GpuLibraries, LibraryCode};
pub use imports::{LackingLibrary, lacking_libraries};
pub use installed::Installed;
pub(crate) use installers::Installers;
pub use inventory::{AuditError, Inventory};
pub use origin::Origin;
pub use ownership::{Claim, Difference, Differing, Owner, Ownership};
pub use published::{Published, Suspect};
pub use record::Recorded;
pub(crate) use record::ending;
pub use runtimes::{Conflict, Family, Files};
pub use shared_files::SharedFiles;
pub use stand_ins::StandIn;
pub use subject::Subject;
pub use tree::{Entry, Tree};
pub use unowned::Unowned;

use std::{path::Path, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::{Code, Finding};

/// What the files prove, and what earlier stages noticed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Sorted by what blocks first.
    pub findings: Vec<Finding>,
    /// The files that are not as they were recorded; the findings tell of them.
    #[serde(skip)]
    pub suspects: Vec<Suspect>,
}

/// The codes that [`audit`] can find: a new audit replaces an old one's findings.
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

/// How closely the files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Names, sizes and tables of symbols: seconds for 50,000 files.
    Structure,
    /// Every file, against its recorded hash: as fast as the disk.
    Content,
}

impl Depth {
    /// The contents if that is asked for.
    #[must_use]
    pub fn of(deep: bool) -> Self {
        if deep { Self::Content } else { Self::Structure }
    }
}

/// Look at the files of a prefix, which `matenv install ENV` makes, as closely as `depth` says.
///
/// # Errors
/// There is no Python, or a folder cannot be read.
pub fn audit(prefix: &Path, env: &str, subject: &Subject, depth: Depth) -> Result<Audit, AuditError> {
    Ok(look(Arc::new(Installed::read(prefix)?), Some(env), subject, depth))
}

/// Look at the files of what is installed. `env` is what `matenv install` makes it with, or the like of it.
#[must_use]
pub fn look(installed: Arc<Installed>, env: Option<&str>, subject: &Subject, depth: Depth) -> Audit {
    let inventory = Inventory::look(installed, env, subject, depth);
    let mut findings = faults::detect(&inventory);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Audit {
        findings,
        suspects: inventory.files.suspects(&inventory.tree),
    }
}
