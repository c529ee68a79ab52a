//! Building: a generation is filled with what a recipe names, proven, and made the current one if it is good.
//!
//! In: a [`Recipe`], and the environment held. Out: a [`Built`]; unless its verdict is good, nothing is left of it and the current
//! generation stays as it was. Absent on purpose: what is asked for, and whether anything has to be built.

use std::path::PathBuf;

use super::{
    Clock, InstallError, Machine, Prove,
    locate::{Located, Packages, locate, wheels},
    machine::absent,
    prove::{look, prove_audited},
    records::keep_records,
};
use crate::{
    audit::{Audit, Depth, Published, Subject},
    certificate::{Certificate, ChosenPlan, Package, Verdict},
    context::{Context, event::Stage},
    finding::{Code, Finding, Scope, Severity},
    install::altered::Altered,
    lock::{Lock, LockedWheel},
    names::causes::chain,
    packages::preload,
    plan::Plan,
    store::{
        GenerationRecord, Known, Size, Staged, Store,
        door::{self, Door},
    },
    verify::Verification,
};

/// What a generation is built from.
pub(crate) struct Recipe<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) packages: Packages<'a>,
    pub(crate) machine: &'a Machine,
    pub(crate) prove: &'a Prove,
    /// What the next run compares its plan with.
    pub(crate) fingerprint: String,
}

/// What came of it.
pub(crate) struct Built {
    /// The proof of the new generation, or why it did not become the current one.
    pub(crate) certificate: Certificate,
    /// Wheels that were changed in uv's cache, and were fetched again.
    pub(crate) dropped: Vec<Altered>,
}

/// Build a generation, and make it the current one if it is good.
pub(crate) async fn build(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    recipe: &Recipe<'_>,
) -> Result<Built, InstallError> {
    let mut dropped = None;
    let (staged, mut certificate) = loop {
        let staged = store.stage(&recipe.plan.env)?;
        match attempt(ctx, clock, store, &staged, recipe, &mut dropped).await {
            Ok(Some(certificate)) => break (staged, certificate),
            // The cache handed on changed files, and holds none any more.
            Ok(None) => staged.remove(),
            Err(error) => {
                staged.remove();
                return Err(error);
            }
        }
    };
    if certificate.verdict() == Verdict::Good {
        let _at_work = ctx.shared.machine.read().await;
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

/// Fill a staged generation and prove it, each file by its content; `None` if it has to be filled once more, because the changed
/// files in it came from uv's cache and were `dropped` from there.
async fn attempt(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    staged: &Staged,
    recipe: &Recipe<'_>,
    dropped: &mut Option<Vec<Altered>>,
) -> Result<Option<Certificate>, InstallError> {
    let Recipe { plan, prove, .. } = *recipe;
    let located = fill(ctx, clock, store, staged, recipe).await?;
    let mut audit = None;
    if prove.probes {
        let mut seen = look(ctx, clock, plan, &staged.prefix, Depth::Content).await?;
        if !seen.suspects.is_empty() {
            let wheels = &located.lock.pypi.wheels;
            if dropped.is_none() {
                let found =
                    crate::install::altered::drop_altered(ctx, &located.uv, &in_doubt(ctx, &seen, wheels)).await?;
                let again = !found.is_empty();
                *dropped = Some(found);
                if again {
                    return Ok(None);
                }
            }
            let fetched: Vec<&str> = dropped.iter().flatten().map(|one| one.name.as_str()).collect();
            let published = published(ctx, &seen, wheels, &fetched);
            if !published.is_empty() {
                Published::write(&published, &staged.prefix).map_err(InstallError::Records)?;
                seen = look(ctx, clock, plan, &staged.prefix, Depth::Content).await?;
            }
        }
        audit = Some(seen);
    }
    let mut certificate = certificate(ctx, staged, recipe, located);
    let absent = absent(&ctx.settings, recipe.machine.cross, plan);
    let proof = prove_audited(ctx, clock, plan, &staged.prefix, prove, absent, audit).await?;
    proof.enter(&mut certificate);
    if prove.probes {
        let _at_work = ctx.shared.machine.read().await;
        certificate.size = Some(Size::of(&staged.prefix));
    }
    Ok(Some(certificate))
}

/// The wheels some of whose files are not as they were recorded, nor known to be published so.
fn in_doubt(ctx: &Context, audit: &Audit, wheels: &[LockedWheel]) -> Vec<LockedWheel> {
    let is_in_doubt = |wheel: &&LockedWheel| {
        let mut suspects = of_wheel(audit, wheel);
        let known = crate::install::altered::published_so(ctx, wheel);
        suspects.any(|there| !known.contains(there))
    };
    wheels.iter().filter(is_in_doubt).cloned().collect()
}

/// What was unpacked from a checked archive a moment ago is what was published, whatever the record in it says. rattler has read
/// the conda packages' files; of wheels what was `fetched` in this run counts, and what an earlier one wrote down.
fn published(ctx: &Context, audit: &Audit, wheels: &[LockedWheel], fetched: &[&str]) -> Vec<Published> {
    let of_conda = audit
        .suspects
        .iter()
        .filter(|one| one.conda)
        .map(|one| one.there.clone());
    let mut published: Vec<Published> = of_conda.collect();
    for wheel in wheels {
        if fetched.contains(&crate::install::altered::normal(&wheel.name).as_str()) {
            let files: Vec<Published> = of_wheel(audit, wheel).cloned().collect();
            crate::install::altered::note_published_so(ctx, wheel, &files);
            published.extend(files);
        } else {
            let known = crate::install::altered::published_so(ctx, wheel);
            published.extend(of_wheel(audit, wheel).filter(|there| known.contains(there)).cloned());
        }
    }
    published
}

/// The files of a wheel that are not as they were recorded.
fn of_wheel<'a>(audit: &'a Audit, wheel: &LockedWheel) -> impl Iterator<Item = &'a Published> + use<'a> {
    let name = crate::install::altered::normal(&wheel.name);
    let suspects = audit
        .suspects
        .iter()
        .filter(move |one| !one.conda && one.package == name);
    suspects.map(|one| &one.there)
}

/// Link and install all that the recipe names.
async fn fill(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    staged: &Staged,
    recipe: &Recipe<'_>,
) -> Result<Located, InstallError> {
    let (plan, prefix) = (recipe.plan, &staged.prefix);
    let located = locate(ctx, clock, store, plan, recipe.packages, prefix).await?;
    wheels(ctx, clock, plan, prefix, &located).await?;
    preload::install(prefix, &Subject::of_plan(plan).libraries)?;
    keep_records(plan, &located.lock, prefix)?;
    door::furnish(&ctx.settings, prefix, &plan.env)?;
    Ok(located)
}

/// All that is known of a generation before it is proven.
fn certificate(ctx: &Context, staged: &Staged, recipe: &Recipe<'_>, located: Located) -> Certificate {
    let Recipe { plan, machine, .. } = *recipe;
    let Located { lock, mut findings, .. } = located;
    findings.extend(lock.pypi.findings.iter().chain(&plan.warnings).cloned());
    let packages = Package::of_lock(plan, &lock);
    let Lock { fallbacks, .. } = lock;
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
        generation: staged.number,
        prefix: staged.prefix.clone(),
        created: jiff::Timestamp::now().to_string(),
        hardware: machine.hardware.clone(),
        sources: ctx.settings.sources.described(),
        fallbacks,
        plan: ChosenPlan {
            choices: plan.choices.clone(),
        },
        launch: plan.launch.clone(),
        source: plan.source.clone(),
        packages,
        size: None,
        audit: Audit {
            findings,
            suspects: Vec::new(),
        },
        verification: Verification::default(),
        bench: None,
        timings: Vec::new(),
    }
}

/// Make a proven generation the current one.
fn switch(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    staged: Staged,
    recipe: &Recipe<'_>,
    certificate: &mut Certificate,
) -> Result<(), InstallError> {
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
        proven: certificate.proven,
        ok: certificate.ok,
        cross: certificate.cross,
        made_with: made_with(certificate),
    };
    certificate.timings = clock.timings();
    certificate.write(&prefix)?;
    store.commit(staged, &record)?;
    open_door(ctx, certificate);
    // It is the current one: what goes wrong from here on does not undo that, so it is no error.
    let pruned = store.prune(&plan.env).unwrap_or_else(|error| {
        ctx.events.warn(format!("old generations stay: {}", chain(&error)));
        Vec::new()
    });
    clock.finish(Stage::Switch, switch_words(certificate.generation, &pruned));
    certificate.timings = clock.timings();
    if let Err(error) = certificate.write(&prefix) {
        let words = chain(&error);
        ctx.events.warn(format!("the certificate lacks its last line: {words}"));
    }
    Ok(())
}

/// What is less than good in its files though they are what was locked.
fn made_with(certificate: &Certificate) -> Vec<Known> {
    let seen = certificate.audit.findings.iter();
    let lasting = seen.filter(|finding| finding.scope == Scope::Environment && finding.severity == Severity::Warning);
    let known = lasting.map(|finding| Known {
        code: finding.code.to_string(),
        message: finding.message.clone(),
    });
    known.collect()
}

/// Let conda find the environment. That it cannot is worth a warning; the environment is whole all the same.
pub(super) fn open_door(ctx: &Context, certificate: &mut Certificate) {
    let findings = &mut certificate.audit.findings;
    // What was in the way last time may be gone.
    findings.retain(|finding| finding.code != Code::CondaNameTaken);
    match door::open_door(&ctx.settings, &certificate.manifest, &certificate.env) {
        Ok(Door::Made(_) | Door::Kept(_)) => {}
        Ok(Door::Taken(finding) | Door::Shadowed { finding, .. }) => findings.push(*finding),
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

fn switch_words(number: u64, pruned: &[PathBuf]) -> String {
    match pruned.len() {
        0 => format!("generation {number} is current"),
        1 => format!("generation {number} is current, 1 old one removed"),
        more => format!("generation {number} is current, {more} old ones removed"),
    }
}
