use super::{interpreter::InterpreterError, jobs::CombinationsError};
use crate::packages::{
    conda::CondaError,
    pypi::{PypiError, UvError},
};

/// An error when the environments of a lab are locked.
#[derive(Debug, thiserror::Error)]
pub enum RelockError {
    /// The combinations to resolve could not be planned.
    #[error(transparent)]
    Combinations(#[from] CombinationsError),
    /// No combination of environment, profile, backend and platform is selected.
    #[error("no environment, profile or platform selected")]
    NothingSelected,
    /// A package to upgrade is not in the lock.
    #[error("matenv.lock has no package `{package}`")]
    NoPackage {
        /// The requested package.
        package: String,
        /// The package in the lock with the most similar name.
        similar: Option<String>,
        /// Whether the requested name is the name of an environment.
        is_env: bool,
    },
    /// There is no Python interpreter for uv.
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    /// The conda packages could not be resolved.
    #[error(transparent)]
    Conda(#[from] CondaError),
    /// uv could not be found or installed.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// The wheels could not be resolved.
    #[error(transparent)]
    Pypi(#[from] PypiError),
}
