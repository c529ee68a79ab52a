use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PlannedRequirement, Request};
use crate::{manifest::Manifest, names::Backend, profile::Profile, sources::SourceName};

/// A choice that was made, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// What was to be chosen.
    pub what: String,
    /// What was chosen.
    pub chosen: String,
    /// Why.
    pub because: String,
    /// What was not.
    pub rejected: Vec<Rejected>,
}

/// An option that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// The option.
    pub option: String,
    /// Why not.
    pub because: String,
}

/// Every choice of a plan with its reason.
pub(super) fn choices(
    manifest: &Manifest,
    profile: &Profile,
    backend: &Backend,
    request: &Request,
    requirements: &[PlannedRequirement],
) -> Vec<Choice> {
    let mut choices = vec![
        Choice {
            what: "profile".to_owned(),
            chosen: profile.name.to_string(),
            because: if request.profile_named {
                "you asked for it".to_owned()
            } else {
                "it runs on every machine; name another with --profile".to_owned()
            },
            rejected: Vec::new(),
        },
        Choice {
            what: "python".to_owned(),
            chosen: manifest.python.preferred.clone(),
            because: format!("the manifest prefers it and supports {}", manifest.python.supported),
            rejected: Vec::new(),
        },
    ];
    if requirements.iter().any(|wanted| wanted.source == SourceName::Torch) {
        choices.push(Choice {
            what: "backend".to_owned(),
            chosen: backend.to_string(),
            because: format!("the profile {} takes torch without GPU code", profile.name),
            rejected: Vec::new(),
        });
    }
    choices.extend(request.source.iter().map(|source| Choice {
        what: "source".to_owned(),
        chosen: source.to_string(),
        because: format!(
            "you asked for it with --source, instead of a release of {}",
            source.package
        ),
        rejected: Vec::new(),
    }));
    choices.extend(request.redirects.iter().map(|(source, stand_in)| Choice {
        what: format!("source {source}"),
        chosen: stand_in.to_string(),
        because: "a mirror names it".to_owned(),
        rejected: Vec::new(),
    }));
    let used = |name: &SourceName| match name {
        SourceName::CondaForge | SourceName::Pypi => true,
        SourceName::Torch | SourceName::Nvidia => requirements.iter().any(|wanted| wanted.source == *name),
    };
    let replaced = request
        .sources
        .iter()
        .filter(|(name, words)| used(name) && *words != "default" && !request.redirects.contains_key(name));
    choices.extend(replaced.map(|(name, words)| Choice {
        what: format!("source {name}"),
        chosen: words.clone(),
        because: "it is asked instead of the default".to_owned(),
        rejected: Vec::new(),
    }));
    choices.extend(requirements.iter().map(|wanted| Choice {
        what: "requirement".to_owned(),
        chosen: wanted.requirement.clone(),
        because: wanted.because.clone(),
        rejected: Vec::new(),
    }));
    choices
}
