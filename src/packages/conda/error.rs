use std::path::PathBuf;

use super::{host_python::HostPythonError, pack::PackError};

/// Why the conda part could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CondaError {
    /// No conda channel answers and the host's Python may not stand in.
    #[error("the conda channel `{channel}` does not answer: {because}")]
    Unreachable {
        /// The source's name.
        channel: String,
        /// What was seen.
        because: String,
    },
    /// A channel wants credentials.
    #[error("the conda channel `{channel}` wants credentials")]
    Unauthorized {
        /// The source's name.
        channel: String,
    },
    /// A mirror's URL cannot be used.
    #[error("the URL of `{channel}` cannot be used")]
    Url {
        /// The source's name.
        channel: String,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// The channel's answers could not be read.
    #[error("cannot read the package records of `{channel}`: {because}")]
    Records {
        /// The source's name.
        channel: String,
        /// Why, without the URL of a mirror.
        because: String,
    },
    /// The specs cannot be satisfied.
    #[error("conda packages cannot be resolved\n{explanation}")]
    Unsolvable {
        /// Who wants what.
        explanation: String,
    },
    /// A match spec of the plan makes no sense to conda.
    #[error("`{spec}` is not a match spec")]
    Spec {
        /// The spec.
        spec: String,
        /// Why.
        #[source]
        source: rattler_conda_types::ParseMatchSpecError,
    },
    /// `--exclude-newer` is no date.
    #[error("`{given}` is not a date")]
    Date {
        /// What was given.
        given: String,
        /// Why.
        #[source]
        source: jiff::Error,
    },
    /// The virtual packages of this machine could not be found out.
    #[error("cannot find out this machine's virtual packages")]
    VirtualPackages(#[source] rattler_virtual_packages::DetectVirtualPackageError),
    /// The host's Python cannot stand in.
    #[error(transparent)]
    HostPython(#[from] HostPythonError),
    /// The host's Python could not be packed.
    #[error("cannot pack this machine's Python")]
    Pack(#[from] PackError),
    /// A package cannot come from the host.
    #[error("no conda channel answers, and `{spec}` exists only there")]
    OnlyInChannel {
        /// The spec.
        spec: String,
    },
    /// An archive is damaged.
    #[error("the archive of `{package}` is damaged")]
    Damaged {
        /// The package's file.
        package: String,
        /// How.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An archive could not be fetched.
    #[error("cannot fetch `{package}`")]
    Fetch {
        /// The package's file.
        package: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The cache of packages and records could not be written.
    #[error("cannot write to the cache of conda packages at {}", folder.display())]
    Cache {
        /// The cache.
        folder: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The prefix could not be written.
    #[error("cannot link the conda packages into {}", prefix.display())]
    Link {
        /// The prefix.
        prefix: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file could not be read or written.
    #[error("cannot write the conda part")]
    Io(#[source] std::io::Error),
}
