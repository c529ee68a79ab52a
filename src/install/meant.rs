//! What is asked for may not be what is meant.

use super::{InstallError, Request, machine::runs};
use crate::{
    context::Context,
    hardware::Hardware,
    names::{EnvName, ProfileName},
    plan::Plan,
    store::Store,
};

/// What is asked for may not be what is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeantError {
    /// It cannot be proven on this machine.
    #[error("{env} with the profile {profile} would be for another machine: this one has no NVIDIA GPU that runs it")]
    NeedsCross {
        /// The environment.
        env: EnvName,
        /// The profile.
        profile: ProfileName,
    },
    /// It would take the place of an environment that is worth more.
    #[error(
        "{env} is {} for the profile {was}, and an environment for the profile {profile} would take its place",
        if *.proven { "proven" } else { "made" }
    )]
    Replaces {
        /// The environment.
        env: EnvName,
        /// Its profile.
        was: ProfileName,
        /// Whether it is proven.
        proven: bool,
        /// The profile that would take its place.
        profile: ProfileName,
    },
}

/// Refuse what cannot be proven here without being asked for, and what would replace an environment by a lesser one in passing.
pub(super) fn check_is_meant(ctx: &Context, store: &Store, plan: &Plan, request: &Request) -> Result<(), InstallError> {
    let cross = request.machine.cross;
    if !cross && plan.backend.cuda_major().is_some() && !runs(&Hardware::detect(&ctx.settings), plan) {
        return Err(MeantError::NeedsCross {
            env: plan.env.clone(),
            profile: plan.profile,
        }
        .into());
    }
    if request.force {
        return Ok(());
    }
    let Some(current) = store.current(&plan.env)? else {
        return Ok(());
    };
    let was = current.record.profile;
    // Nobody named the lesser profile.
    let lesser = request.profile.is_none() && current.record.cross && plan.profile < was;
    let unproven = cross && current.record.proven && plan.profile != was;
    if lesser || unproven {
        return Err(MeantError::Replaces {
            env: plan.env.clone(),
            was,
            proven: current.record.proven,
            profile: plan.profile,
        }
        .into());
    }
    Ok(())
}
