use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PlannedRequirement, Request, level::Level, requirements::Wheels};
use crate::{context::sources::SourceName, manifest::Manifest};

/// A choice and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// The subject of the choice, such as `profile` or `backend`.
    pub what: String,
    /// The chosen option.
    pub chosen: String,
    /// The reason.
    pub because: String,
    /// The rejected options.
    pub rejected: Vec<Rejected>,
}

/// A rejected option and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// The option.
    pub option: String,
    /// The reason for the rejection.
    pub because: String,
}

/// Lists every choice of a plan with its reason.
pub(super) fn choices(
    manifest: &Manifest,
    level: &Level<'_>,
    profile: Choice,
    subdir: &str,
    request: &Request,
    wheels: &Wheels,
) -> Vec<Choice> {
    let mut choices = vec![
        profile,
        Choice {
            what: "python".to_owned(),
            chosen: manifest.python.preferred.clone(),
            because: format!("the manifest prefers it and supports {}", manifest.python.supported),
            rejected: Vec::new(),
        },
    ];
    let torch = manifest.has_torch(level.packages);
    choices.extend(backend(level, torch, subdir));
    if let Some((because, rejected)) = &level.provider_choice {
        choices.push(Choice {
            what: "execution provider".to_owned(),
            chosen: level.providers.first().map(ToString::to_string).unwrap_or_default(),
            because: because.clone(),
            rejected: vec![rejected.clone()],
        });
    }
    if torch && level.selection.is_some() && subdir.starts_with("linux") {
        choices.push(Choice {
            what: "nccl".to_owned(),
            chosen: "the version that torch's metadata pins".to_owned(),
            because: "the packages of both CUDA majors install the same file, and an older version lacks symbols"
                .to_owned(),
            rejected: Vec::new(),
        });
    }
    let requirements = &wheels.requirements;
    choices.extend(request.source.iter().map(|source| Choice {
        what: "source".to_owned(),
        chosen: source.to_string(),
        because: format!(
            "you asked for it with --source, instead of a release of {}",
            source.package
        ),
        rejected: Vec::new(),
    }));
    choices.extend(request.redirects.iter().map(|(source, replacement)| Choice {
        what: format!("source {source}"),
        chosen: replacement.to_string(),
        because: "a mirror replaces it".to_owned(),
        rejected: Vec::new(),
    }));
    let used = |name: &SourceName| match name {
        SourceName::CondaForge | SourceName::Pypi => true,
        SourceName::Torch | SourceName::Nvidia => requirements.iter().any(|wanted| wanted.source == *name),
    };
    let replaced = request
        .sources
        .iter()
        .filter(|(name, mirror)| used(name) && *mirror != "default" && !request.redirects.contains_key(name));
    choices.extend(replaced.map(|(name, mirror)| Choice {
        what: format!("source {name}"),
        chosen: mirror.clone(),
        because: "it is used instead of the default".to_owned(),
        rejected: Vec::new(),
    }));
    let listed = |what: &'static str, wanted: &PlannedRequirement| Choice {
        what: what.to_owned(),
        chosen: wanted.requirement.clone(),
        because: wanted.because.clone(),
        rejected: Vec::new(),
    };
    choices.extend(requirements.iter().map(|wanted| listed("requirement", wanted)));
    choices.extend(wheels.conda.iter().map(|wanted| listed("conda package", wanted)));
    choices.extend(wheels.bounds.iter().map(|wanted| listed("bound", wanted)));
    choices
}

/// Returns the choice of the torch backend, which includes the CUDA version.
fn backend(level: &Level<'_>, torch: bool, subdir: &str) -> Option<Choice> {
    match &level.selection {
        Some(selection) => Some(selection.choice.clone()),
        None if !torch => None,
        None => Some(Choice {
            what: "backend".to_owned(),
            chosen: "cpu".to_owned(),
            because: if subdir.starts_with("osx") {
                "macOS has one build of torch, which uses the Apple GPU through mps".to_owned()
            } else {
                format!("the profile {} uses torch without GPU code", level.profile.name)
            },
            rejected: Vec::new(),
        }),
    }
}
