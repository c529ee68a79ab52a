//! The pipeline: all stages in order, from a manifest to a certificate.
//!
//! Input: a [`Request`]. Output: an [`Installed`] with its certificate. A new generation is built next to the current
//! one and becomes current only after audit, verification and benchmark, unless the request skips them. If anything
//! fails before that, the previous generation stays current.

pub(crate) mod altered;
mod batch;
mod build;
mod clock;
mod disk_space;
mod dry_run;
mod error;
mod folders;
mod generations;
mod heal;
mod history;
mod lab_lock;
mod locate;
mod machine;
mod need;
mod prove;
mod records;
pub(crate) mod relock;
mod request;
mod rollback;
mod safeguards;
mod source;
mod suspects;
mod switch_log;
mod up_to_date;

pub(crate) use batch::{InstallOutcome, dry_run_batch, install_batch, keep_supported};
pub(crate) use build::{BuildError, Recipe, build};
pub(crate) use clock::Clock;
pub(crate) use disk_space::DiskSpaceError;
pub(crate) use dry_run::{DryRun, DryRunError, dry_run};
pub(crate) use error::InstallError;
pub(crate) use folders::{FolderFacts, check_places, lock_refused};
pub(crate) use generations::{Diff, GenerationError, PinResult, diff, pin};
pub(crate) use heal::{certificate_of, damaged_records, names as record_names};
pub(crate) use history::{Entry, GenerationFacts, History, history};
pub(crate) use lab_lock::{LockMode, LockedError};
pub(crate) use locate::{Packages, PackagesError};
pub(crate) use machine::{Machine, PlatformError, check_platform};
pub(crate) use prove::{BenchOptions, Prove, ProveAgainError, ProveError, bench_again, prove, prove_again};
pub(crate) use records::{RecordsError, WriteRecordsError, read_certificate, read_lock, read_plan, read_plan_at};
pub(crate) use request::{PlanningError, Request, known_size, plan};
pub(crate) use rollback::{RollbackError, RollbackRequest, RolledBack, rollback};
pub(crate) use safeguards::SafeguardError;
pub(crate) use source::SourceError;
pub(crate) use switch_log::add_removal;

use std::collections::BTreeMap;

use crate::{
    certificate::{Certificate, Verdict},
    context::{Context, event::Stage},
    install::{lab_lock::LabLocks, safeguards::check_safeguards, up_to_date::nothing_to_do},
    manifest::Manifest,
    names::ProfileName,
    plan,
    store::{Action, Store},
    verify,
};
pub(crate) use machine::absent;
use source::{plan_from_source, prune_source, warn_about_replaced_source};

/// An installed environment.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    /// The proof of the environment, or the reasons why it did not become the current one.
    pub certificate: Certificate,
    /// Whether a new generation was built.
    pub changed: bool,
}

/// Installs `manifest`'s environment if it is not up to date. If no profile was requested and NVIDIA's index does not
/// answer, falls back to a profile without TensorRT.
pub(crate) async fn install(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Installed, InstallError> {
    let made = Box::pin(make(ctx, manifest, request)).await;
    // `torch_from_pypi` is false with `--strict`, which allows no fallback.
    if let Err(error) = &made
        && let Some(because) = error.nvidia_unreachable()
        && request.profile.is_none()
        && ctx.settings.torch_from_pypi
        && !matches!(request.lock, LockMode::Locked | LockMode::Frozen)
    {
        let because = format!("NVIDIA's index does not answer: {because}");
        ctx.events
            .warn(format!("installing {} without TensorRT: {because}", manifest.name));
        let fallback = Request {
            excluded: BTreeMap::from([(ProfileName::GpuTrt, because)]),
            ..request.clone()
        };
        return Box::pin(make(ctx, manifest, &fallback)).await;
    }
    made
}

async fn make(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Installed, InstallError> {
    if let Some(model_dir) = &request.prove.model_dir {
        // Check it first: it is needed last, and a typo should not waste an installation.
        verify::check_model_dir(model_dir, &manifest.model_files)?;
        if manifest.smoke.is_empty() {
            ctx.events.note(format!(
                "{} has no smoke tests: --model-dir has no effect",
                manifest.name
            ));
        }
    }
    check_platform(&request.machine.hardware)?;
    let mut clock = Clock::new(ctx);
    let store = Store::open(&ctx.settings)?;
    store.tidy();
    let (mut plan, source_held) = plan_from_source(ctx, &store, manifest, request).await?;
    check_safeguards(ctx, &store, &plan, request)?;
    let entry = LabLocks::read(request)?.entry(ctx, &mut plan, request.lock)?;
    let entry = entry.as_ref();
    if let Some(done) = nothing_to_do(ctx, &store, &plan, entry, request, None).await? {
        return Ok(done);
    }
    clock.finish(
        Stage::Plan,
        format!("{} for profile {}, backend {}", plan.env, plan.profile, plan.backend),
    );

    check_places(ctx).await?;
    let held = store.lock(&ctx.events, &plan.env).await?;
    // Another matenv process may have installed it while this one waited.
    if let Some(done) = nothing_to_do(ctx, &store, &plan, entry, request, Some(&held)).await? {
        return Ok(done);
    }
    warn_about_replaced_source(ctx, &store, &plan);
    let recipe = Recipe {
        plan: &plan,
        packages: request.packages(entry),
        machine: &request.machine,
        prove: &request.prove,
        // A frozen lock was not compared with the plan, so the generation may not match it.
        fingerprint: match request.lock {
            LockMode::Frozen => String::new(),
            LockMode::IfSatisfied | LockMode::Locked | LockMode::Ignored => plan.fingerprint(),
        },
        action: Action::Install,
    };
    let certificate = build(ctx, &mut clock, &store, &recipe).await?.certificate;
    let changed = certificate.verdict() == Verdict::Good;
    if changed && source_held.is_some() {
        prune_source(ctx, &store, &plan.manifest);
    }
    Ok(Installed { certificate, changed })
}
