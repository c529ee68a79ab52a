use std::{ffi::OsString, process::ExitCode};

use super::{Failure, Session};
use crate::names::EnvName;

/// Run a command inside an environment
///
/// The command does not see library or Python paths of other programs. Its exit code and signals are passed on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to use
    env: EnvName,
    /// Command to run, with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let generation = super::info::installed(&args.env, session)?;
    super::list::warn_of_changes(std::slice::from_ref(&generation), session);
    Ok(crate::run::command::exec(
        &session.ctx.settings,
        &generation,
        &args.command,
    )?)
}
