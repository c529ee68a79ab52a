//! Runs programs of an environment, isolated from the libraries of other programs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{context::settings::Settings, files::modes, names::EnvName, store::Generation};

/// An error while a command is found or started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The environment's own Python is missing or not executable.
    #[error("the Python of `{env}` is missing or not executable")]
    NoPython {
        /// The environment.
        env: EnvName,
    },
    /// A command was not found. Exit 2; help: list the installed packages.
    #[error("there is no command `{command}` in `{env}`")]
    NoCommand {
        /// The command.
        command: String,
        /// The environment.
        env: EnvName,
    },
    /// A command could not be started. Exit 1.
    #[error("failed to start `{command}`")]
    Start {
        /// The command.
        command: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A command of an environment that was found but not started yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The program's path.
    pub(crate) program: PathBuf,
    /// The arguments.
    pub(crate) arguments: Vec<OsString>,
    /// The complete set of its environment variables.
    pub(crate) variables: BTreeMap<OsString, OsString>,
}

/// Finds a command, first in the environment and then on the PATH.
pub(crate) fn find(settings: &Settings, generation: &Generation, argv: &[OsString]) -> Result<Found, RunError> {
    let missing = |name: &OsString| RunError::NoCommand {
        command: name.to_string_lossy().into_owned(),
        env: generation.env.clone(),
    };
    let (name, arguments) = argv.split_first().ok_or_else(|| missing(&OsString::new()))?;
    let variables = variables(settings, generation);
    let search = variables.get(std::ffi::OsStr::new("PATH"));
    // A name with a separator is relative to the working directory. If that was removed, absolute paths still work.
    let cwd = std::env::current_dir().unwrap_or_default();
    let is_python = ["python", "python3"].iter().any(|own| name == own);
    let no_python = || RunError::NoPython {
        env: generation.env.clone(),
    };
    let program =
        which::which_in(name, search, cwd).map_err(|_| if is_python { no_python() } else { missing(name) })?;
    // The user does not want the Python of another program.
    if is_python && !program.starts_with(&generation.prefix) {
        return Err(no_python());
    }
    Ok(Found {
        program,
        arguments: arguments.to_vec(),
        variables,
    })
}

/// Starts a command of the environment. On Unix the command replaces this process: it receives the signals, and the
/// caller gets its exit code. On other systems the exit code is returned.
pub(crate) fn exec(settings: &Settings, generation: &Generation, argv: &[OsString]) -> Result<ExitCode, RunError> {
    let found = find(settings, generation, argv)?;
    start(&found.program, &found.arguments, &found.variables).map_err(|source| RunError::Start {
        command: found.program.display().to_string(),
        source,
    })
}

/// Returns the variables of an activated shell, so that `conda deactivate` works in a shell that was started this way.
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
    modes::restore();
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
