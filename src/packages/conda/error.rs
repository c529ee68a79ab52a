use std::path::PathBuf;

use super::{host_python::HostPythonError, pack::PackError, package_check::UnsafePackage};

/// An error in the conda part of an environment.
#[derive(Debug, thiserror::Error)]
pub enum CondaError {
    /// A conda channel does not answer, and falling back to the host's Python is not allowed.
    #[error("the conda channel `{channel}` does not answer: {because}")]
    Unreachable {
        /// Name of the source.
        channel: String,
        /// The reason.
        because: String,
    },
    /// A channel requires credentials.
    #[error("the conda channel `{channel}` requires credentials")]
    Unauthorized {
        /// Name of the source.
        channel: String,
    },
    /// The URL of a mirror is invalid.
    #[error("invalid URL of `{channel}`")]
    Url {
        /// Name of the source.
        channel: String,
        /// The cause.
        #[source]
        source: url::ParseError,
    },
    /// The records of a channel could not be read.
    #[error("failed to read the package records of `{channel}`: {because}")]
    Records {
        /// Name of the source.
        channel: String,
        /// The cause, without the URL of a mirror.
        because: String,
    },
    /// The specs cannot be satisfied.
    #[error("failed to resolve the conda packages\n{explanation}")]
    Unsolvable {
        /// The solver's explanation: which package requires what.
        explanation: String,
    },
    /// The plan contains an invalid match spec.
    #[error("invalid match spec `{spec}`")]
    Spec {
        /// The spec.
        spec: String,
        /// The cause.
        #[source]
        source: rattler_conda_types::ParseMatchSpecError,
    },
    /// `--exclude-newer` is not a valid date.
    #[error("invalid date `{given}`")]
    Date {
        /// The given text.
        given: String,
        /// The cause.
        #[source]
        source: jiff::Error,
    },
    /// The virtual packages of this machine could not be detected.
    #[error("failed to detect this machine's virtual packages")]
    VirtualPackages(#[source] rattler_virtual_packages::DetectVirtualPackageError),
    /// The host has no Python that can be used instead.
    #[error(transparent)]
    HostPython(#[from] HostPythonError),
    /// The host's Python could not be packed as a conda package.
    #[error("failed to pack this machine's Python as a conda package")]
    Pack(#[from] PackError),
    /// A package cannot be taken from the host.
    #[error("no conda channel answers, and `{spec}` is available only from a channel")]
    OnlyInChannel {
        /// The spec.
        spec: String,
    },
    /// A package was refused before it was linked.
    #[error(transparent)]
    UnsafePackage(#[from] UnsafePackage),
    /// An archive is damaged.
    #[error("the archive of `{package}` is damaged")]
    Damaged {
        /// File name of the package.
        package: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An archive could not be downloaded.
    #[error("failed to download `{package}`")]
    Fetch {
        /// File name of the package.
        package: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The cache of packages and records could not be written.
    #[error("failed to write to the conda package cache {}", folder.display())]
    Cache {
        /// The cache.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The prefix could not be written.
    #[error("failed to link the conda packages into {}", prefix.display())]
    Link {
        /// The prefix.
        prefix: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file could not be read or written.
    #[error("failed to read or write the conda packages")]
    Io(#[source] std::io::Error),
}
