use std::process::ExitCode;

use serde::Serialize;

use super::{Exit, Failure, Session, lock_wait::LockWait};
use crate::{
    install::{self, PinResult},
    names::EnvName,
};

const EXAMPLES: &str = "\
Examples:
  matenv pin sleap             keep the current generation
  matenv pin sleap 3           keep generation 3
  matenv pin sleap 3 --remove  allow matenv to remove it again";

/// Keep a generation of an environment
///
/// A pinned generation is not removed to free disk space. `matenv install` and `matenv rollback` can still make another
/// generation current, and `matenv remove` removes pinned generations too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Environment of the generation
    env: EnvName,
    /// Number of the generation (default: the current one)
    #[arg(value_name = "N")]
    generation: Option<u64>,
    /// Remove the pin
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    pub(super) lock_wait: LockWait,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    #[serde(flatten)]
    pinned: &'a PinResult,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    super::info::has_generations(&args.env, session)?;
    let pinned = session.block_on(install::pin(&session.ctx, &args.env, args.generation, !args.remove))?;
    let (env, number) = (&pinned.env, pinned.generation);
    let text = match (pinned.pinned, pinned.was_pinned) {
        (true, false) => format!("{env}: generation {number} is pinned"),
        (true, true) => format!("{env}: generation {number} is already pinned"),
        (false, true) => format!("{env}: generation {number} is no longer pinned"),
        (false, false) => format!("{env}: generation {number} is not pinned"),
    };
    let shown = Shown {
        schema: 1,
        ok: true,
        pinned: &pinned,
    };
    session.out.show_result(&shown, text, Exit::Done);
    Ok(Exit::Done.into())
}
