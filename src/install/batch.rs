//! Installs several environments in one run, in parallel, each with its own certificate.
//!
//! The downloads of one environment overlap with the work for another. Each benchmark runs alone on the machine. If one
//! environment fails, the others continue.

use crate::{
    certificate::Verdict,
    context::Context,
    install::dry_run,
    manifest::{checkout::CheckoutError, lab::Selected},
    names::EnvName,
    plan::PlanError,
    run::menu,
};
use futures::future::join_all;

use super::{DryRun, DryRunError, InstallError, Installed, PlanningError, Request, SourceError, install, plan};

/// The result for one of several environments.
#[derive(Debug)]
pub(crate) struct InstallOutcome {
    /// The environment.
    pub env: EnvName,
    /// The installed environment, or the error.
    pub result: Result<Installed, InstallError>,
}

/// Installs the `selected` environments.
///
/// # Errors
/// If a source matches none of them. An error of one environment is in its [`InstallOutcome`].
pub(crate) async fn install_batch(
    ctx: &Context,
    selected: &[Selected<'_>],
    request: &Request,
) -> Result<Vec<InstallOutcome>, CheckoutError> {
    check_sources(selected, request)?;
    let alone = selected.len() == 1;
    let made = join_all(selected.iter().map(|selected| async move {
        let (env, manifest, request) = (selected.env.clone(), selected.manifest, &request.for_selected(selected));
        let ctx = if alone { ctx.clone() } else { ctx.about(&env) };
        let mut result = Box::pin(install(&ctx, manifest, request)).await;
        let good = matches!(&result, Ok(installed) if installed.certificate.verdict() == Verdict::Good);
        if good
            && request.menu
            && let Err(error) = menu::add_entry(&ctx, manifest, &env)
        {
            result = Err(error.into());
        }
        InstallOutcome { env, result }
    }));
    Ok(made.await)
}

/// Does a dry run of [`install_batch`], one environment after the other.
///
/// # Errors
/// The first error of any environment.
pub(crate) async fn dry_run_batch(
    ctx: &Context,
    selected: &[Selected<'_>],
    request: &Request,
) -> Result<Vec<DryRun>, DryRunError> {
    check_sources(selected, request).map_err(SourceError::from)?;
    let mut dry_runs = Vec::new();
    for one in selected {
        let ctx = match selected {
            [_] => ctx.clone(),
            _ => ctx.about(&one.env),
        };
        dry_runs.push(Box::pin(dry_run(&ctx, one.manifest, &request.for_selected(one))).await?);
    }
    Ok(dry_runs)
}

/// Checks that each source belongs to a `selected` manifest and is the only one for it.
fn check_sources(selected: &[Selected<'_>], request: &Request) -> Result<(), CheckoutError> {
    for (at, source) in request.sources.iter().enumerate() {
        let env = source.env.clone();
        if selected.iter().all(|one| one.manifest.name != env) {
            return Err(CheckoutError::NotAsked { env });
        }
        if request.sources[..at].iter().any(|other| other.env == env) {
            return Err(CheckoutError::Twice { env });
        }
    }
    Ok(())
}

/// Returns the `selected` environments that this machine supports. Prints a note for each of the others.
///
/// # Errors
/// If the machine supports none of them, or planning fails for another reason.
pub(crate) fn keep_supported<'a>(
    ctx: &Context,
    selected: Vec<Selected<'a>>,
    request: &Request,
) -> Result<Vec<Selected<'a>>, PlanningError> {
    let mut supported = Vec::new();
    let mut refused = None;
    for one in selected {
        match plan(ctx, one.manifest, &request.for_selected(&one)) {
            Ok(_) => supported.push(one),
            Err(PlanningError::Plan(error @ PlanError::Unsupported(_))) => {
                ctx.events.note(format!("skipping {}: {error}", one.env));
                refused.get_or_insert(PlanningError::Plan(error));
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if supported.is_empty() => Err(error),
        _ => Ok(supported),
    }
}
