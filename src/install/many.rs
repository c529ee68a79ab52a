//! Several environments in one run: side by side, each with its own certificate.
//!
//! Downloads of one overlap with the work of another; the benchmark has the machine for itself. One that fails does
//! not stop the others.

use futures::future::join_all;

use super::{InstallError, Installed, Rehearsal, Request, install, plan, rehearse};
use crate::{
    certificate::Verdict,
    context::Context,
    manifest::{checkout::CheckoutError, lab::Selected},
    names::EnvName,
    plan::PlanError,
    run::menu,
};

/// What became of one of several environments.
#[derive(Debug)]
pub struct Made {
    /// The environment.
    pub env: EnvName,
    /// Its certificate, or why there is none.
    pub result: Result<Installed, InstallError>,
}

/// Make the environments that are `selected`.
///
/// # Errors
/// A source is for none of them; what goes wrong with one environment stands in its [`Made`].
pub async fn install_many(
    ctx: &Context,
    selected: &[Selected<'_>],
    request: &Request,
) -> Result<Vec<Made>, InstallError> {
    check_sources(selected, request)?;
    let alone = selected.len() == 1;
    let made = join_all(selected.iter().map(|selected| async move {
        let (env, manifest, request) = (selected.env.clone(), selected.manifest, &request.of(selected));
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
    selected: &[Selected<'_>],
    request: &Request,
) -> Result<Vec<Rehearsal>, InstallError> {
    check_sources(selected, request)?;
    let mut rehearsals = Vec::new();
    for one in selected {
        let ctx = match selected {
            [_] => ctx.clone(),
            _ => ctx.about(&one.env),
        };
        rehearsals.push(Box::pin(rehearse(&ctx, one.manifest, &request.of(one))).await?);
    }
    Ok(rehearsals)
}

/// Each source is for a manifest that is `selected`, and the only one for it.
fn check_sources(selected: &[Selected<'_>], request: &Request) -> Result<(), InstallError> {
    for (at, source) in request.sources.iter().enumerate() {
        let env = source.env.clone();
        if selected.iter().all(|one| one.manifest.name != env) {
            return Err(CheckoutError::NotAsked { env }.into());
        }
        if request.sources[..at].iter().any(|other| other.env == env) {
            return Err(CheckoutError::Twice { env }.into());
        }
    }
    Ok(())
}

/// Those that are `selected` and that this machine supports; the others are told.
///
/// # Errors
/// It supports none, or a plan could not be made for another reason.
pub fn supported<'a>(
    ctx: &Context,
    selected: Vec<Selected<'a>>,
    request: &Request,
) -> Result<Vec<Selected<'a>>, InstallError> {
    let mut supported = Vec::new();
    let mut refused = None;
    for one in selected {
        match plan(ctx, one.manifest, &request.of(&one)) {
            Ok(_) => supported.push(one),
            Err(InstallError::Plan(error @ PlanError::Unsupported(_))) => {
                ctx.events.note(format!("{} is left out: {error}", one.env));
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
