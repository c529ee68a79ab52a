use super::{Wanted, WantedEnv};
use crate::{
    lab::{self, Lab, LabError, LabPlatform},
    manifest::Manifests,
    names::{Backend, ProfileName},
    stack::Backends,
    target::{Target, TargetError},
};

/// What is named on the command line; what is not is the lab's.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Environments.
    pub envs: Vec<String>,
    /// Profiles.
    pub profiles: Vec<ProfileName>,
    /// conda subdirs.
    pub platforms: Vec<String>,
    /// torch's backends.
    pub backends: Vec<Backend>,
}

/// Why it cannot be told what is to be locked.
#[derive(Debug, thiserror::Error)]
pub enum WantedError {
    /// An environment that the lab does not have, or one without a manifest.
    #[error(transparent)]
    Lab(Box<LabError>),
    /// A platform that cannot be locked for.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A backend that torch has no builds for.
    #[error("torch has no build `{0}`")]
    Backend(Backend),
}

impl From<LabError> for WantedError {
    fn from(error: LabError) -> Self {
        Self::Lab(Box::new(error))
    }
}

/// What a lab wants locked, or the part of it that is asked for.
pub fn wanted<'a>(lab: &Lab, manifests: &'a Manifests, ask: &Ask) -> Result<Wanted<'a>, WantedError> {
    if let Some(odd) = ask
        .backends
        .iter()
        .find(|backend| Backends::table().get(backend).is_none())
    {
        return Err(WantedError::Backend(odd.clone()));
    }
    let selected = lab::select(Some(lab), manifests, &ask.envs, None)?;
    let environments = selected
        .into_iter()
        .map(|one| {
            let of_lab = lab.environments.get(&one.env).and_then(|env| env.profiles.clone());
            let profiles = match of_lab {
                _ if !ask.profiles.is_empty() => ask.profiles.clone(),
                Some(profiles) => profiles,
                None => one.manifest.profiles.iter().copied().collect(),
            };
            WantedEnv {
                packages: lab.packages(&one.env).to_vec(),
                env: one.env,
                manifest: one.manifest,
                profiles,
            }
        })
        .collect();
    Ok(Wanted {
        environments,
        whole: ask.envs.is_empty() && ask.profiles.is_empty() && ask.platforms.is_empty() && ask.backends.is_empty(),
        targets: targets(lab, &ask.platforms)?,
        backends: if ask.backends.is_empty() {
            lab.backends.clone()
        } else {
            ask.backends.clone()
        },
    })
}

/// The lab's platforms, or those that are asked for with what the lab says of them.
fn targets(lab: &Lab, asked: &[String]) -> Result<Vec<Target>, TargetError> {
    let target = |one: &LabPlatform| {
        Target::new(
            &one.platform,
            one.glibc.as_deref(),
            one.macos.as_deref(),
            one.cuda.as_deref(),
        )
    };
    if asked.is_empty() {
        return lab.platforms.iter().map(target).collect();
    }
    asked
        .iter()
        .map(|name| match lab.platforms.iter().find(|one| one.platform == *name) {
            Some(one) => target(one),
            None => Target::new(name, None, None, None),
        })
        .collect()
}
