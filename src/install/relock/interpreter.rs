use std::path::PathBuf;

use crate::{
    context::Context,
    files::TemporaryFolder,
    manifest::PythonRange,
    packages::conda::{self, CondaError, host_python},
};

/// An error when there is no Python interpreter on this machine and one is installed.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// The folder for it could not be created.
    #[error("failed to create a temporary folder for Python")]
    TemporaryFolder(#[source] std::io::Error),
    /// It could not be installed from the conda channel.
    #[error(transparent)]
    Conda(#[from] CondaError),
}

/// A Python interpreter for uv. A temporary one is removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Interpreter {
    /// The path of the executable.
    pub path: PathBuf,
    _folder: Option<TemporaryFolder>,
}

impl Interpreter {
    /// Returns an existing interpreter.
    #[must_use]
    pub(crate) fn from_path(path: PathBuf) -> Self {
        Self { path, _folder: None }
    }
}

/// Returns any CPython of this machine. If there is none, installs one from the conda channel into a
/// temporary folder.
pub(crate) async fn interpreter(ctx: &Context) -> Result<Interpreter, InterpreterError> {
    let any = PythonRange {
        preferred: "3.13".to_owned(),
        supported: ">=3.9".to_owned(),
    };
    if let Ok(host) = host_python::find_best(ctx, &any).await {
        return Ok(Interpreter::from_path(host.executable));
    }
    let folder = TemporaryFolder::new(&ctx.settings.home).map_err(InterpreterError::TemporaryFolder)?;
    conda::fetch_tool(ctx, "python 3.13.*", folder.path()).await?;
    Ok(Interpreter {
        path: crate::files::layout::python(folder.path()),
        _folder: Some(folder),
    })
}
