//! Plan: manifest x profile x hardware, all choices made, each with its reason.
//!
//! In: a [`Manifest`], a [`Profile`](crate::profile::Profile), [`Hardware`]. Out: a [`Plan`], or the sentence why there can be none.
//! **Invariant:** planning opens no socket and no file, so a plan for another machine is the same call.

mod cards;
mod choices;
mod choose;
mod level;
mod requirements;
mod select;

pub use choices::{Choice, Rejected};
pub use choose::Unsupported;

use std::collections::{BTreeMap, BTreeSet};

use rattler_digest::{Sha256, compute_bytes_digest};
use serde::{Deserialize, Serialize};

use crate::{
    context::sources::SourceName,
    finding::Finding,
    hardware::Hardware,
    manifest::{BuildException, Check, Manifest, PythonRange, checkout::Checkout},
    names::{Backend, EnvName, ProfileName, typed},
    profile::{ComputeCapability, Profiles, UnsupportedPlatform, subdir},
};
use choose::choose;
use level::Stand;
use requirements::Wheels;

/// A wheel requirement of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRequirement {
    /// PEP 508 text with extras.
    pub requirement: String,
    /// Where it comes from.
    pub source: SourceName,
    /// Why it stands there.
    pub because: String,
}

/// What will be made, all choices taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the environment.
    pub env: EnvName,
    /// Name of the manifest.
    pub manifest: EnvName,
    /// The accelerator level.
    pub profile: ProfileName,
    /// torch's backend, and with it the CUDA version.
    pub backend: Backend,
    /// The GPUs that it serves; empty means that they are not known, or that it uses none.
    #[serde(default)]
    pub cards: Vec<ComputeCapability>,
    /// conda's platform, such as `linux-64`.
    pub subdir: String,
    /// The Pythons that may be taken.
    pub python: PythonRange,
    /// conda channels, in order.
    pub channels: Vec<SourceName>,
    /// conda match specs beside Python's.
    pub conda: Vec<String>,
    /// Wheels.
    pub requirements: Vec<PlannedRequirement>,
    /// Bounds on wheels that others ask for.
    #[serde(default)]
    pub bounds: Vec<PlannedRequirement>,
    /// Distributions that may be built from source.
    pub build: Vec<BuildException>,
    /// The program's own source, where it takes the place of a released wheel.
    #[serde(default)]
    pub source: Option<Checkout>,
    /// What proves the environment.
    pub probes: Vec<Check>,
    /// What proves it on a trained model.
    pub smoke: Vec<Check>,
    /// Files that a trained model's folder holds.
    #[serde(default)]
    pub model_files: Vec<String>,
    /// Execution providers to bench, the best first.
    pub providers: Vec<String>,
    /// The command that opens its program; words are separated by spaces.
    #[serde(default)]
    pub launch: Option<String>,
    /// Nothing published later is taken.
    pub exclude_newer: Option<String>,
    /// Sources that another source stands in for.
    pub redirects: BTreeMap<SourceName, SourceName>,
    /// What of the machine goes unused, or may not do.
    #[serde(default)]
    pub warnings: Vec<Finding>,
    /// Each choice with its reason.
    pub choices: Vec<Choice>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The machine, or the manifest, does not support the profile.
    #[error(transparent)]
    Unsupported(Box<Unsupported>),
    /// conda knows no packages for this machine.
    #[error(transparent)]
    Platform(#[from] UnsupportedPlatform),
}

/// How a plan is asked for, beside manifest and hardware.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The accelerator level; `None` is the best that the hardware and the manifest support.
    pub profile: Option<ProfileName>,
    /// `--name`.
    pub name: Option<EnvName>,
    /// `--exclude-newer`.
    pub exclude_newer: Option<String>,
    /// Sources that a mirror replaces by another source, such as torch by pypi.
    pub redirects: BTreeMap<SourceName, SourceName>,
    /// What stands in for each source on this machine, in words; `default` where nothing does.
    pub sources: BTreeMap<SourceName, String>,
    /// The program's own source (`--source`), where one is asked for.
    pub source: Option<Checkout>,
    /// Only these profiles and backends, which a lab's lock has; `None` is all.
    pub locked: Option<BTreeSet<(ProfileName, Backend)>>,
    /// Profiles that are not to be taken if none is named, with the reason.
    pub excluded: BTreeMap<ProfileName, String>,
    /// Packages from PyPI that the lab's file adds, as PEP 508 texts.
    pub packages: Vec<String>,
}

/// Make all choices.
///
/// # Errors
/// The hardware, or the manifest, does not support the profile.
pub fn plan(
    manifest: &Manifest,
    profiles: &Profiles,
    hardware: &Hardware,
    request: &Request,
) -> Result<Plan, PlanError> {
    let subdir = subdir(&hardware.triple)?.to_string();
    let stand = Stand {
        manifest,
        hardware,
        subdir: &subdir,
        locked: request.locked.as_ref(),
    };
    let (level, profile_choice) = choose(&stand, profiles, request)?;
    let mut wheels = Wheels::of(manifest, &level, &subdir, request.source.as_ref());
    wheels.add(&request.packages);
    let from_scripts = request.source.as_ref().is_some_and(|source| !source.is_project());
    let checks = |checks: &[Check]| -> Vec<Check> {
        checks
            .iter()
            .filter(|check| check.profiles.is_empty() || check.profiles.contains(&level.profile.name))
            .filter(|check| {
                check
                    .provider
                    .as_ref()
                    .is_none_or(|provider| level.providers.contains(provider))
            })
            .filter(|check| check.scripts || !from_scripts)
            .cloned()
            .collect()
    };
    let choices = choices::choices(manifest, &level, profile_choice, &subdir, request, &wheels);
    let selection = level.selection;
    Ok(Plan {
        env: request.name.clone().unwrap_or_else(|| manifest.name.clone()),
        manifest: manifest.name.clone(),
        profile: level.profile.name,
        backend: selection
            .as_ref()
            .map_or_else(Backend::cpu, |selection| selection.backend.clone()),
        cards: selection.map(|selection| selection.cards).unwrap_or_default(),
        subdir: subdir.clone(),
        python: manifest.python.clone(),
        channels: manifest.channels.clone(),
        conda: manifest
            .conda
            .iter()
            .cloned()
            .chain(wheels.conda.into_iter().map(|spec| spec.requirement))
            .collect(),
        requirements: wheels.requirements,
        bounds: wheels.bounds,
        build: wheels.build,
        source: request.source.clone(),
        probes: checks(&manifest.probes),
        smoke: checks(&manifest.smoke),
        model_files: manifest.model_files.clone(),
        providers: level.providers,
        launch: manifest.launch.clone(),
        exclude_newer: request.exclude_newer.clone(),
        redirects: request.redirects.clone(),
        warnings: level.warnings,
        choices,
    })
}

impl Plan {
    /// A hash over everything that decides which packages are installed: hex, 64 characters.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let deciding = (
            (&self.manifest, self.profile, &self.backend, &self.subdir),
            (&self.python, &self.channels, &self.conda),
            self.requirements
                .iter()
                .chain(&self.bounds)
                .map(|wanted| (&wanted.requirement, wanted.source))
                .collect::<Vec<_>>(),
            self.build
                .iter()
                .map(|exception| (&exception.package, &exception.requires))
                .collect::<Vec<_>>(),
            &self.exclude_newer,
            &self.redirects,
            self.source.as_ref().map(Checkout::identity),
        );
        // Plain names and texts always serialize; an empty text would only cost a no-op its shortcut.
        let text = serde_json::to_string(&deciding).unwrap_or_default();
        hex::encode(compute_bytes_digest::<Sha256>(text.as_bytes()))
    }

    /// What is typed after `matenv install` to make the environment again.
    #[must_use]
    pub fn typed(&self) -> String {
        // Without it the best profile of the machine would be taken, which need not be this one.
        let typed = format!("{} --profile {}", typed(&self.manifest, &self.env), self.profile);
        match &self.source {
            Some(source) => format!("{typed} --source {}={}", self.manifest, source.place()),
            None => typed,
        }
    }

    /// Whether any wheel comes from that source.
    #[must_use]
    pub fn wants(&self, source: SourceName) -> bool {
        self.requirements.iter().any(|wanted| wanted.source == source)
    }
}

#[cfg(test)]
mod tests;
