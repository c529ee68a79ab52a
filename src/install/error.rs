use std::path::PathBuf;

use super::{DiskSpaceError, LockedError, SafeguardError};
use crate::{
    audit::AuditError,
    bench::BenchError,
    certificate::CertificateError,
    files::toml_file::TomlError,
    lock::LockError,
    manifest::checkout::CheckoutError,
    packages::{
        conda::CondaError,
        preload::PreloadError,
        pypi::{PypiError, UvError},
    },
    plan::PlanError,
    profile::UnsupportedPlatform,
    run::menu::MenuError,
    store::StoreError,
    verify::VerifyError,
};

/// An error of an installation. Each stage has its own error type.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Invalid profile.
    #[error(transparent)]
    Profile(Box<TomlError>),
    /// There is no plan for this machine.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The menu entry could not be created.
    #[error(transparent)]
    Menu(#[from] MenuError),
    /// The requested platform is not the platform of this machine.
    #[error("the environment is for {theirs}, but this machine is {ours}")]
    OtherPlatform {
        /// The conda subdir of the environment.
        theirs: String,
        /// The conda subdir of this machine.
        ours: String,
    },
    /// The request is probably a mistake and needs confirmation.
    #[error(transparent)]
    Safeguard(#[from] SafeguardError),
    /// The program's own source could not be fetched.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// There is not enough disk space, or a folder cannot be used.
    #[error(transparent)]
    DiskSpace(#[from] DiskSpaceError),
    /// The conda packages could not be resolved or installed.
    #[error(transparent)]
    Conda(#[from] CondaError),
    /// uv could not be found or installed.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// The wheels could not be resolved or installed.
    #[error(transparent)]
    Pypi(#[from] PypiError),
    /// The lab lock cannot be used.
    #[error(transparent)]
    Locked(#[from] LockedError),
    /// The lock of a generation or of a lab could not be read or written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hook that loads CUDA's libraries could not be installed.
    #[error(transparent)]
    Preload(#[from] PreloadError),
    /// The audit could not be run.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The probes could not be run.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The benchmark could not be run.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The certificate could not be read or written.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The record of an installed environment could not be read.
    #[error("failed to read matenv's record of the environment: {}", path.display())]
    ReadRecord {
        /// The arguments of `matenv install` that create the environment again.
        typed: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// matenv's own files of a generation could not be written.
    #[error("failed to write the environment's records")]
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
