use std::process::ExitCode;

use serde::Serialize;

use super::{Exit, Failure, Session, lock_wait::LockWait};
use crate::{
    names::EnvName,
    run::menu::Menu,
    store::{Removed, Store},
};

/// Remove an environment with all its generations
///
/// Also removes its menu entry, and its link in `~/.conda/envs` if matenv created it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to remove
    env: EnvName,
    /// Remove the environment even if a running program uses it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) lock_wait: LockWait,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    env: &'a EnvName,
    removed: &'a [std::path::PathBuf],
    menu: &'a [std::path::PathBuf],
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    super::info::found(&args.env, session)?;
    let settings = &session.ctx.settings;
    // The menu entry goes first: if that fails, the command can be run again, as the environment still exists.
    let menu = Menu::from_settings(settings).remove(&args.env)?;
    let removed: Removed = session.block_on(async {
        let store = Store::open(settings)?;
        let _held = store.lock(&session.ctx.events, &args.env).await?;
        store.remove(&args.env, args.force)
    })?;
    let shown = Shown {
        schema: 1,
        ok: true,
        env: &args.env,
        removed: &removed.generations,
        menu: &menu,
    };
    session.out.show(&shown, format!("removed {}", args.env));
    Ok(Exit::Done.into())
}
