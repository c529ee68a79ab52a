use super::{
    DiskSpaceError, LockedError, PlatformError, ProveError, RecordsError, SafeguardError, build::BuildError,
    locate::PackagesError, records::WriteRecordsError, source::SourceError,
};
use crate::{
    certificate::CertificateError, context::sources::SourceName, packages::pypi::PypiError, run::menu::MenuError,
    store::StoreError, verify::VerifyError,
};

/// An error of an installation.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The trained model for the smoke tests cannot be used.
    #[error(transparent)]
    Model(#[from] VerifyError),
    /// The environment is for another platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The plan could not be made.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The request is probably a mistake and needs confirmation.
    #[error(transparent)]
    Safeguard(#[from] SafeguardError),
    /// The lab lock cannot be used.
    #[error(transparent)]
    Locked(#[from] LockedError),
    /// A folder cannot be used.
    #[error(transparent)]
    DiskSpace(#[from] DiskSpaceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records of the current generation could not be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The current generation could not be proven.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The records of the current generation could not be written.
    #[error(transparent)]
    WriteRecords(#[from] WriteRecordsError),
    /// The certificate of the current generation could not be written.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The new generation could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The menu entry could not be created.
    #[error(transparent)]
    Menu(#[from] MenuError),
}

impl InstallError {
    /// Returns why NVIDIA's index does not answer, if that is the error.
    pub(super) fn nvidia_unreachable(&self) -> Option<&str> {
        let Self::Build(BuildError::Packages(PackagesError::Pypi(PypiError::Unreachable {
            source_name: SourceName::Nvidia,
            because,
        }))) = self
        else {
            return None;
        };
        Some(because)
    }
}
