//! Locking: a lab's environments, resolved for every profile, backend and platform that it asks for, on any machine.
//!
//! In: what is [`Wanted`] and the lock that there is. Out: a [`Locked`] whose versions are those of before where they still hold.
//! Absent on purpose: fallbacks, which depend on the machine, and this machine's hardware.

mod changes;
mod check;
mod entry;
mod holds;
mod interpreter;
mod jobs;
mod upgrade;
mod wanted;

pub use changes::Change;
pub use check::{Unmet, check};
pub use holds::unmet;
pub use interpreter::{Interpreter, interpreter};
pub use upgrade::Upgrade;
pub use wanted::{Ask, Wanted, WantedEnv, WantedError, wanted};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    context::{Context, settings::Settings},
    install::{InstallError, LockedError},
    lock::{LabEntry, LabLock},
    packages::pypi::Uv,
};
use entry::entry;
use jobs::jobs;

/// A new lock.
#[derive(Debug, Clone)]
pub struct Locked {
    /// All of it: what was asked for now, and what the old lock had besides.
    pub lock: LabLock,
    /// What differs from the old lock.
    pub changes: Vec<Change>,
    /// A line for each combination that cannot be had.
    pub left_out: Vec<String>,
}

/// Resolve what is `wanted`.
///
/// # Errors
/// Nothing of what is wanted can be had, or something cannot be resolved or reached.
pub async fn lock(
    ctx: &Context,
    wanted: &Wanted<'_>,
    old: &LabLock,
    upgrade: &Upgrade,
) -> Result<Locked, InstallError> {
    let ctx = &without_fallbacks(ctx);
    let (jobs, left_out) = jobs(ctx, wanted)?;
    if jobs.is_empty() {
        return Err(LockedError::Nothing.into());
    }
    upgrade.check(old)?;
    let python = interpreter(ctx).await?;
    let uv = Uv::find(ctx, &python.path, true).await?;
    // uv and the solver keep more than one core busy by themselves.
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

/// A fallback stands for this machine, and a lock for all.
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
