//! `--dry-run`: reports what an installation would do, without doing it.

use super::{
    Clock, DiskSpaceError, FolderFacts, LockedError, PackagesError, PlatformError, Request, SourceError,
    check_platform, locate::locate, source::plan_from_source,
};
use crate::{
    certificate::Package,
    context::Context,
    files::Need,
    install::{folders, lab_lock::LabLocks, up_to_date::is_up_to_date},
    manifest::Manifest,
    plan::Plan,
    store::{Store, StoreError},
};

/// An error of a dry run.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The environment is for another platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The plan could not be made.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The lab's lock cannot be used.
    #[error(transparent)]
    Locked(#[from] LockedError),
    /// A folder cannot be used.
    #[error(transparent)]
    DiskSpace(#[from] DiskSpaceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The packages could not be found.
    #[error(transparent)]
    Packages(#[from] PackagesError),
}

/// The result of a dry run.
#[derive(Debug, Clone)]
pub(crate) struct DryRun {
    /// The plan.
    pub plan: Plan,
    /// The packages that would be installed, or none if the environment is up to date.
    pub packages: Vec<Package>,
    /// The downloads and disk space that it would need.
    pub need: Need,
    /// The folders that it would write to.
    pub places: Vec<FolderFacts>,
}

/// Does a dry run of [`install`](super::install()), including the check for disk space. Links Python into a temporary
/// folder, because resolving the wheels needs it.
pub(crate) async fn dry_run(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<DryRun, DryRunError> {
    check_platform(&request.machine.hardware)?;
    let mut clock = Clock::new(ctx);
    let store = Store::open(&ctx.settings)?;
    let (mut plan, _source_held) = plan_from_source(ctx, &store, manifest, request).await?;
    let entry = LabLocks::read(request)?.entry(ctx, &mut plan, request.lock)?;
    let entry = entry.as_ref();
    if is_up_to_date(&store, &plan, entry, request)?.is_some() {
        return Ok(DryRun {
            plan,
            packages: Vec::new(),
            need: Need::default(),
            places: FolderFacts::all(ctx),
        });
    }
    folders::check_places(ctx).await?;
    let _held = store.lock(&ctx.events, &plan.env).await?;
    let staged = store.stage(&plan.env)?;
    let located = locate(ctx, &mut clock, &store, &plan, request.packages(entry), &staged.prefix).await;
    staged.remove();
    let located = located?;
    Ok(DryRun {
        packages: Package::of_lock(&plan, &located.lock),
        need: located.need,
        places: FolderFacts::all(ctx),
        plan,
    })
}
