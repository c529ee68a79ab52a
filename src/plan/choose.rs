//! Chooses the profile: the requested one, or the best that hardware and manifest support.

use super::{
    Choice, PlanError, Rejected, Request,
    level::{Candidate, Level, Refusal},
};
use crate::{
    manifest::Manifest,
    names::{EnvName, ProfileName},
    profile::Profiles,
};

/// The error for a profile that is not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the profile `{profile}` is not available for {env}: {because}")]
pub struct Unsupported {
    /// The manifest.
    pub env: EnvName,
    /// The profile.
    pub profile: ProfileName,
    /// The reason.
    pub because: String,
    /// The best supported profile below it.
    pub instead: Option<ProfileName>,
    /// The choices that were considered.
    pub choices: Vec<Choice>,
}

/// Chooses the requested profile, or the best one that is supported.
pub(super) fn choose<'a>(
    candidate: &Candidate<'a>,
    profiles: &'a Profiles,
    request: &Request,
) -> Result<(Level<'a>, Choice), PlanError> {
    let asked = request.profile;
    let mut choice = Choice {
        what: "profile".to_owned(),
        chosen: String::new(),
        because: if asked.is_some() {
            "you asked for it".to_owned()
        } else {
            "the best that this machine and the manifest support; choose another with --profile".to_owned()
        },
        rejected: Vec::new(),
    };
    let manifest = candidate.manifest;
    if let Some(because) = candidate.refused_everywhere() {
        let profile = asked.unwrap_or(ProfileName::Cpu);
        "no profile is supported on this machine".clone_into(&mut choice.because);
        return Err(refused(manifest, profile, Refusal::from(because), choice, None));
    }
    if let Some(asked) = asked {
        let instead = manifest.instead.get(&asked);
        let name = instead.map_or(asked, |instead| instead.profile);
        if let Some(instead) = instead {
            choice.because = format!("{name} is used instead of {asked}: {}", instead.because);
        }
        choice.chosen = name.to_string();
        return match candidate.level(profiles.get(name)) {
            Ok(level) => Ok((level, choice)),
            Err(refusal) => {
                let plainer = ProfileName::ALL.into_iter().rev().filter(|plainer| *plainer < name);
                let instead = plainer
                    .filter(|plainer| candidate.level(profiles.get(*plainer)).is_ok())
                    .max();
                Err(refused(manifest, name, refusal, choice, instead))
            }
        };
    }
    let mut last = Refusal::from(format!("{} supports no profile", manifest.name));
    for name in ProfileName::ALL.into_iter().rev() {
        let level = match (manifest.instead.get(&name), request.excluded.get(&name)) {
            (Some(instead), _) => Err(Refusal::from(instead.because.clone())),
            (None, Some(because)) => Err(Refusal::from(because.clone())),
            (None, None) => candidate.known_level(profiles.get(name)),
        };
        match level.and_then(|level| serves_all(candidate, profiles, level)) {
            Ok(mut level) => {
                choice.chosen = name.to_string();
                if level.selection.is_none() {
                    let why_no_gpu = choice.rejected.last().map(|rejected| rejected.because.as_str());
                    level.warnings.extend(candidate.cpu_in_doubt(why_no_gpu));
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

/// Returns the level, unless it leaves out a GPU that a lower profile supports.
fn serves_all<'a>(candidate: &Candidate<'a>, profiles: &'a Profiles, level: Level<'a>) -> Result<Level<'a>, Refusal> {
    let left_out = |level: &Level<'_>| level.selection.as_ref().map_or(0, |selection| selection.left_out.len());
    let name = level.profile.name;
    let plainer = ProfileName::ALL
        .into_iter()
        .filter(|plainer| *plainer != ProfileName::Cpu && *plainer < name)
        .filter_map(|plainer| candidate.known_level(profiles.get(plainer)).ok())
        .find(|plainer| left_out(plainer) < left_out(&level));
    match plainer {
        Some(plainer) => {
            let more = plainer.profile.name;
            Err(Refusal::from(format!(
                "it does not use a GPU that the profile {more} supports"
            )))
        }
        None => Ok(level),
    }
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
