use std::path::PathBuf;

use super::{LockedError, MeantError, RoomError};
use crate::{
    audit::AuditError,
    bench::BenchError,
    certificate::CertificateError,
    files::toml_file::TomlError,
    lock::LockError,
    manifest::checkout::CheckoutError,
    packages::{
        conda::CondaError,
        preload::ReachError,
        pypi::{PypiError, UvError},
    },
    plan::PlanError,
    profile::UnsupportedPlatform,
    run::menu::MenuError,
    store::StoreError,
    verify::VerifyError,
};

/// Why an environment could not be made; each stage's own error says more.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A profile is at fault.
    #[error(transparent)]
    Profile(Box<TomlError>),
    /// There is no plan for this machine.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The menu entry.
    #[error(transparent)]
    Menu(#[from] MenuError),
    /// Packages of one platform are not installed on another.
    #[error("the environment would be for {theirs}, and this machine is {ours}")]
    OtherPlatform {
        /// The conda subdir that it would be for.
        theirs: String,
        /// This machine's.
        ours: String,
    },
    /// It may not be what is meant.
    #[error(transparent)]
    Meant(#[from] MeantError),
    /// The program's own source.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// There is no room, or a place cannot be used.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// The conda part.
    #[error(transparent)]
    Conda(#[from] CondaError),
    /// uv itself.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// The wheels.
    #[error(transparent)]
    Pypi(#[from] PypiError),
    /// A lab's lock cannot be obeyed.
    #[error(transparent)]
    Locked(#[from] LockedError),
    /// The lock of a generation, or of a lab.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hook that loads CUDA's libraries.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The audit could not look.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The probes could not be run.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The benchmark could not be run.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The certificate could not be kept.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// What was written down of an installed environment.
    #[error("what matenv wrote down of an environment cannot be read: {}", path.display())]
    Kept {
        /// What makes the environment again, after `matenv install`.
        typed: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// matenv's own files of a generation.
    #[error("cannot keep the environment's own records")]
    Records(#[source] std::io::Error),
}

impl From<TomlError> for InstallError {
    fn from(error: TomlError) -> Self {
        Self::Profile(Box::new(error))
    }
}

impl From<UnsupportedPlatform> for InstallError {
    fn from(error: UnsupportedPlatform) -> Self {
        Self::Plan(error.into())
    }
}
