use std::path::PathBuf;

use crate::{
    context::Context,
    install::InstallError,
    manifest::PythonRange,
    packages::conda::{self, host_python},
};

/// A Python interpreter for uv. A temporary one is removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Interpreter {
    /// The path of the executable.
    pub path: PathBuf,
    _folder: Option<tempfile::TempDir>,
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
pub(crate) async fn interpreter(ctx: &Context) -> Result<Interpreter, InstallError> {
    let any = PythonRange {
        preferred: "3.13".to_owned(),
        supported: ">=3.9".to_owned(),
    };
    if let Ok(host) = host_python::find_best(ctx, &any).await {
        return Ok(Interpreter::from_path(host.executable));
    }
    let folder = tempfile::tempdir().map_err(InstallError::Records)?;
    conda::fetch_tool(ctx, "python 3.13.*", folder.path()).await?;
    Ok(Interpreter {
        path: crate::files::layout::python(folder.path()),
        _folder: Some(folder),
    })
}
