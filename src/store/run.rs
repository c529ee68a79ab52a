//! Programs of an environment, started so that they see nothing of other programs' libraries.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{Generation, StoreError};
use crate::context::settings::Settings;

/// A command of an environment, found and not started yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The variables it gets, and no others.
    pub variables: BTreeMap<OsString, OsString>,
}

/// Find a command, in the environment first and then where the shell would look.
pub fn find(settings: &Settings, generation: &Generation, argv: &[OsString]) -> Result<Found, StoreError> {
    let missing = |name: &OsString| StoreError::NoCommand {
        command: name.to_string_lossy().into_owned(),
        env: generation.env.clone(),
    };
    let (name, arguments) = argv.split_first().ok_or_else(|| missing(&OsString::new()))?;
    let variables = variables(settings, generation);
    let search = variables.get(std::ffi::OsStr::new("PATH"));
    // A name with a separator counts from the working folder; a removed one leaves absolute paths.
    let cwd = std::env::current_dir().unwrap_or_default();
    let is_python = ["python", "python3"].iter().any(|own| name == own);
    let no_python = || StoreError::NoPython {
        env: generation.env.clone(),
    };
    let program =
        which::which_in(name, search, cwd).map_err(|_| if is_python { no_python() } else { missing(name) })?;
    // Another program's Python is the last thing that is meant.
    if is_python && !program.starts_with(&generation.prefix) {
        return Err(no_python());
    }
    Ok(Found {
        program,
        arguments: arguments.to_vec(),
        variables,
    })
}

/// Start a command of the environment. On Unix it replaces this process, so that signals reach it and its exit code is
/// the caller's; elsewhere its exit code is passed on.
pub fn exec(settings: &Settings, generation: &Generation, argv: &[OsString]) -> Result<ExitCode, StoreError> {
    let found = find(settings, generation, argv)?;
    start(&found.program, &found.arguments, &found.variables).map_err(|source| StoreError::Start {
        command: found.program.display().to_string(),
        source,
    })
}

/// What an activated shell has too: `conda deactivate` in a shell that was started so finds its way back.
fn variables(settings: &Settings, generation: &Generation) -> BTreeMap<OsString, OsString> {
    let mut variables = settings.variables.inside(&generation.prefix);
    variables.insert("CONDA_DEFAULT_ENV".into(), generation.env.as_str().into());
    variables.insert("CONDA_SHLVL".into(), "1".into());
    variables
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child takes this process's place and terminal"
)]
fn start(
    program: &Path,
    arguments: &[OsString],
    variables: &BTreeMap<OsString, OsString>,
) -> std::io::Result<ExitCode> {
    let mut command = std::process::Command::new(program);
    command.args(arguments).env_clear().envs(variables);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(command.exec())
    }
    #[cfg(not(unix))]
    {
        let status = command.status()?;
        Ok(ExitCode::from(
            status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        ))
    }
}
