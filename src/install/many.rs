//! Several environments in one run: side by side, each with its own certificate.
//!
//! Downloads of one overlap with the work of another; the benchmark has the machine for itself. One that fails does
//! not stop the others.

use futures::future::join_all;

use super::{InstallError, Installed, Rehearsal, Request, install, plan, rehearse};
use crate::{
    checkout::CheckoutError, context::Context, manifest::Manifest, menu, names::EnvName, plan::PlanError,
    report::Verdict,
};

/// What became of one of several environments.
#[derive(Debug)]
pub struct Made {
    /// The environment.
    pub env: EnvName,
    /// Its certificate, or why there is none.
    pub result: Result<Installed, InstallError>,
}

/// Make the environments of `manifests`.
///
/// # Errors
/// A source is for none of them; what goes wrong with one environment stands in its [`Made`].
pub async fn install_many(
    ctx: &Context,
    manifests: &[&Manifest],
    request: &Request,
) -> Result<Vec<Made>, InstallError> {
    check_sources(manifests, request)?;
    let alone = manifests.len() == 1;
    let made = join_all(manifests.iter().map(|manifest| async move {
        let env = request.name.clone().unwrap_or_else(|| manifest.name.clone());
        let ctx = if alone { ctx.clone() } else { ctx.about(&env) };
        let mut result = Box::pin(install(&ctx, manifest, request)).await;
        let good = matches!(&result, Ok(installed) if installed.certificate.verdict() == Verdict::Good);
        if good
            && request.menu
            && let Err(error) = menu::enter(&ctx, manifest, &env)
        {
            result = Err(error.into());
        }
        Made { env, result }
    }));
    Ok(made.await)
}

/// Find out what [`install_many`] would do, one after the other.
///
/// # Errors
/// The first thing that goes wrong.
pub async fn rehearse_many(
    ctx: &Context,
    manifests: &[&Manifest],
    request: &Request,
) -> Result<Vec<Rehearsal>, InstallError> {
    check_sources(manifests, request)?;
    let mut rehearsals = Vec::new();
    for manifest in manifests {
        let ctx = match manifests {
            [_] => ctx.clone(),
            _ => ctx.about(&manifest.name),
        };
        rehearsals.push(Box::pin(rehearse(&ctx, manifest, request)).await?);
    }
    Ok(rehearsals)
}

/// Each source is for one of `manifests`, and the only one for it.
fn check_sources(manifests: &[&Manifest], request: &Request) -> Result<(), InstallError> {
    for (at, source) in request.sources.iter().enumerate() {
        let env = source.env.clone();
        if manifests.iter().all(|manifest| manifest.name != env) {
            return Err(CheckoutError::NotAsked { env }.into());
        }
        if request.sources[..at].iter().any(|other| other.env == env) {
            return Err(CheckoutError::Twice { env }.into());
        }
    }
    Ok(())
}

/// Those of `manifests` that this machine supports; the others are told.
///
/// # Errors
/// It supports none, or a plan could not be made for another reason.
pub fn supported<'a>(
    ctx: &Context,
    manifests: Vec<&'a Manifest>,
    request: &Request,
) -> Result<Vec<&'a Manifest>, InstallError> {
    let mut supported = Vec::new();
    let mut refused = None;
    for manifest in manifests {
        match plan(ctx, manifest, request) {
            Ok(_) => supported.push(manifest),
            Err(InstallError::Plan(error @ PlanError::Unsupported(_))) => {
                ctx.events.note(format!("{} is left out: {error}", manifest.name));
                refused.get_or_insert(InstallError::Plan(error));
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if supported.is_empty() => Err(error),
        _ => Ok(supported),
    }
}
