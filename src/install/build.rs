//! Builds a generation from a recipe, proves it, and makes it the current one if it is good.
//!
//! Input: a [`Recipe`]; the environment must be locked. Output: a [`Built`]. If its verdict is not good, the new
//! generation is removed and the current one stays as it was. This module does not decide whether a build is needed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Clock, Machine, Prove, ProveError, WriteRecordsError, altered,
    locate::{Located, Packages, PackagesError, locate, wheels},
    machine::absent,
    prove::{audit_prefix, prove_audited},
    records::write_records,
    suspects::{doubtful, is_doubtful_conda, published},
    switch_log,
};
use crate::{
    audit::{Audit, Depth, Published, Subject},
    certificate::{Certificate, CertificateError, ChosenPlan, Package, Verdict},
    context::{Context, event::Stage, user_name},
    finding::{Code, Finding, Scope, Severity},
    install::altered::Altered,
    lock::Lock,
    names::causes::chain,
    packages::{
        preload::{self, PreloadError},
        pypi::PypiError,
    },
    plan::Plan,
    store::{
        Action, Event, GenerationId, GenerationRecord, Known, Size, Staged, Store, StoreError,
        conda_link::{self, CondaLink},
    },
    verify::Verification,
};

/// An error when a generation is built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The packages could not be found or installed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// The hook that loads CUDA's libraries could not be installed.
    #[error(transparent)]
    Preload(#[from] PreloadError),
    /// The generation's records could not be written.
    #[error(transparent)]
    WriteRecords(#[from] WriteRecordsError),
    /// The generation could not be proven.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The certificate could not be written.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// The input of a build.
pub(crate) struct Recipe<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) packages: Packages<'a>,
    pub(crate) machine: &'a Machine,
    pub(crate) prove: &'a Prove,
    /// The plan fingerprint that the next run compares its plan with.
    pub(crate) fingerprint: String,
    /// The reason for the build, for the history.
    pub(crate) action: Action,
}

/// The result of a build.
pub(crate) struct Built {
    /// The proof of the new generation, or the reasons why it did not become the current one.
    pub(crate) certificate: Certificate,
    /// Wheels that were modified in uv's cache and were downloaded again.
    pub(crate) dropped: Vec<Altered>,
}

/// Builds a generation and makes it the current one if it is good.
pub(crate) async fn build(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    recipe: &Recipe<'_>,
) -> Result<Built, BuildError> {
    let mut dropped = None;
    let (staged, mut certificate) = loop {
        let staged = store.stage(&recipe.plan.env)?;
        match Box::pin(attempt(ctx, clock, store, &staged, recipe, &mut dropped)).await {
            Ok(Some(certificate)) => break (staged, certificate),
            // The cache contained modified files. They are removed from it, so try again.
            Ok(None) => staged.remove(),
            Err(error) => {
                staged.remove();
                return Err(error);
            }
        }
    };
    if certificate.verdict() == Verdict::Good {
        let _at_work = ctx.shared.exclusive.read().await;
        switch(ctx, clock, store, staged, recipe, &mut certificate)?;
    } else {
        certificate.timings = clock.timings();
        staged.remove();
    }
    Ok(Built {
        certificate,
        dropped: dropped.unwrap_or_default(),
    })
}

/// Installs all packages into a staged generation and proves it, checking the content of each file. Returns `None` if
/// the build has to be repeated because uv's cache contained modified files, which are now `dropped` from it.
async fn attempt(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    staged: &Staged,
    recipe: &Recipe<'_>,
    dropped: &mut Option<Vec<Altered>>,
) -> Result<Option<Certificate>, BuildError> {
    let Recipe { plan, prove, .. } = *recipe;
    let located = locate(ctx, clock, store, plan, recipe.packages, &staged.prefix).await?;
    if let Err(error) = wheels(ctx, clock, plan, &staged.prefix, &located).await {
        return again_after(ctx, error, &located, dropped).await.map(|()| None);
    }
    finish_files(ctx, plan, &located.lock, &staged.prefix)?;
    let mut audit = None;
    if prove.probes {
        let mut seen = audit_prefix(ctx, clock, plan, &staged.prefix, Depth::Content).await?;
        if !seen.suspects.is_empty() {
            let wheels = &located.lock.pypi.wheels;
            if dropped.is_none() {
                let found = altered::remove_altered(ctx, &located.uv, &doubtful(ctx, &seen, wheels))
                    .await
                    .map_err(PackagesError::from)?;
                let again = !found.is_empty() || is_doubtful_conda(ctx, &seen, &located.lock.conda);
                *dropped = Some(found);
                if again {
                    return Ok(None);
                }
            }
            let fetched: Vec<&str> = dropped.iter().flatten().map(|one| one.name.as_str()).collect();
            let published = published(ctx, &seen, &located.lock, &fetched);
            if !published.is_empty() {
                Published::write(&published, &staged.prefix).map_err(WriteRecordsError::Write)?;
                seen = audit_prefix(ctx, clock, plan, &staged.prefix, Depth::Content).await?;
            }
        }
        audit = Some(seen);
    }
    let mut certificate = certificate(ctx, staged, recipe, located);
    let absent = absent(&ctx.settings, recipe.machine.cross, plan);
    let proof = prove_audited(ctx, clock, plan, &staged.prefix, prove, absent, audit).await?;
    proof.enter(&mut certificate);
    if prove.probes {
        let _at_work = ctx.shared.exclusive.read().await;
        certificate.size = Some(Size::measure(&staged.prefix));
    }
    Ok(Some(certificate))
}

/// Returns whether the wheels may install in a second attempt, into a new prefix: because uv downloads them then, or
/// because damaged files were removed from its cache. Otherwise returns the error of the first attempt.
async fn again_after(
    ctx: &Context,
    error: PypiError,
    located: &Located,
    dropped: &mut Option<Vec<Altered>>,
) -> Result<(), BuildError> {
    if matches!(error, PypiError::NotCached) {
        return Ok(());
    }
    if dropped.is_none() && error.may_be_the_cache() {
        let found = altered::remove_altered(ctx, &located.uv, &located.lock.pypi.wheels)
            .await
            .map_err(PackagesError::from)?;
        let again = !found.is_empty();
        *dropped = Some(found);
        if again {
            return Ok(());
        }
    }
    Err(PackagesError::from(error).into())
}

/// Writes the files of matenv into a prefix that contains all packages.
fn finish_files(ctx: &Context, plan: &Plan, lock: &Lock, prefix: &Path) -> Result<(), BuildError> {
    preload::install(prefix, &Subject::from_plan(plan).libraries)?;
    write_records(plan, lock, prefix)?;
    conda_link::write_conda_files(&ctx.settings, prefix, &plan.env)?;
    Ok(())
}

/// Creates the certificate of a generation before it is proven.
fn certificate(ctx: &Context, staged: &Staged, recipe: &Recipe<'_>, located: Located) -> Certificate {
    let Located { lock, findings, .. } = located;
    let mut certificate = unproven(
        ctx,
        recipe.plan,
        recipe.machine,
        &lock,
        staged.number,
        &staged.prefix,
        jiff::Timestamp::now().to_string(),
    );
    certificate.audit.findings.splice(0..0, findings);
    certificate
}

/// Returns the certificate of a generation that is not proven.
pub(super) fn unproven(
    ctx: &Context,
    plan: &Plan,
    machine: &Machine,
    lock: &Lock,
    number: u64,
    prefix: &Path,
    created: String,
) -> Certificate {
    let findings = lock.pypi.findings.iter().chain(&plan.warnings).cloned();
    Certificate {
        schema: 1,
        matenv: env!("CARGO_PKG_VERSION").to_owned(),
        ok: false,
        proven: false,
        cross: machine.cross,
        env: plan.env.clone(),
        manifest: plan.manifest.clone(),
        profile: plan.profile,
        backend: plan.backend.clone(),
        generation: number,
        prefix: prefix.to_owned(),
        created,
        hardware: machine.hardware.clone(),
        sources: ctx.settings.sources.described(),
        fallbacks: lock.fallbacks.clone(),
        plan: ChosenPlan {
            choices: plan.choices.clone(),
        },
        launch: plan.launch.clone(),
        source: plan.source.clone(),
        packages: Package::of_lock(plan, lock),
        size: None,
        audit: Audit {
            findings: findings.collect(),
            suspects: Vec::new(),
        },
        verification: Verification::default(),
        bench: None,
        timings: Vec::new(),
    }
}

/// Makes a proven generation the current one.
fn switch(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    staged: Staged,
    recipe: &Recipe<'_>,
    certificate: &mut Certificate,
) -> Result<(), BuildError> {
    clock.start(Stage::Switch);
    let plan = recipe.plan;
    let prefix = staged.prefix.clone();
    let record = GenerationRecord {
        schema: 1,
        env: plan.env.clone(),
        manifest: plan.manifest.clone(),
        profile: plan.profile,
        number: staged.number,
        plan_fingerprint: recipe.fingerprint.clone(),
        created: certificate.created.clone(),
        prefix: Some(prefix.clone()),
        proven: certificate.proven,
        ok: certificate.ok,
        cross: certificate.cross,
        replaced: None,
        digests: BTreeMap::new(),
        created_by: user_name(&ctx.settings),
        made_with: made_with(certificate),
    };
    certificate.timings = clock.timings();
    certificate.write(&prefix)?;
    let before = switch_log::leave(ctx, store, &plan.env, &plan.settings);
    switch_log::save_settings(ctx, &plan.env, &prefix, &plan.settings);
    let committed = store.commit(staged, &record)?;
    create_conda_link(ctx, certificate);
    let changes = switch_log::changes(before.as_ref(), &prefix);
    // The generation is current now. Problems from here on do not undo that, so they are only warnings.
    let pruned = store.prune(&plan.env).unwrap_or_else(|error| {
        ctx.events
            .warn(format!("failed to remove old generations: {}", chain(&error)));
        Vec::new()
    });
    let removed = pruned
        .iter()
        .filter_map(|prefix| GenerationId::of_folder(&plan.env, prefix));
    let event = Event {
        generation: Some(GenerationId::from(&committed)),
        before,
        removed: removed.collect(),
        changes,
        ..Event::now(recipe.action, None)
    };
    switch_log::add(ctx, store, &plan.env, event);
    clock.finish(Stage::Switch, describe_switch(certificate.generation, &pruned));
    certificate.timings = clock.timings();
    if let Err(error) = certificate.write(&prefix) {
        let because = chain(&error);
        ctx.events
            .warn(format!("failed to add the last timing to the certificate: {because}"));
    }
    Ok(())
}

/// Returns the warnings that the locked packages themselves cause.
fn made_with(certificate: &Certificate) -> Vec<Known> {
    let seen = certificate.audit.findings.iter();
    let lasting = seen.filter(|finding| finding.scope == Scope::Environment && finding.severity == Severity::Warning);
    let known = lasting.map(|finding| Known {
        code: finding.code.to_string(),
        message: finding.message.clone(),
    });
    known.collect()
}

/// Creates the conda link. A failure is only a warning, because the environment itself is complete.
pub(super) fn create_conda_link(ctx: &Context, certificate: &mut Certificate) {
    let findings = &mut certificate.audit.findings;
    // An earlier conflict may be resolved by now.
    findings.retain(|finding| finding.code != Code::CondaNameTaken);
    match conda_link::create_conda_link(&ctx.settings, &certificate.manifest, &certificate.env) {
        Ok(CondaLink::Created(_) | CondaLink::Kept(_)) => {}
        Ok(CondaLink::NameTaken(finding) | CondaLink::Shadowed { finding, .. }) => findings.push(*finding),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let message = format!("{error}: {}", source.unwrap_or_default());
            findings.push(Finding::new(
                Code::CondaNameTaken,
                Severity::Warning,
                Scope::Host,
                message,
            ));
        }
    }
}

fn describe_switch(number: u64, pruned: &[PathBuf]) -> String {
    match pruned.len() {
        0 => format!("generation {number} is current"),
        1 => format!("generation {number} is current, 1 old generation removed"),
        more => format!("generation {number} is current, {more} old generations removed"),
    }
}
