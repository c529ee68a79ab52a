//! Locking: resolves a lab's environments for every requested profile, backend and platform, on any machine.
//!
//! Input: a [`Wanted`] and the existing lock. Output: a [`Locked`] that keeps the old versions if they still satisfy
//! the requirements. The result must not depend on this machine, so locking uses neither its hardware nor fallbacks.

mod changes;
mod check;
mod entry;
mod error;
mod interpreter;
mod jobs;
mod upgrade;
mod wanted;

pub(crate) use changes::Change;
pub(crate) use check::{StaleEntry, check};
pub(crate) use error::RelockError;
pub(crate) use interpreter::{Interpreter, InterpreterError, interpreter};
pub(crate) use jobs::CombinationsError;
pub(crate) use upgrade::Upgrade;
pub(crate) use wanted::{EnvSelection, Wanted, WantedEnv, WantedError, wanted};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    context::{Context, settings::Settings},
    lock::{LabEntry, LabLock},
    packages::pypi::Uv,
    store::Store,
};
use entry::entry;
use jobs::jobs;

/// The result of locking.
#[derive(Debug, Clone)]
pub(crate) struct Locked {
    /// The complete new lock: the requested entries and the unchanged entries of the old lock.
    pub lock: LabLock,
    /// The differences from the old lock.
    pub changes: Vec<Change>,
    /// A line for each combination that is not supported.
    pub left_out: Vec<String>,
}

/// Resolves the `wanted` environments.
///
/// # Errors
/// If no combination is supported, or one cannot be resolved or a source does not answer.
pub(crate) async fn lock(
    ctx: &Context,
    wanted: &Wanted<'_>,
    old: &LabLock,
    upgrade: &Upgrade,
) -> Result<Locked, RelockError> {
    let ctx = &without_fallbacks(ctx);
    Store::tidy_for(&ctx.settings);
    let (jobs, left_out) = jobs(ctx, wanted)?;
    if jobs.is_empty() {
        return Err(RelockError::NothingSelected);
    }
    upgrade.check(old)?;
    let python = interpreter(ctx).await?;
    let uv = Uv::find(ctx, &python.path, true).await?;
    // uv and the solver each use more than one core.
    let at_once = std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .max(2);
    let entries: Vec<LabEntry> = stream::iter(&jobs)
        .map(|job| entry(ctx, &uv, &python.path, job, old, upgrade))
        .buffered(at_once)
        .try_collect()
        .await?;
    let kept = old.entries.iter().filter(|entry| wanted.leaves(entry));
    let mut lock = LabLock {
        entries: kept.cloned().chain(entries).collect(),
    };
    lock.entries
        .sort_by(|one, other| (&one.name, &one.platform).cmp(&(&other.name, &other.platform)));
    Ok(Locked {
        changes: changes::changes(old, &lock),
        lock,
        left_out,
    })
}

/// Turns off fallbacks: they depend on this machine, but a lock is for all machines.
fn without_fallbacks(ctx: &Context) -> Context {
    let settings = Settings {
        host_python: false,
        torch_from_pypi: false,
        ..(*ctx.settings).clone()
    };
    Context {
        settings: settings.into(),
        ..ctx.clone()
    }
}
