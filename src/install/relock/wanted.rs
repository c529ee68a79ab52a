use crate::{
    hardware::target::{Target, TargetError},
    lock::LabEntry,
    manifest::{
        Manifest, Manifests,
        lab::{self, Lab, LabError, LabPlatform},
    },
    names::{Backend, EnvName, ProfileName},
    profile::stack::Backends,
};

/// What is to be locked.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The environments.
    pub environments: Vec<WantedEnv<'a>>,
    /// The platforms.
    pub targets: Vec<Target>,
    /// torch's backends, for the GPU profiles.
    pub backends: Vec<Backend>,
    /// It is all that the lab wants: what else the lock has is dropped.
    pub whole: bool,
}

impl Wanted<'_> {
    /// Whether an entry of the old lock stays as it is: it is not asked for in this run, and this run is not for all.
    pub(super) fn leaves(&self, entry: &LabEntry) -> bool {
        let env = |one: &WantedEnv<'_>| one.env == entry.env && one.profiles.contains(&entry.profile);
        let asked = self.environments.iter().any(env)
            && self
                .targets
                .iter()
                .any(|target| target.subdir.as_str() == entry.platform)
            && (entry.backend.is_cpu() || self.backends.contains(&entry.backend));
        !self.whole && !asked
    }
}

/// An environment that is to be locked.
#[derive(Debug, Clone)]
pub struct WantedEnv<'a> {
    /// Its name.
    pub env: EnvName,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// The profiles.
    pub profiles: Vec<ProfileName>,
    /// Packages that the lab adds.
    pub packages: Vec<String>,
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lock::{Lock, LockedPypi},
        names::ProfileName::{Cpu, Gpu},
    };

    fn entry(env: &str, profile: ProfileName, backend: &str, platform: &str) -> LabEntry {
        let (env, backend): (EnvName, Backend) = (env.parse().expect("a name"), backend.parse().expect("a backend"));
        LabEntry {
            name: LabEntry::name_of(&env, profile, &backend),
            env,
            profile,
            backend: backend.clone(),
            platform: platform.to_owned(),
            python: "3.13.1".to_owned(),
            requirements: Vec::new(),
            lock: Lock {
                conda: Vec::new(),
                pypi: LockedPypi {
                    wheels: Vec::new(),
                    build: Vec::new(),
                    torch_from_pypi: false,
                    findings: Vec::new(),
                    computed: std::collections::BTreeSet::new(),
                },
                backend,
                fallbacks: Vec::new(),
            },
        }
    }

    #[test]
    fn what_is_not_asked_for_stays_unless_all_is_asked_for() {
        let manifests = Manifests::load(None).expect("sound");
        let mut wanted = Wanted {
            environments: vec![WantedEnv {
                env: "sleap".parse().expect("a name"),
                manifest: manifests.get("sleap").expect("there"),
                profiles: vec![Gpu],
                packages: Vec::new(),
            }],
            targets: vec![Target::new("linux-64", None, None, None).expect("a target")],
            backends: vec!["cu128".parse().expect("a backend")],
            whole: false,
        };
        let old = [
            (entry("sleap", Gpu, "cu128", "linux-64"), false),
            (entry("sleap", Gpu, "cu130", "linux-64"), true),
            (entry("sleap", Gpu, "cu128", "win-64"), true),
            (entry("sleap", Cpu, "cpu", "linux-64"), true),
            (entry("runtime", Gpu, "cu128", "linux-64"), true),
        ];
        for (entry, stays) in &old {
            assert_eq!(wanted.leaves(entry), *stays, "{} {}", entry.name, entry.platform);
        }
        wanted.whole = true;
        assert!(old.iter().all(|(entry, _)| !wanted.leaves(entry)));
    }
}
