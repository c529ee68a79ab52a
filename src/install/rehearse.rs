//! `--dry-run`: what an installation would do and take.

use super::{
    Clock, InstallError, Need, PlaceFacts, Request, done::is_done, locate::locate, locked::LabLocks, places,
    source::plan_from_source,
};
use crate::{certificate::Package, context::Context, manifest::Manifest, plan::Plan, store::Store};

/// What an installation would do and take.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The choices.
    pub plan: Plan,
    /// What would be installed; empty if nothing is to be done.
    pub packages: Vec<Package>,
    /// What it takes.
    pub need: Need,
    /// Where it would be written.
    pub places: Vec<PlaceFacts>,
}

/// Find out what [`install`](super::install()) would do, and whether there is room for it. Python is linked into a folder that is
/// removed again, for the wheels are resolved with it.
pub async fn rehearse(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Rehearsal, InstallError> {
    request.machine.check_platform()?;
    let mut clock = Clock::new(ctx);
    let store = Store::open(&ctx.settings)?;
    let (mut plan, _source_held) = plan_from_source(ctx, &store, manifest, request).await?;
    let entry = LabLocks::read(request)?.entry(ctx, &mut plan, request.lock)?;
    let entry = entry.as_ref();
    if is_done(&store, &plan, entry, request)?.is_some() {
        return Ok(Rehearsal {
            plan,
            packages: Vec::new(),
            need: Need::default(),
            places: PlaceFacts::all(ctx),
        });
    }
    places::check_places(ctx).await?;
    let _held = store.lock(&ctx.events, &plan.env).await?;
    let staged = store.stage(&plan.env)?;
    let located = locate(ctx, &mut clock, &store, &plan, request.packages(entry), &staged.prefix).await;
    staged.remove();
    let located = located?;
    Ok(Rehearsal {
        packages: Package::of_lock(&plan, &located.lock),
        need: located.need,
        places: PlaceFacts::all(ctx),
        plan,
    })
}
