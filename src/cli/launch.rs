use std::{ffi::OsString, process::ExitCode};

use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    install,
    names::EnvName,
    run::launch::{self, Launched},
    store,
};

/// Open an environment's program
///
/// It sees no library or Python paths of other programs, outlives the terminal, and writes what it says to a log. A program
/// that fails within a second is told with the end of its log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to use
    env: EnvName,
    /// Stay until it ends, in this terminal; its exit code and signals pass through
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
    super::list::tell_changes(std::slice::from_ref(&generation), session);
    let command = launch::command(&install::kept_plan(&generation)?, &args.more)?;
    if args.wait {
        return Ok(store::run::exec(settings, &generation, &command)?);
    }
    let launched = launch::detach(settings, &generation, &command)?;
    let shown = Shown {
        schema: 1,
        ok: true,
        launched: &launched,
    };
    session.out.show(&shown, told(&launched));
    Ok(Exit::Done.into())
}

fn told(launched: &Launched) -> String {
    let Launched { env, pid, log, .. } = launched;
    let state = if launched.running {
        format!("was started: process {pid}")
    } else {
        "has ended already, without an error".to_owned()
    };
    let warning = launched.no_screen.map(|why| format!("\n  !    {why}"));
    format!("{env} {state}\n  log  {}{}", log.display(), warning.unwrap_or_default())
}
