//! A program's own source (`--source`): fetches it before planning, warns when a release replaces it, and
//! removes unused clones.

use std::path::PathBuf;

use super::{PlanningError, Request, plan, read_plan, read_plan_at, request::plan_with};
use crate::{
    context::Context,
    manifest::{
        Manifest,
        checkout::{self, CheckoutError, Place},
    },
    names::{EnvName, causes::chain},
    plan::Plan,
    store::{EnvLock, Store, StoreError},
};

/// An error when a program's own source is fetched and the plan is made.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The plan could not be made.
    #[error(transparent)]
    Planning(#[from] PlanningError),
    /// The source could not be fetched.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// The clones could not be locked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fetches the program's own source, if requested, and makes the plan with it. Returns the plan and the lock of the
/// clones.
pub(super) async fn plan_from_source(
    ctx: &Context,
    store: &Store,
    manifest: &Manifest,
    request: &Request,
) -> Result<(Plan, Option<EnvLock>), SourceError> {
    let Some(asked) = request.sources.iter().find(|source| source.env == manifest.name) else {
        return Ok((plan(ctx, manifest, request)?, None));
    };
    // An unsupported profile should fail before anything is cloned.
    let plan = plan(ctx, manifest, request)?;
    let held = match asked.place {
        Place::Git { .. } => Some(store.lock_source(&ctx.events, &manifest.name).await?),
        Place::Folder(_) => None,
    };
    let src = store.source(&manifest.name);
    let source = checkout::get_source(ctx, manifest, plan.profile, asked, &src).await?;
    let plan = plan_with(ctx, manifest, request, Some(&source))?;
    Ok((plan, held))
}

/// Removes the clones of commits that no generation uses any more. A failure is only a warning.
pub(super) fn prune_source(ctx: &Context, store: &Store, manifest: &EnvName) {
    // Every error becomes the text of a warning, so its type does not matter.
    let prune = || -> Result<(), Box<dyn std::error::Error>> {
        let mut used: Vec<PathBuf> = Vec::new();
        for env in store.environments()? {
            // A generation whose plan cannot be read may use any of them, so nothing is removed then.
            for kept in store.kept(&env)? {
                let plan = read_plan_at(&store.prefix_of(&kept.id()))?;
                used.extend(plan.source.map(|source| source.path));
            }
        }
        Ok(checkout::prune(&store.source(manifest), &used)?)
    };
    if let Err(error) = prune() {
        ctx.events
            .warn(format!("failed to remove old clones: {}", chain(error.as_ref())));
    }
}

/// Warns that a release replaces the user's own source, and says how to keep the source.
pub(super) fn warn_about_replaced_source(ctx: &Context, store: &Store, plan: &Plan) {
    let current = store.current(&plan.env).ok().flatten();
    let kept = current.and_then(|current| read_plan(&current).ok());
    if let (
        Some(Plan {
            source: Some(source), ..
        }),
        None,
    ) = (kept, &plan.source)
    {
        ctx.events.warn(format!(
            "a release replaces {source}; to keep your own source: matenv install {} --source {}={}",
            plan.install_command_arguments(),
            plan.manifest,
            source.place()
        ));
    }
}
