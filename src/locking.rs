//! Locking: a lab's environments, resolved for every profile, backend and platform that it asks for, on any machine.
//!
//! In: what is [`Wanted`] and the lock that there is. Out: a [`Locked`] whose versions are those of before where they still hold.
//! Absent on purpose: fallbacks, which depend on the machine, and this machine's hardware.

mod changes;
mod check;
mod holds;
mod wanted;

pub use changes::Change;
pub use check::{Unmet, check};
pub use holds::unmet;
pub use wanted::{Ask, WantedError, wanted};

use std::path::PathBuf;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use rattler_conda_types::RepoDataRecord;

use crate::{
    conda::{self, host_python},
    context::Context,
    install::{InstallError, LockedError},
    lock::{LabEntry, LabLock, Lock, LockedWheel},
    manifest::{Manifest, PythonRange},
    names::{Backend, EnvName, ProfileName, closest},
    plan::{self, Plan, PlanError},
    profile::Profiles,
    pypi::{self, ResolveRequest, Uv},
    settings::Settings,
    target::Target,
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
    fn leaves(&self, entry: &LabEntry) -> bool {
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

/// Which versions may move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// Only those that no longer hold.
    #[default]
    Nothing,
    /// Those of these packages.
    Packages(Vec<String>),
    /// All.
    Everything,
}

/// A new lock.
#[derive(Debug, Clone)]
pub struct Locked {
    /// All of it: what was asked for now, and what the old lock had besides.
    pub lock: LabLock,
    /// What differs from the old lock.
    pub changes: Vec<Change>,
    /// A line for each combination that cannot be had.
    pub left_out: Vec<String>,
}

/// One environment for one profile, backend and platform.
struct Job<'a> {
    name: String,
    target: &'a Target,
    plan: Plan,
}

impl Upgrade {
    /// Each package that is to move is somewhere in the lock.
    fn check(&self, old: &LabLock) -> Result<(), LockedError> {
        let Self::Packages(packages) = self else {
            return Ok(());
        };
        let mut known: Vec<&str> = Vec::new();
        for lock in old.entries.iter().map(|entry| &entry.lock) {
            let pypi = lock.pypi.wheels.iter().chain(&lock.pypi.build);
            known.extend(pypi.map(|wheel| wheel.name.as_str()));
            known.extend(
                lock.conda
                    .iter()
                    .map(|record| record.package_record.name.as_normalized()),
            );
        }
        match packages
            .iter()
            .find(|package| !known.iter().any(|known| plan::same_package(package, known)))
        {
            None => Ok(()),
            Some(package) => Err(LockedError::NoPackage {
                package: package.clone(),
                is_env: old.entries.iter().any(|entry| entry.env.as_str() == package),
                similar: closest(package, known).map(ToOwned::to_owned),
            }),
        }
    }

    fn moves(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Packages(packages) => packages.iter().any(|package| plan::same_package(package, name)),
        }
    }
}

/// Resolve what is `wanted`.
///
/// # Errors
/// Nothing of what is wanted can be had, or something cannot be resolved or reached.
pub async fn lock(
    ctx: &Context,
    wanted: &Wanted<'_>,
    old: &LabLock,
    upgrade: &Upgrade,
) -> Result<Locked, InstallError> {
    let ctx = &without_fallbacks(ctx);
    let (jobs, left_out) = jobs(ctx, wanted)?;
    if jobs.is_empty() {
        return Err(LockedError::Nothing.into());
    }
    upgrade.check(old)?;
    let python = interpreter(ctx).await?;
    let uv = Uv::find(ctx, &python.path, true).await?;
    // uv and the solver keep more than one core busy by themselves.
    let at_once = std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .max(2);
    let entries: Vec<LabEntry> = stream::iter(&jobs)
        .map(|job| entry(ctx, &uv, &python.path, job, old, upgrade))
        .buffered(at_once)
        .try_collect()
        .await?;
    let kept = old.entries.iter().filter(|entry| wanted.leaves(entry));
    let mut lock = LabLock {
        entries: kept.cloned().chain(entries).collect(),
    };
    lock.entries
        .sort_by(|one, other| (&one.name, &one.platform).cmp(&(&other.name, &other.platform)));
    Ok(Locked {
        changes: changes::changes(old, &lock),
        lock,
        left_out,
    })
}

/// A fallback stands for this machine, and a lock for all.
fn without_fallbacks(ctx: &Context) -> Context {
    let settings = Settings {
        host_python: false,
        torch_from_pypi: false,
        ..(*ctx.settings).clone()
    };
    Context {
        settings: settings.into(),
        ..ctx.clone()
    }
}

/// The combinations that can be had, and a line for each that cannot.
fn jobs<'a>(ctx: &Context, wanted: &'a Wanted<'_>) -> Result<(Vec<Job<'a>>, Vec<String>), InstallError> {
    let profiles = Profiles::load()?;
    let mut jobs = Vec::new();
    let mut left_out = Vec::new();
    let mut refused = None;
    for one in &wanted.environments {
        for profile in &one.profiles {
            let backends = match profile {
                ProfileName::Cpu => vec![Backend::cpu()],
                ProfileName::Gpu | ProfileName::GpuTrt => wanted.backends.clone(),
            };
            for (backend, target) in backends
                .iter()
                .flat_map(|backend| wanted.targets.iter().map(move |target| (backend, target)))
            {
                let name = LabEntry::name_of(&one.env, *profile, backend);
                match planned(ctx, one, *profile, backend, target, &profiles) {
                    Ok(plan) if plan.profile == *profile && plan.backend == *backend => {
                        jobs.push(Job { name, target, plan });
                    }
                    Ok(plan) => left_out.push(format!(
                        "{name} for {}: it would be {} on {}",
                        target.subdir, plan.profile, plan.backend
                    )),
                    Err(PlanError::Unsupported(error)) => {
                        left_out.push(format!("{name} for {}: {}", target.subdir, error.because));
                        refused = Some(PlanError::Unsupported(error));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    match refused {
        Some(error) if jobs.is_empty() => Err(error.into()),
        _ => Ok((jobs, left_out)),
    }
}

/// The plan for a machine of the target whose driver serves the backend.
pub(crate) fn planned(
    ctx: &Context,
    one: &WantedEnv<'_>,
    profile: ProfileName,
    backend: &Backend,
    target: &Target,
    profiles: &Profiles,
) -> Result<Plan, PlanError> {
    plan::plan(
        one.manifest,
        profiles,
        &target.hardware(backend),
        &plan::Request {
            profile: Some(profile),
            name: Some(one.env.clone()),
            exclude_newer: ctx.settings.exclude_newer.clone(),
            redirects: ctx.settings.sources.redirects(),
            sources: ctx.settings.sources.described(),
            source: None,
            locked: None,
            excluded: std::collections::BTreeMap::new(),
            packages: one.packages.clone(),
        },
    )
}

/// An interpreter for uv to run, and what it stands on.
#[derive(Debug)]
pub struct Interpreter {
    /// Its executable.
    pub path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Interpreter {
    /// One that is there.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, _folder: None }
    }
}

/// Any CPython of this machine, else the channel's, which is linked into a folder that is removed again.
pub async fn interpreter(ctx: &Context) -> Result<Interpreter, InstallError> {
    let any = PythonRange {
        preferred: "3.13".to_owned(),
        supported: ">=3.9".to_owned(),
    };
    if let Ok(host) = host_python::best(ctx, &any).await {
        return Ok(Interpreter::at(host.executable));
    }
    let folder = tempfile::tempdir().map_err(InstallError::Records)?;
    conda::fetch_tool(ctx, "python 3.13.*", folder.path()).await?;
    Ok(Interpreter {
        path: crate::store::layout::python(folder.path()),
        _folder: Some(folder),
    })
}

/// Resolve one combination.
async fn entry(
    ctx: &Context,
    uv: &Uv,
    python: &std::path::Path,
    job: &Job<'_>,
    old: &LabLock,
    upgrade: &Upgrade,
) -> Result<LabEntry, InstallError> {
    let subdir = job.target.subdir.as_str();
    let known = old.get(&job.name, subdir);
    let resolved = resolved(ctx, uv, python, job, known, upgrade).await;
    if resolved.is_err() {
        ctx.events.warn(format!("{} for {subdir} cannot be locked", job.name));
    }
    let (python, lock) = resolved?;
    ctx.events.note(format!(
        "{} for {subdir}: python {python}, {} packages",
        job.name,
        lock.conda.len() + lock.pypi.wheels.len()
    ));
    Ok(LabEntry {
        name: job.name.clone(),
        env: job.plan.env.clone(),
        profile: job.plan.profile,
        backend: job.plan.backend.clone(),
        platform: subdir.to_owned(),
        python,
        requirements: job.plan.requirements.iter().chain(&job.plan.bounds).cloned().collect(),
        lock,
    })
}

async fn resolved(
    ctx: &Context,
    uv: &Uv,
    python: &std::path::Path,
    job: &Job<'_>,
    known: Option<&LabEntry>,
    upgrade: &Upgrade,
) -> Result<(String, Lock), InstallError> {
    let keep: Vec<RepoDataRecord> = known
        .into_iter()
        .flat_map(|entry| &entry.lock.conda)
        .filter(|record| !upgrade.moves(record.package_record.name.as_normalized()))
        .cloned()
        .collect();
    let solved = conda::solve_for(ctx, &job.plan, job.target, &keep).await?;
    let kept = |wheels: &[LockedWheel]| -> Vec<LockedWheel> {
        let stays = wheels.iter().filter(|wheel| !upgrade.moves(&wheel.name));
        stays.cloned().collect()
    };
    let keep = known.map(|entry| kept(&entry.lock.pypi.wheels)).unwrap_or_default();
    let keep_build = known.map(|entry| kept(&entry.lock.pypi.build)).unwrap_or_default();
    let release: Vec<String> = solved
        .python
        .release()
        .iter()
        .take(2)
        .map(ToString::to_string)
        .collect();
    let request = ResolveRequest {
        plan: &job.plan,
        folder: &ctx.settings.home,
        python: python.to_owned(),
        python_version: &release.join("."),
        target: Some(job.target),
        extra: &solved.missing,
        by_conda: python_packages(&solved.records),
        keep: &keep,
        keep_build: &keep_build,
    };
    let mut pypi = pypi::resolve(ctx, uv, &request).await?;
    if let Some(known) = known.filter(|_| ctx.settings.offline) {
        // Offline nobody says which hashes the index lists.
        let computed = known.lock.pypi.computed.iter();
        pypi.computed = computed
            .filter(|file| pypi.wheels.iter().any(|wheel| wheel.file == **file))
            .cloned()
            .collect();
    }
    let lock = Lock {
        conda: solved.records,
        pypi,
        backend: job.plan.backend.clone(),
        fallbacks: Vec::new(),
    };
    Ok((solved.python.to_string(), lock))
}

/// Names and versions of what conda installs into `site-packages`.
fn python_packages(records: &[RepoDataRecord]) -> Vec<(String, String)> {
    let mut found: Vec<_> = records
        .iter()
        .map(|record| &record.package_record)
        .filter(|record| record.noarch.is_python())
        .map(|record| (record.name.as_normalized().to_owned(), record.version.to_string()))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lock::LockedPypi,
        manifest::Manifests,
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
