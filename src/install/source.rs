//! A program's own source (`--source`): fetched before the plan, told of when a release replaces it, removed when unused.

use std::path::PathBuf;

use super::{InstallError, Request, kept_plan, plan, plan_with};
use crate::{
    context::Context,
    manifest::{
        Manifest,
        checkout::{self, Place},
    },
    names::{EnvName, causes::chain},
    plan::Plan,
    store::{EnvLock, Store},
};

/// Get the program's own source, if one is asked for, and make the choices with it. The clones are held with the plan.
pub(super) async fn plan_from_source(
    ctx: &Context,
    store: &Store,
    manifest: &Manifest,
    request: &Request,
) -> Result<(Plan, Option<EnvLock>), InstallError> {
    let Some(asked) = request.sources.iter().find(|source| source.env == manifest.name) else {
        return Ok((plan(ctx, manifest, request)?, None));
    };
    // A machine that does not support the profile needs no clone to say so.
    let plan = plan(ctx, manifest, request)?;
    let held = match asked.place {
        Place::Git { .. } => Some(store.lock_source(&ctx.events, &manifest.name).await?),
        Place::Folder(_) => None,
    };
    let src = store.source(&manifest.name);
    let source = checkout::check_out(ctx, manifest, plan.profile, asked, &src).await?;
    let plan = plan_with(ctx, manifest, request, Some(&source))?;
    Ok((plan, held))
}

/// Remove the clones of commits that no generation stands on any more. What stays is only in the way.
pub(super) fn prune_source(ctx: &Context, store: &Store, manifest: &EnvName) {
    let used = || -> Result<Vec<PathBuf>, InstallError> {
        let mut used = Vec::new();
        for current in store.list()? {
            for generation in store.generations(&current.env)? {
                used.extend(kept_plan(&generation)?.source.map(|source| source.path));
            }
        }
        Ok(used)
    };
    let pruned = used().and_then(|used| checkout::prune(&store.source(manifest), &used).map_err(InstallError::Records));
    if let Err(error) = pruned {
        ctx.events.warn(format!("old clones stay: {}", chain(&error)));
    }
}

/// Say that a release takes the place of the user's own source, and how to keep that.
pub(super) fn tell_of_replaced_source(ctx: &Context, store: &Store, plan: &Plan) {
    let current = store.current(&plan.env).ok().flatten();
    let kept = current.and_then(|current| kept_plan(&current).ok());
    if let (
        Some(Plan {
            source: Some(source), ..
        }),
        None,
    ) = (kept, &plan.source)
    {
        ctx.events.warn(format!(
            "a release takes the place of {source}; to keep that: matenv install {} --source {}={}",
            plan.typed(),
            plan.manifest,
            source.place()
        ));
    }
}
