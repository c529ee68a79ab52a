//! Plan: manifest x profile x hardware, all choices made, each with its reason.
//!
//! In: a [`Manifest`], a [`Profile`], [`Hardware`]. Out: a [`Plan`], or the sentence why there can be none.
//! **Invariant:** planning opens no socket and no file, so a plan for another machine is the same call.

mod cards;
mod choices;
mod level;
mod requirements;
mod select;

pub(crate) use requirements::name_of;

pub use choices::{Choice, Rejected};

use std::collections::BTreeMap;

use rattler_conda_types::subdir::Subdir;
use rattler_digest::{Sha256, compute_bytes_digest};
use serde::{Deserialize, Serialize};

use crate::{
    checkout::Checkout,
    doctor::Finding,
    hardware::{ComputeCapability, Hardware},
    manifest::{BuildException, Check, Manifest, PythonRange},
    names::{Backend, EnvName, ProfileName, typed},
    profile::Profiles,
    sources::SourceName,
};
use level::{Level, Refusal, Stand};
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
    #[error("there are no packages for `{triple}`")]
    Platform {
        /// The machine.
        triple: String,
    },
}

/// A profile that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{env} cannot have the profile `{profile}` here: {because}")]
pub struct Unsupported {
    /// The manifest.
    pub env: EnvName,
    /// The profile.
    pub profile: ProfileName,
    /// Why not.
    pub because: String,
    /// The best profile that can be had.
    pub instead: Option<ProfileName>,
    /// What was considered.
    pub choices: Vec<Choice>,
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
    };
    let (level, profile_choice) = choose(&stand, profiles, request.profile)?;
    let wheels = Wheels::of(manifest, &level, &subdir, request.source.as_ref());
    let from_scripts = request.source.as_ref().is_some_and(|source| !source.is_project());
    let checks = |checks: &[Check]| -> Vec<Check> {
        checks
            .iter()
            .filter(|check| check.profiles.is_empty() || check.profiles.contains(&level.packages))
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

/// The level that was asked for, or the best that there is.
fn choose<'a>(
    stand: &Stand<'a>,
    profiles: &'a Profiles,
    asked: Option<ProfileName>,
) -> Result<(Level<'a>, Choice), PlanError> {
    let mut choice = Choice {
        what: "profile".to_owned(),
        chosen: String::new(),
        because: if asked.is_some() {
            "you asked for it".to_owned()
        } else {
            "the best that this machine and the manifest support; name another with --profile".to_owned()
        },
        rejected: Vec::new(),
    };
    let manifest = stand.manifest;
    if let Some(because) = stand.refused_everywhere() {
        let profile = asked.unwrap_or(ProfileName::Cpu);
        return Err(refused(manifest, profile, Refusal::from(because), choice, None));
    }
    if let Some(asked) = asked {
        let instead = manifest.instead.get(&asked);
        let name = instead.map_or(asked, |instead| instead.profile);
        if let Some(instead) = instead {
            choice.because = format!("{asked} means {name} here: {}", instead.because);
        }
        choice.chosen = name.to_string();
        return match stand.level(profiles.get(name)) {
            Ok(level) => Ok((level, choice)),
            Err(refusal) => {
                let plainer = ProfileName::ALL.into_iter().rev().filter(|plainer| *plainer < name);
                let instead = plainer
                    .filter(|plainer| stand.level(profiles.get(*plainer)).is_ok())
                    .max();
                Err(refused(manifest, name, refusal, choice, instead))
            }
        };
    }
    let mut last = Refusal::from(format!("{} is made for no profile", manifest.name));
    for name in ProfileName::ALL.into_iter().rev() {
        let level = match manifest.instead.get(&name) {
            Some(instead) => Err(Refusal::from(instead.because.clone())),
            None => stand.known_level(profiles.get(name)),
        };
        match level {
            Ok(mut level) => {
                choice.chosen = name.to_string();
                if level.selection.is_none() {
                    let why_no_gpu = choice.rejected.last().map(|rejected| rejected.because.as_str());
                    level.warnings.extend(stand.cpu_in_doubt(why_no_gpu));
                }
                return Ok((level, choice));
            }
            Err(refusal) => {
                choice.rejected.push(Rejected {
                    option: name.to_string(),
                    because: refusal.because.clone(),
                });
                last = refusal;
            }
        }
    }
    Err(refused(manifest, ProfileName::Cpu, last, choice, None))
}

fn refused(
    manifest: &Manifest,
    profile: ProfileName,
    refusal: Refusal,
    choice: Choice,
    instead: Option<ProfileName>,
) -> PlanError {
    let mut choices = vec![Choice {
        chosen: profile.to_string(),
        ..choice
    }];
    if !refusal.rejected.is_empty() {
        choices.push(Choice {
            what: "backend".to_owned(),
            chosen: "none".to_owned(),
            because: refusal.because.clone(),
            rejected: refusal.rejected,
        });
    }
    PlanError::Unsupported(Box::new(Unsupported {
        env: manifest.name.clone(),
        profile,
        because: refusal.because,
        instead,
        choices,
    }))
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

    /// Whether any wheel comes from that source.
    #[must_use]
    pub fn wants(&self, source: SourceName) -> bool {
        self.requirements.iter().any(|wanted| wanted.source == source)
    }
}

/// conda's platform for a triple.
pub(crate) fn subdir(triple: &str) -> Result<Subdir, PlanError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifests;

    fn machine(triple: &str) -> Hardware {
        serde_json::from_value(serde_json::json!({ "schema": 1, "triple": triple })).expect("a hardware file")
    }

    fn planned(profile: ProfileName, triple: &str) -> Result<Plan, PlanError> {
        let manifests = Manifests::load(None).expect("sound");
        let request = Request {
            profile: Some(profile),
            ..Request::default()
        };
        let sleap = manifests.get("sleap").expect("there");
        plan(sleap, &Profiles::load().expect("sound"), &machine(triple), &request)
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
}
