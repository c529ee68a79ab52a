//! Refuses requests that are probably a mistake.

use super::{InstallError, Request, machine::runs};
use crate::{
    context::Context,
    hardware::Hardware,
    names::{EnvName, ProfileName},
    plan::Plan,
    store::Store,
};

/// A request that is probably a mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SafeguardError {
    /// The environment cannot be proven on this machine.
    #[error("{env} with the profile {profile} needs another machine: this one has no NVIDIA GPU that can run it")]
    NeedsCross {
        /// The environment.
        env: EnvName,
        /// The profile.
        profile: ProfileName,
    },
    /// The installation would replace a more capable or proven environment.
    #[error(
        "{env} is {} for the profile {was}, and an environment for the profile {profile} would replace it",
        if *.proven { "proven" } else { "installed" }
    )]
    Replaces {
        /// The environment.
        env: EnvName,
        /// The profile of the installed environment.
        was: ProfileName,
        /// Whether the installed environment is proven.
        proven: bool,
        /// The profile of the new environment.
        profile: ProfileName,
    },
}

/// Refuses an environment that cannot be proven on this machine without `--cross`, and one that would silently
/// replace a better environment.
pub(super) fn check_safeguards(
    ctx: &Context,
    store: &Store,
    plan: &Plan,
    request: &Request,
) -> Result<(), InstallError> {
    let cross = request.machine.cross;
    if !cross && plan.backend.cuda_major().is_some() && !runs(&Hardware::detect(&ctx.settings), plan) {
        return Err(SafeguardError::NeedsCross {
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
    // The lower profile was not requested explicitly.
    let is_downgrade = request.profile.is_none() && current.record.cross && plan.profile < was;
    let replaces_proven = cross && current.record.proven && plan.profile != was;
    if is_downgrade || replaces_proven {
        return Err(SafeguardError::Replaces {
            env: plan.env.clone(),
            was,
            proven: current.record.proven,
            profile: plan.profile,
        }
        .into());
    }
    Ok(())
}
