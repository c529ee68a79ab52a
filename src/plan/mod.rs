//! Plan: the choices for an environment, from manifest, profile and hardware, each with its reason.
//!
//! Input: a [`Manifest`], a [`Profile`](crate::profile::Profile), [`Hardware`]. Output: a [`Plan`], or a sentence that
//! says why there is none.
//! **Invariant:** planning opens no socket and no file, so the same function can plan for another machine.

mod cards;
mod choices;
mod choose;
mod level;
mod requirements;
mod select;

use crate::{
    context::sources::SourceName,
    finding::Finding,
    hardware::Hardware,
    manifest::{BuildException, Check, Manifest, PythonRange, checkout::Checkout},
    names::{Backend, EnvName, ExecutionProvider, HomePath, ProfileName, install_arguments},
    profile::{ComputeCapability, Profiles, UnsupportedPlatform, subdir},
};
pub(crate) use choices::{Choice, Rejected};
pub(crate) use choose::Unsupported;

use std::collections::{BTreeMap, BTreeSet};

use rattler_digest::{Sha256, compute_bytes_digest};
use serde::{Deserialize, Serialize};

use choose::choose;
use level::Candidate;
use requirements::Wheels;

/// A requirement for a wheel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRequirement {
    /// The requirement as PEP 508 text, with extras.
    pub requirement: String,
    /// The source of the wheel.
    pub source: SourceName,
    /// The reason for the requirement.
    pub because: String,
}

/// An environment to build, with all choices made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the environment.
    pub env: EnvName,
    /// Name of the manifest.
    pub manifest: EnvName,
    /// The profile.
    pub profile: ProfileName,
    /// The torch backend, such as `cpu` or `cu130`. It includes the CUDA version.
    pub backend: Backend,
    /// The GPUs that the plan supports. Empty if they are unknown or if no GPU is used.
    #[serde(default)]
    pub cards: Vec<ComputeCapability>,
    /// The conda subdir, such as `linux-64`.
    pub subdir: String,
    /// The allowed Python versions.
    pub python: PythonRange,
    /// The conda channels, in order of priority.
    pub channels: Vec<SourceName>,
    /// Match specs of conda packages, without Python.
    pub conda: Vec<String>,
    /// Requirements for wheels.
    pub requirements: Vec<PlannedRequirement>,
    /// Bounds on the versions of dependencies.
    #[serde(default)]
    pub bounds: Vec<PlannedRequirement>,
    /// Distributions that may be built from source.
    pub build: Vec<BuildException>,
    /// The program's own source (`--source`), if it replaces a released wheel.
    #[serde(default)]
    pub source: Option<Checkout>,
    /// Checks that prove the environment.
    pub probes: Vec<Check>,
    /// Checks that prove the environment with a trained model.
    pub smoke: Vec<Check>,
    /// Files that the folder of a trained model contains.
    #[serde(default)]
    pub model_files: Vec<String>,
    /// Files and folders in the home folder in which the program keeps its settings.
    #[serde(default)]
    pub settings: Vec<HomePath>,
    /// Execution providers to benchmark, the best first.
    pub providers: Vec<ExecutionProvider>,
    /// The command that starts the program. Words are separated by spaces.
    #[serde(default)]
    pub launch: Option<String>,
    /// Packages published after this date are ignored.
    pub exclude_newer: Option<String>,
    /// Sources that are replaced by another source.
    pub redirects: BTreeMap<SourceName, SourceName>,
    /// Warnings about the machine, such as a GPU that is not used.
    #[serde(default)]
    pub warnings: Vec<Finding>,
    /// The choices, each with its reason.
    pub choices: Vec<Choice>,
}

/// An error while planning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The machine or the manifest does not support the profile.
    #[error(transparent)]
    Unsupported(Box<Unsupported>),
    /// conda has no packages for this platform.
    #[error(transparent)]
    Platform(#[from] UnsupportedPlatform),
}

/// The options for a plan, in addition to manifest and hardware.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// The profile. `None` chooses the best that the hardware and the manifest support.
    pub profile: Option<ProfileName>,
    /// The name of the environment (`--name`).
    pub name: Option<EnvName>,
    /// Ignore packages published after this date (`--exclude-newer`).
    pub exclude_newer: Option<String>,
    /// Sources that a mirror replaces with another source, such as torch with pypi.
    pub redirects: BTreeMap<SourceName, SourceName>,
    /// A description of the mirror of each source on this machine, or `default` if it has none.
    pub sources: BTreeMap<SourceName, String>,
    /// The program's own source (`--source`).
    pub source: Option<Checkout>,
    /// The profiles and backends in the lab lock. Others are not used. `None` allows all.
    pub locked: Option<BTreeSet<(ProfileName, Backend)>>,
    /// Profiles that are not chosen automatically, with the reason.
    pub excluded: BTreeMap<ProfileName, String>,
    /// Packages from PyPI that `matenv.toml` adds, as PEP 508 texts.
    pub packages: Vec<String>,
}

/// Plans an environment: makes all choices.
///
/// # Errors
/// The hardware or the manifest does not support the profile.
pub(crate) fn plan(
    manifest: &Manifest,
    profiles: &Profiles,
    hardware: &Hardware,
    request: &Request,
) -> Result<Plan, PlanError> {
    let subdir = subdir(&hardware.triple)?.to_string();
    let candidate = Candidate {
        manifest,
        hardware,
        subdir: &subdir,
        locked: request.locked.as_ref(),
    };
    let (level, profile_choice) = choose(&candidate, profiles, request)?;
    let mut wheels = Wheels::collect(manifest, &level, &subdir, request.source.as_ref());
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
        settings: manifest.settings.clone(),
        providers: level.providers,
        launch: manifest.launch.clone(),
        exclude_newer: request.exclude_newer.clone(),
        redirects: request.redirects.clone(),
        warnings: level.warnings,
        choices,
    })
}

impl Plan {
    /// Returns a hash of everything that decides which packages are installed: 64 hex digits.
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
        // Names and texts always serialize. An empty text would only disable the shortcut for an unchanged
        // environment.
        let text = serde_json::to_string(&deciding).unwrap_or_default();
        hex::encode(compute_bytes_digest::<Sha256>(text.as_bytes()))
    }

    /// Returns the arguments of `matenv install` that install the same environment again.
    #[must_use]
    pub fn install_command_arguments(&self) -> String {
        // Without `--profile`, matenv would choose the best profile of the machine, which may be another one.
        let arguments = format!(
            "{} --profile {}",
            install_arguments(&self.manifest, &self.env),
            self.profile
        );
        match &self.source {
            Some(source) => format!("{arguments} --source {}={}", self.manifest, source.place()),
            None => arguments,
        }
    }

    /// Returns whether any wheel comes from that source.
    #[must_use]
    pub fn wants(&self, source: SourceName) -> bool {
        self.requirements.iter().any(|wanted| wanted.source == source)
    }
}

#[cfg(test)]
mod tests;
