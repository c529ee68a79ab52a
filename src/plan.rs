//! Plan: manifest x profile x hardware, all choices made, each with its reason.
//!
//! In: a [`Manifest`], a [`Profile`], [`Hardware`]. Out: a [`Plan`], or the sentence why there can be none.
//! **Invariant:** planning opens no socket and no file, so a plan for another machine is the same call.

mod choices;

pub use choices::{Choice, Rejected};

use std::collections::{BTreeMap, BTreeSet};

use rattler_conda_types::subdir::Subdir;
use rattler_digest::{Sha256, compute_bytes_digest};
use serde::{Deserialize, Serialize};

use crate::{
    checkout::{Checkout, Kind},
    hardware::Hardware,
    manifest::{BuildException, Check, Manifest, PythonRange, Wanted},
    names::{Backend, EnvName, ProfileName, typed},
    profile::{Needs, Profile},
    sources::SourceName,
};

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
    /// torch's backend.
    pub backend: Backend,
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
    /// Each choice with its reason.
    pub choices: Vec<Choice>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The machine lacks what the profile needs.
    #[error("this machine does not support the profile `{profile}`: {because}")]
    Unsupported {
        /// The profile.
        profile: ProfileName,
        /// Why not.
        because: String,
    },
    /// conda knows no packages for this machine.
    #[error("there are no packages for `{triple}`")]
    Platform {
        /// The machine.
        triple: String,
    },
}

/// How a plan is asked for, beside manifest, profile and hardware.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `--name`.
    pub name: Option<EnvName>,
    /// `--exclude-newer`.
    pub exclude_newer: Option<String>,
    /// The profile was named by the user.
    pub profile_named: bool,
    /// Sources that a mirror replaces by another source, such as torch by pypi.
    pub redirects: BTreeMap<SourceName, SourceName>,
    /// What stands in for each source on this machine, in words; `default` where nothing does.
    pub sources: BTreeMap<SourceName, String>,
    /// The program's own source (`--source`), where one is asked for.
    pub source: Option<Checkout>,
}

/// Make all choices.
///
/// # Errors
/// The hardware does not support the profile.
pub fn plan(manifest: &Manifest, profile: &Profile, hardware: &Hardware, request: &Request) -> Result<Plan, PlanError> {
    let subdir = subdir(&hardware.triple)?;
    match profile.needs {
        Needs::Nothing => {}
        Needs::Nvidia => {
            return Err(PlanError::Unsupported {
                profile: profile.name,
                because: "this version of matenv does not choose GPU stacks yet".to_owned(),
            });
        }
    }
    // Only `cpu` gets here so far, and its file names one backend.
    let backend = profile.backends.first().cloned().unwrap_or_else(Backend::cpu);
    let wanted_here = |profiles: &BTreeSet<ProfileName>| profiles.is_empty() || profiles.contains(&profile.name);
    let requirements: Vec<PlannedRequirement> = manifest
        .pypi
        .iter()
        .filter(|wanted| wanted_here(&wanted.profiles))
        .flat_map(|wanted| planned(wanted, profile.name, request.source.as_ref()))
        .collect();
    let from_scripts = request.source.as_ref().is_some_and(|source| !source.is_project());
    let checks = |checks: &[Check]| -> Vec<Check> {
        checks
            .iter()
            .filter(|check| wanted_here(&check.profiles) && (check.scripts || !from_scripts))
            .cloned()
            .collect()
    };
    let choices = choices::choices(manifest, profile, &backend, request, &requirements);
    Ok(Plan {
        env: request.name.clone().unwrap_or_else(|| manifest.name.clone()),
        manifest: manifest.name.clone(),
        profile: profile.name,
        backend,
        subdir: subdir.to_string(),
        python: manifest.python.clone(),
        channels: manifest.channels.clone(),
        conda: manifest.conda.clone(),
        requirements,
        build: build(manifest, request.source.as_ref()),
        source: request.source.clone(),
        probes: checks(&manifest.probes),
        smoke: checks(&manifest.smoke),
        model_files: manifest.model_files.clone(),
        providers: profile.providers.clone(),
        launch: manifest.launch.clone(),
        exclude_newer: request.exclude_newer.clone(),
        redirects: request.redirects.clone(),
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
        let typed = typed(&self.manifest, &self.env);
        match &self.source {
            Some(source) => format!("{typed} --source {}={}", self.manifest, source.place()),
            None => typed,
        }
    }

    /// Whether any wheel comes from the torch index.
    #[must_use]
    pub fn wants_torch(&self) -> bool {
        self.requirements
            .iter()
            .any(|wanted| wanted.source == SourceName::Torch)
    }
}

/// A requirement of the manifest as it is asked of the index, or what its program's own source asks instead.
fn planned(wanted: &Wanted, profile: ProfileName, source: Option<&Checkout>) -> Vec<PlannedRequirement> {
    let extras = wanted.extras.get(&profile);
    let name = name_of(&wanted.requirement);
    let one = |requirement: String, because: String| PlannedRequirement {
        requirement,
        source: wanted.source,
        because,
    };
    match source.filter(|source| source.package == name) {
        None => vec![one(with_extras(&wanted.requirement, extras), wanted.because.clone())],
        Some(source) => match &source.kind {
            // Its own version counts, whatever the manifest's bounds say of releases.
            Kind::Project { .. } => vec![one(with_extras(name, extras), format!("from {source}"))],
            Kind::Scripts { requirements, .. } => requirements
                .iter()
                .map(|requirement| one(requirement.clone(), format!("from {source}")))
                .collect(),
        },
    }
}

/// The manifest's exceptions, and those of the program's own source: a project itself, or what an older tree pins.
fn build(manifest: &Manifest, source: Option<&Checkout>) -> Vec<BuildException> {
    let mut build = manifest.build.clone();
    let (Some(source), Some(tree)) = (source, &manifest.source) else {
        return build;
    };
    let built: Vec<&String> = match &source.kind {
        Kind::Project { .. } => vec![&source.package],
        Kind::Scripts { requirements, .. } => tree
            .sdists
            .iter()
            .filter(|sdist| requirements.iter().any(|wanted| same_package(name_of(wanted), sdist)))
            .collect(),
    };
    build.extend(built.into_iter().map(|package| BuildException {
        package: package.clone(),
        requires: tree.build_requires.clone(),
        because: format!("from {source}"),
    }));
    build
}

/// Whether two names mean one package: `Typing_Extensions` is `typing-extensions`.
fn same_package(one: &str, other: &str) -> bool {
    let name = |text: &str| text.parse::<pep508_rs::PackageName>().ok();
    name(one).is_some_and(|one| Some(one) == name(other))
}

/// The name at the start of a requirement.
fn name_of(requirement: &str) -> &str {
    let ends = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len());
    &requirement[..ends]
}

fn subdir(triple: &str) -> Result<Subdir, PlanError> {
    let unknown = || PlanError::Platform {
        triple: triple.to_owned(),
    };
    let parsed: target_lexicon::Triple = triple.parse().map_err(|_| unknown())?;
    let os = match parsed.operating_system {
        target_lexicon::OperatingSystem::Linux => "linux",
        target_lexicon::OperatingSystem::Darwin(_) | target_lexicon::OperatingSystem::MacOSX(_) => "osx",
        target_lexicon::OperatingSystem::Windows => "win",
        _ => return Err(unknown()),
    };
    let arch = match parsed.architecture {
        target_lexicon::Architecture::X86_64 => "64",
        target_lexicon::Architecture::Aarch64(_) if os == "linux" => "aarch64",
        target_lexicon::Architecture::Aarch64(_) => "arm64",
        _ => return Err(unknown()),
    };
    format!("{os}-{arch}").parse().map_err(|_| unknown())
}

/// `numpy>=2` and `[a, b]` make `numpy[a,b]>=2`.
fn with_extras(requirement: &str, extras: Option<&Vec<String>>) -> String {
    let Some(extras) = extras.filter(|extras| !extras.is_empty()) else {
        return requirement.to_owned();
    };
    let name = name_of(requirement);
    let rest = &requirement[name.len()..];
    format!("{name}[{}]{rest}", extras.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifests;

    fn machine(triple: &str) -> Hardware {
        serde_json::from_value(serde_json::json!({ "schema": 1, "triple": triple })).expect("a hardware file")
    }

    fn planned(profile: ProfileName, triple: &str) -> Result<Plan, PlanError> {
        let manifests = Manifests::load(None).expect("sound");
        let profile = Profile::load(profile).expect("sound");
        plan(
            manifests.get("sleap").expect("there"),
            &profile,
            &machine(triple),
            &Request::default(),
        )
    }

    #[test]
    fn platforms_map_to_conda_subdirs() {
        for (triple, subdir) in [
            ("x86_64-unknown-linux-gnu", Some("linux-64")),
            ("aarch64-unknown-linux-gnu", Some("linux-aarch64")),
            ("aarch64-apple-darwin", Some("osx-arm64")),
            ("x86_64-pc-windows-msvc", Some("win-64")),
            ("riscv64gc-unknown-linux-gnu", None),
            ("not a triple", None),
        ] {
            let found = planned(ProfileName::Cpu, triple).ok().map(|plan| plan.subdir);
            assert_eq!(found.as_deref(), subdir, "{triple}");
        }
    }

    #[test]
    fn gpu_profiles_are_refused_until_stacks_are_chosen() {
        let refused = planned(ProfileName::Gpu, "x86_64-unknown-linux-gnu");
        assert!(matches!(refused, Err(PlanError::Unsupported { .. })));
    }

    #[test]
    fn sleap_on_cpu_asks_for_the_export_extras_and_keeps_the_host_programs_api() {
        let plan = planned(ProfileName::Cpu, "x86_64-unknown-linux-gnu").expect("a plan");
        let requirements: Vec<_> = plan
            .requirements
            .iter()
            .map(|wanted| format!("{} from {}", wanted.requirement, wanted.source))
            .collect();
        insta::assert_snapshot!(requirements.join("\n"), @r"
        sleap[nn,nn-export]>=1.6,<2 from pypi
        sleap-nn>=0.1,<0.3 from pypi
        omegaconf>=2.3 from pypi
        hydra-core>=1.3 from pypi
        torch from torch
        torchvision from torch
        ");
    }

    #[test]
    fn the_fingerprint_follows_what_is_installed_and_nothing_else() {
        let plan = planned(ProfileName::Cpu, "x86_64-unknown-linux-gnu").expect("a plan");
        let mut other_words = plan.clone();
        other_words.choices.clear();
        other_words.requirements[0].because.push('!');
        other_words.launch = None;
        assert_eq!(plan.fingerprint(), other_words.fingerprint());
        let mut other_packages = plan.clone();
        other_packages.requirements[0].requirement.push_str("<9");
        assert_ne!(plan.fingerprint(), other_packages.fingerprint());
    }

    #[test]
    fn extras_go_between_name_and_version() {
        assert_eq!(
            with_extras("a-b>=2", Some(&vec!["x".into(), "y".into()])),
            "a-b[x,y]>=2"
        );
        assert_eq!(with_extras("a", None), "a");
    }
}
