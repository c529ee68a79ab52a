//! Resolves one combination: first the conda packages, then the wheels.

use rattler_conda_types::RepoDataRecord;

use super::{RelockError, Upgrade, jobs::Job};
use crate::{
    context::Context,
    lock::{LabEntry, LabLock, Lock, LockedWheel},
    packages::{
        conda,
        pypi::{self, ResolveRequest, Uv},
    },
};

/// Resolves one combination into an entry of the lock.
pub(super) async fn entry(
    ctx: &Context,
    uv: &Uv,
    python: &std::path::Path,
    job: &Job<'_>,
    old: &LabLock,
    upgrade: &Upgrade,
) -> Result<LabEntry, RelockError> {
    let subdir = job.target.subdir.as_str();
    let known = old.get(&job.name, subdir);
    let resolved = resolved(ctx, uv, python, job, known, upgrade).await;
    if resolved.is_err() {
        ctx.events.warn(format!("failed to lock {} for {subdir}", job.name));
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
) -> Result<(String, Lock), RelockError> {
    let keep: Vec<RepoDataRecord> = known
        .into_iter()
        .flat_map(|entry| &entry.lock.conda)
        .filter(|record| !upgrade.moves(record.package_record.name.as_normalized()))
        .cloned()
        .collect();
    let solved = conda::solve_for(ctx, &job.plan, job.target, &keep).await?;
    conda::check_hashes(ctx, &solved.records)?;
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
        // Offline it is unknown which hashes the index lists, so take that from the old lock.
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

/// Returns the names and versions of the packages that conda installs into `site-packages`.
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
