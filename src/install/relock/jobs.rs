//! The combinations to resolve: each environment for each profile, backend and platform.

use super::{Wanted, WantedEnv};
use crate::{
    context::Context,
    files::toml_file::TomlError,
    hardware::target::Target,
    lock::LabEntry,
    names::{Backend, ProfileName},
    plan::{self, Plan, PlanError},
    profile::Profiles,
};

/// An error when the combinations to resolve are planned.
#[derive(Debug, thiserror::Error)]
pub enum CombinationsError {
    /// Invalid profile.
    #[error(transparent)]
    Profile(Box<TomlError>),
    /// There is no plan for any combination.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl From<TomlError> for CombinationsError {
    fn from(error: TomlError) -> Self {
        Self::Profile(Box::new(error))
    }
}

/// One environment for one profile, backend and platform.
pub(super) struct Job<'a> {
    pub(super) name: String,
    pub(super) target: &'a Target,
    pub(super) plan: Plan,
}

/// Returns the supported combinations, and a line for each unsupported one.
pub(super) fn jobs<'a>(
    ctx: &Context,
    wanted: &'a Wanted<'_>,
) -> Result<(Vec<Job<'a>>, Vec<String>), CombinationsError> {
    let profiles = Profiles::load()?;
    let mut jobs = Vec::new();
    let mut left_out = Vec::new();
    let mut refused = None;
    for one in &wanted.environments {
        for profile in &one.profiles {
            let backends = match profile {
                ProfileName::Cpu => vec![Backend::cpu()],
                ProfileName::Gpu | ProfileName::GpuTrt => wanted.backends.clone(),
            };
            for (backend, target) in backends
                .iter()
                .flat_map(|backend| wanted.targets.iter().map(move |target| (backend, target)))
            {
                let name = LabEntry::name_of(&one.env, *profile, backend);
                match planned(ctx, one, *profile, backend, target, &profiles) {
                    Ok(plan) if plan.profile == *profile && plan.backend == *backend => {
                        jobs.push(Job { name, target, plan });
                    }
                    Ok(plan) => left_out.push(format!(
                        "{name} for {}: the plan falls back to {} on {}",
                        target.subdir, plan.profile, plan.backend
                    )),
                    Err(PlanError::Unsupported(error)) => {
                        left_out.push(format!("{name} for {}: {}", target.subdir, error.because));
                        refused = Some(PlanError::Unsupported(error));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    match refused {
        Some(error) if jobs.is_empty() => Err(error.into()),
        _ => Ok((jobs, left_out)),
    }
}

/// Makes the plan for a machine of the target platform whose driver supports the backend.
fn planned(
    ctx: &Context,
    one: &WantedEnv<'_>,
    profile: ProfileName,
    backend: &Backend,
    target: &Target,
    profiles: &Profiles,
) -> Result<Plan, PlanError> {
    plan::plan(
        one.manifest,
        profiles,
        &target.hardware(backend),
        &plan::Request {
            profile: Some(profile),
            name: Some(one.env.clone()),
            exclude_newer: ctx.settings.exclude_newer.clone(),
            redirects: ctx.settings.sources.redirects(),
            sources: ctx.settings.sources.described(),
            source: None,
            locked: None,
            excluded: std::collections::BTreeMap::new(),
            packages: one.packages.clone(),
        },
    )
}
