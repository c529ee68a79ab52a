//! Finds and installs the packages of an environment.
//!
//! Input: a plan and an empty prefix. Output: a [`Located`] with Python linked; [`wheels`] then installs the wheels.
//! The free disk space is checked before each part is downloaded.

use crate::{
    certificate::Certificate,
    context::{Context, event::Stage, settings::Settings, sources::SourceName},
    files::{Need, layout},
    finding::Finding,
    install::disk_space,
    lock::{Fallback, LabEntry, Lock, LockedPypi, LockedWheel, PackageKind},
    packages::{
        conda::{self, CondaError},
        pypi::{self, PypiError, ResolveRequest, Uv, UvError},
    },
    plan::Plan,
    store::{Store, StoreError},
};
use std::{collections::BTreeSet, path::Path};

use rattler_conda_types::{PrefixRecord, RepoDataRecord};

use super::{
    Clock, DiskSpaceError,
    need::{conda_need, wheels_need},
    records::read_plan_at,
};

/// An error when the packages of an environment are found or installed.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// The current generation could not be read from the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is not enough disk space.
    #[error(transparent)]
    DiskSpace(#[from] DiskSpaceError),
    /// The conda packages could not be resolved or installed.
    #[error(transparent)]
    Conda(#[from] CondaError),
    /// uv could not be found or installed.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// The wheels could not be resolved or installed.
    #[error(transparent)]
    Pypi(#[from] PypiError),
}

/// The origin of a generation's packages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packages<'a> {
    /// The lab lock.
    OfLab(&'a LabEntry),
    /// The lock of another generation, unchanged.
    Of(&'a Lock),
    /// The current generation's lock if its plan is the same, otherwise the package sources.
    Found {
        /// Whether to use the package sources in any case.
        upgrade: bool,
    },
}

/// Finds the packages of `plan` and links Python into `prefix`.
pub(super) async fn locate(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    plan: &Plan,
    packages: Packages<'_>,
    prefix: &Path,
) -> Result<Located, PackagesError> {
    let upgrade = match packages {
        Packages::OfLab(entry) => {
            ctx.events
                .note(format!("using the versions in matenv.lock: {}", entry.name));
            return from_lock(ctx, clock, prefix, entry.lock.clone()).await;
        }
        Packages::Of(lock) => return from_lock(ctx, clock, prefix, lock.clone()).await,
        Packages::Found { upgrade } => upgrade,
    };
    let kept = if upgrade { None } else { Kept::find(store, plan)? };
    match kept {
        // A fallback that was necessary then may not be necessary now.
        Some(kept) if kept.same && kept.lock.fallbacks.is_empty() => {
            ctx.events.note(kept.note);
            from_lock(ctx, clock, prefix, kept.lock).await
        }
        // An installed environment keeps the versions that still satisfy the plan.
        kept => from_sources(ctx, clock, plan, kept.as_ref().map(|kept| &kept.lock), prefix).await,
    }
}

/// The lock whose versions a new generation keeps.
struct Kept {
    lock: Lock,
    /// Whether it was made for the same plan.
    same: bool,
    note: String,
}

impl Kept {
    /// Returns the lock of the current generation, even if its other records are damaged. If it cannot be read, returns
    /// the lock of the newest generation that is proven and readable.
    fn find(store: &Store, plan: &Plan) -> Result<Option<Self>, StoreError> {
        let fingerprint = plan.fingerprint();
        let current = match store.current(&plan.env)? {
            Some(current) => Some((current.prefix, Some(current.record.plan_fingerprint))),
            // Its record is damaged, but its plan says what it was made for.
            None => store.lost(&plan.env)?.map(|lost| {
                let plan = read_plan_at(&lost.target).ok();
                (lost.target, plan.map(|plan| plan.fingerprint()))
            }),
        };
        if let Some((prefix, made_for)) = current {
            let note = "keeping the versions of the current generation".to_owned();
            if let Ok(lock) = Lock::read(&layout::records(&prefix)) {
                let same = made_for == Some(fingerprint);
                return Ok(Some(Self { lock, same, note }));
            }
            // Without a lock, the packages are found again, and only their versions are kept.
            if let Some(lock) = installed_versions(plan, &prefix) {
                let same = false;
                return Ok(Some(Self { lock, same, note }));
            }
        }
        let Some(newest) = store.newest_readable(&plan.env)? else {
            return Ok(None);
        };
        // A damaged lock is not an error: it is written again.
        let lock = Lock::read(&layout::records(&newest.prefix)).ok();
        Ok(lock.map(|lock| Self {
            lock,
            same: newest.record.plan_fingerprint == fingerprint,
            note: format!("keeping the versions of generation {}", newest.number),
        }))
    }
}

/// Returns the installed packages of a prefix whose lock cannot be read, from the records of conda and the certificate.
fn installed_versions(plan: &Plan, prefix: &Path) -> Option<Lock> {
    let certificate = Certificate::read(&plan.env, prefix).ok()?;
    let linked = PrefixRecord::collect_from_prefix::<PrefixRecord>(prefix).ok()?;
    let wheels = certificate
        .packages
        .into_iter()
        .filter(|package| package.kind == PackageKind::Pypi);
    let wheels = wheels.filter_map(|package| {
        let is_url = package.url.contains("://");
        Some(LockedWheel {
            file: package.url.rsplit('/').next().unwrap_or_default().to_owned(),
            url: is_url.then_some(package.url),
            name: package.name,
            version: package.version,
            source: SourceName::Pypi,
            sha256: package.sha256?,
            size: None,
        })
    });
    Some(Lock {
        conda: linked.into_iter().map(|record| record.repodata_record).collect(),
        pypi: LockedPypi {
            wheels: wheels.collect(),
            build: Vec::new(),
            torch_from_pypi: false,
            findings: Vec::new(),
            computed: BTreeSet::new(),
            places: std::collections::BTreeMap::new(),
        },
        backend: plan.backend.clone(),
        fallbacks: certificate.fallbacks,
    })
}

/// The packages of an environment. Python is linked into the prefix, but nothing else yet.
pub(super) struct Located {
    pub(super) lock: Lock,
    pub(super) uv: Uv,
    pub(super) findings: Vec<Finding>,
    pub(super) need: Need,
}

async fn from_lock(ctx: &Context, clock: &mut Clock, prefix: &Path, mut lock: Lock) -> Result<Located, PackagesError> {
    let mut ctx = ctx.clone();
    if lock.fallbacks.contains(&Fallback::UnhashedConda) {
        // The lock of a generation: it was allowed when that generation was installed.
        let allow_unhashed = true;
        let settings = Settings {
            allow_unhashed,
            ..(*ctx.settings).clone()
        };
        ctx.settings = settings.into();
    } else if conda::unhashed(&lock.conda).next().is_some() {
        lock.fallbacks.push(Fallback::UnhashedConda);
    }
    let ctx = &ctx;
    let conda = conda_need(ctx, &lock.conda).await;
    let wheels = wheels_need(ctx, &lock.pypi);
    disk_space::check_disk_space(ctx, conda, wheels)?;
    let findings = link(ctx, clock, prefix, &lock.conda).await?;
    let uv = Uv::find(ctx, &layout::python(prefix), true).await?;
    Ok(Located {
        lock,
        uv,
        findings,
        need: conda.plus(wheels),
    })
}

async fn from_sources(
    ctx: &Context,
    clock: &mut Clock,
    plan: &Plan,
    keep: Option<&Lock>,
    prefix: &Path,
) -> Result<Located, PackagesError> {
    let at_work = ctx.shared.exclusive.read().await;
    clock.start(Stage::Solve);
    let solved = conda::solve(ctx, plan, keep.map_or(&[], |lock| &lock.conda)).await?;
    drop(at_work);
    let mut fallbacks = Vec::new();
    let python_label = format!("python {}", solved.python);
    match &solved.host_python {
        Some(host) => {
            fallbacks.push(Fallback::HostPython);
            clock.finish(Stage::Solve, format!("{python_label} of this machine"));
            ctx.events.note(format!(
                "fallback host-python: no conda channel answered, so {} is used instead",
                host.executable.display()
            ));
        }
        None => clock.finish(
            Stage::Solve,
            format!("{python_label}, {} packages", solved.records.len()),
        ),
    }
    let conda = conda_need(ctx, &solved.records).await;
    disk_space::check_disk_space(ctx, conda, Need::default())?;
    let findings = link(ctx, clock, prefix, &solved.records).await?;
    if conda::unhashed(&solved.records).next().is_some() {
        fallbacks.push(Fallback::UnhashedConda);
    }

    let at_work = ctx.shared.exclusive.read().await;
    let uv = Uv::find(ctx, &layout::python(prefix), solved.host_python.is_none()).await?;
    clock.start(Stage::Resolve);
    let minor = minor(&solved.python);
    let request = ResolveRequest {
        keep: keep.map_or(&[], |lock| &lock.pypi.wheels),
        keep_build: keep.map_or(&[], |lock| &lock.pypi.build),
        ..ResolveRequest::for_prefix(plan, prefix, &minor, &solved.missing)
    };
    let resolved = pypi::resolve(ctx, &uv, &request).await?;
    clock.finish(
        Stage::Resolve,
        format!("{} wheels with uv {}", resolved.wheels.len(), uv.version),
    );
    drop(at_work);
    if resolved.torch_from_pypi {
        fallbacks.push(Fallback::TorchFromPypi);
        ctx.events
            .note("fallback torch-from-pypi: the torch index did not answer, so PyPI's torch is used instead");
    }
    let wheels = wheels_need(ctx, &resolved);
    // Python is installed already, so only the wheels need space.
    disk_space::check_disk_space(ctx, Need::default(), wheels)?;
    Ok(Located {
        lock: Lock {
            conda: solved.records,
            pypi: resolved,
            backend: plan.backend.clone(),
            fallbacks,
        },
        uv,
        findings,
        need: conda.plus(wheels),
    })
}

async fn link(
    ctx: &Context,
    clock: &mut Clock,
    prefix: &Path,
    records: &[RepoDataRecord],
) -> Result<Vec<Finding>, CondaError> {
    let _at_work = ctx.shared.exclusive.read().await;
    clock.start(Stage::Link);
    let linked = conda::link(ctx, prefix, records).await?;
    clock.finish(Stage::Link, describe_linked(&linked));
    Ok(linked.findings)
}

pub(super) async fn wheels(
    ctx: &Context,
    clock: &mut Clock,
    plan: &Plan,
    prefix: &Path,
    located: &Located,
) -> Result<(), PypiError> {
    let locked = &located.lock.pypi;
    ctx.events.note(located.need.describe());
    let _at_work = ctx.shared.exclusive.read().await;
    clock.start(Stage::Wheels);
    pypi::install(ctx, &located.uv, prefix, plan, locked).await?;
    clock.finish(Stage::Wheels, format!("{} wheels installed", locked.wheels.len()));
    Ok(())
}

fn describe_linked(linked: &conda::Linked) -> String {
    let noun = if linked.packages == 1 { "package" } else { "packages" };
    format!("{} conda {noun}, {} files", linked.packages, linked.files)
}

fn minor(version: &pep440_rs::Version) -> String {
    version
        .release()
        .iter()
        .take(2)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(".")
}
