use std::{ffi::OsString, process::ExitCode};

use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    install,
    names::EnvName,
    run::{
        command,
        launch::{self, Launched},
    },
};

/// Open an environment's program
///
/// The program does not see library or Python paths of other programs. It keeps running after the terminal is
/// closed, and writes its output to a log. If it fails within a second, the end of the log is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to use
    env: EnvName,
    /// Run in this terminal and wait until the program ends; pass on its exit code and signals
    #[arg(long)]
    wait: bool,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    more: Vec<OsString>,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    #[serde(flatten)]
    launched: &'a Launched,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let settings = &session.ctx.settings;
    let generation = super::info::installed(&args.env, session)?;
    super::list::warn_of_changes(std::slice::from_ref(&generation), session);
    let argv = launch::command(&install::read_plan(&generation)?, &args.more)?;
    if args.wait {
        return Ok(command::exec(settings, &generation, &argv)?);
    }
    let launched = launch::detach(settings, &generation, &argv)?;
    let shown = Shown {
        schema: 1,
        ok: true,
        launched: &launched,
    };
    session.out.show(&shown, describe(&launched));
    Ok(Exit::Done.into())
}

fn describe(launched: &Launched) -> String {
    let Launched { env, pid, log, .. } = launched;
    let state = if launched.running {
        format!("is running: process {pid}")
    } else {
        "has already ended, without an error".to_owned()
    };
    let warning = launched.no_screen.map(|why| format!("\n  !    {why}"));
    format!("{env} {state}\n  log  {}{}", log.display(), warning.unwrap_or_default())
}
