use super::{Wanted, WantedEnv};
use crate::{
    lab::{Lab, LabPlatform},
    manifest::{ManifestError, Manifests},
    names::{Backend, EnvName, ProfileName, closest},
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
    /// An environment that the lab does not have.
    #[error("the lab has no environment `{asked}`")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// The closest that there is.
        similar: Option<String>,
        /// All that there are.
        known: Vec<String>,
    },
    /// A manifest that there is not.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A platform that cannot be locked for.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// What a lab wants locked, or the part of it that is asked for.
pub fn wanted<'a>(lab: &Lab, manifests: &'a Manifests, ask: &Ask) -> Result<Wanted<'a>, WantedError> {
    let of_lab: Vec<(EnvName, String)> = if lab.environments.is_empty() {
        let defaults = manifests.iter().filter(|manifest| manifest.default);
        defaults
            .map(|manifest| (manifest.name.clone(), manifest.name.to_string()))
            .collect()
    } else {
        let named = lab.environments.iter();
        named.map(|(env, one)| (env.clone(), one.manifest.to_string())).collect()
    };
    for asked in &ask.envs {
        if of_lab.iter().all(|(env, _)| env.as_str() != asked) {
            let known = || of_lab.iter().map(|(env, _)| env.as_str());
            return Err(WantedError::Unknown {
                asked: asked.clone(),
                similar: closest(asked, known()).map(ToOwned::to_owned),
                known: known().map(ToOwned::to_owned).collect(),
            });
        }
    }
    let mut environments = Vec::new();
    for (env, manifest) in of_lab {
        if !ask.envs.is_empty() && !ask.envs.iter().any(|asked| asked == env.as_str()) {
            continue;
        }
        let manifest = manifests.get(&manifest)?;
        let of_lab = lab.environments.get(&env).and_then(|one| one.profiles.clone());
        let profiles = match of_lab {
            _ if !ask.profiles.is_empty() => ask.profiles.clone(),
            Some(profiles) => profiles,
            None => manifest.profiles.iter().copied().collect(),
        };
        environments.push(WantedEnv {
            packages: lab.packages(&env).to_vec(),
            env,
            manifest,
            profiles,
        });
    }
    Ok(Wanted {
        environments,
        targets: targets(lab, &ask.platforms)?,
        backends: if ask.backends.is_empty() {
            lab.backends.clone()
        } else {
            ask.backends.clone()
        },
    })
}

/// The lab's platforms, or those that are asked for with what the lab says of them.
pub(super) fn targets(lab: &Lab, asked: &[String]) -> Result<Vec<Target>, TargetError> {
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
