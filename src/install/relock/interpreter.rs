use std::path::PathBuf;

use crate::{
    context::Context,
    install::InstallError,
    manifest::PythonRange,
    packages::conda::{self, host_python},
};

/// An interpreter for uv to run, and what it stands on.
#[derive(Debug)]
pub struct Interpreter {
    /// Its executable.
    pub path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Interpreter {
    /// One that is there.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, _folder: None }
    }
}

/// Any CPython of this machine, else the channel's, which is linked into a folder that is removed again.
pub async fn interpreter(ctx: &Context) -> Result<Interpreter, InstallError> {
    let any = PythonRange {
        preferred: "3.13".to_owned(),
        supported: ">=3.9".to_owned(),
    };
    if let Ok(host) = host_python::best(ctx, &any).await {
        return Ok(Interpreter::at(host.executable));
    }
    let folder = tempfile::tempdir().map_err(InstallError::Records)?;
    conda::fetch_tool(ctx, "python 3.13.*", folder.path()).await?;
    Ok(Interpreter {
        path: crate::files::layout::python(folder.path()),
        _folder: Some(folder),
    })
}
