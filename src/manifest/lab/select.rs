use super::{Lab, LabError};
use crate::{
    manifest::{Manifest, ManifestError, Manifests},
    names::{EnvName, ProfileName, closest},
};

/// A selected environment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selected<'a> {
    /// The name of the environment.
    pub env: EnvName,
    /// The manifest of the environment.
    pub manifest: &'a Manifest,
    /// The profile, if the lab lists exactly one for this environment.
    pub profile: Option<ProfileName>,
}

/// Returns whether `env` is the name of an environment of the lab or of a manifest.
#[must_use]
pub(crate) fn knows(lab: Option<&Lab>, manifests: &Manifests, env: &EnvName) -> bool {
    select(lab, manifests, &[env.to_string()], None).is_ok()
}

/// Selects the environments of `names`, each once, from the lab or the manifests. Without names, selects all
/// environments of the lab, or the default manifests if the lab lists none. If exactly one environment is
/// selected, `name` replaces its name.
///
/// # Errors
/// A name is unknown, or an environment of the lab names an unknown manifest.
pub(crate) fn select<'a>(
    lab: Option<&Lab>,
    manifests: &'a Manifests,
    names: &[String],
    name: Option<&EnvName>,
) -> Result<Vec<Selected<'a>>, LabError> {
    let listed = lab.map(|lab| &lab.environments);
    let names: Vec<&str> = match listed {
        Some(listed) if names.is_empty() => listed.keys().map(EnvName::as_str).collect(),
        _ => names.iter().map(String::as_str).collect(),
    };
    let mut selected: Vec<(EnvName, &Manifest)> = Vec::new();
    if names.is_empty() {
        let defaults = manifests.iter().filter(|manifest| manifest.default);
        selected.extend(defaults.map(|manifest| (manifest.name.clone(), manifest)));
    }
    for asked in names {
        let of_lab = lab.and_then(|lab| lab.environments.keys().find(|env| env.as_str() == asked).zip(Some(lab)));
        let (env, manifest) = if let Some((env, lab)) = of_lab {
            (env.clone(), manifest_of(lab, env, manifests)?)
        } else {
            let manifest = manifests.get(asked).map_err(|error| with_listed(error, lab))?;
            (manifest.name.clone(), manifest)
        };
        if selected.iter().all(|(known, _)| *known != env) {
            selected.push((env, manifest));
        }
    }
    if let ([(env, _)], Some(name)) = (selected.as_mut_slice(), name) {
        env.clone_from(name);
    }
    Ok(selected
        .into_iter()
        .map(|(env, manifest)| Selected {
            profile: match listed.and_then(|listed| listed.get(&env)?.profiles.as_deref()) {
                Some([one]) => Some(*one),
                _ => None,
            },
            env,
            manifest,
        })
        .collect())
}

fn manifest_of<'a>(lab: &Lab, env: &EnvName, manifests: &'a Manifests) -> Result<&'a Manifest, LabError> {
    let manifest = lab.environments.get(env).map_or(env, |one| &one.manifest);
    manifests.get(manifest.as_str()).map_err(|error| match error {
        ManifestError::Unknown { similar, known, .. } => LabError::NoManifest {
            path: lab.file(),
            env: env.clone(),
            manifest: manifest.clone(),
            similar,
            known,
        },
        other => other.into(),
    })
}

/// Adds the environments of the lab to the known names of the error, for its suggestion.
fn with_listed(error: ManifestError, lab: Option<&Lab>) -> ManifestError {
    let ManifestError::Unknown { asked, mut known, .. } = error else {
        return error;
    };
    let listed = lab.into_iter().flat_map(|lab| lab.environments.keys());
    known.extend(listed.map(ToString::to_string));
    known.sort();
    known.dedup();
    ManifestError::Unknown {
        similar: closest(&asked, known.iter().map(String::as_str)).map(ToOwned::to_owned),
        asked,
        known,
    }
}
