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

/// The environments, platforms and backends to lock.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    /// The environments.
    pub environments: Vec<WantedEnv<'a>>,
    /// The platforms.
    pub targets: Vec<Target>,
    /// The torch backends, for the GPU profiles.
    pub backends: Vec<Backend>,
    /// Whether this is the whole lab. Other entries of the lock are removed then.
    pub whole: bool,
}

impl Wanted<'_> {
    /// Returns whether an entry of the old lock stays unchanged because this run does not cover it.
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

/// An environment to lock.
#[derive(Debug, Clone)]
pub(crate) struct WantedEnv<'a> {
    /// The environment's name.
    pub env: EnvName,
    /// The environment's manifest.
    pub manifest: &'a Manifest,
    /// The profiles.
    pub profiles: Vec<ProfileName>,
    /// Packages that the lab adds.
    pub packages: Vec<String>,
}

/// The selection on the command line. Empty lists mean the values of the lab.
#[derive(Debug, Clone, Default)]
pub(crate) struct EnvSelection {
    /// Environments.
    pub envs: Vec<String>,
    /// Profiles.
    pub profiles: Vec<ProfileName>,
    /// conda subdirs.
    pub platforms: Vec<String>,
    /// torch backends.
    pub backends: Vec<Backend>,
}

/// An invalid selection of what to lock.
#[derive(Debug, thiserror::Error)]
pub enum WantedError {
    /// The lab does not have the environment, or it has no manifest.
    #[error(transparent)]
    Lab(Box<LabError>),
    /// A platform that matenv cannot lock for.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// torch has no builds for the backend.
    #[error("torch has no build `{0}`")]
    Backend(Backend),
}

impl From<LabError> for WantedError {
    fn from(error: LabError) -> Self {
        Self::Lab(Box::new(error))
    }
}

/// Returns what to lock: the whole lab, or the part that `ask` selects.
pub(crate) fn wanted<'a>(lab: &Lab, manifests: &'a Manifests, ask: &EnvSelection) -> Result<Wanted<'a>, WantedError> {
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

/// Returns the lab's platforms, or the requested ones with the lab's settings for them.
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
        lock::fixtures::entry,
        names::ProfileName::{Cpu, Gpu},
    };

    #[test]
    fn entries_that_are_not_selected_stay_unless_the_whole_lab_is_locked() {
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
