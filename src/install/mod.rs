//! The pipeline: the stages in order, from a manifest to a certificate.
//!
//! In: what is asked for. Out: an [`Installed`] with its certificate. A generation is built beside the current one
//! and becomes current only after audit, verification and benchmark; whatever goes wrong before leaves the old one.

pub(crate) mod altered;
mod build;
mod clock;
mod done;
mod error;
mod locate;
mod locked;
mod machine;
mod many;
mod meant;
mod need;
mod places;
mod prove;
mod records;
mod rehearse;
pub mod relock;
mod room;
mod source;

pub(crate) use build::{Recipe, build};
pub use clock::Clock;
pub use error::InstallError;
pub(crate) use locate::Packages;
pub use locked::{LockMode, LockedError};
pub use machine::Machine;
pub use many::{Made, install_many, rehearse_many, supported};
pub use meant::MeantError;
pub use need::Need;
pub use places::PlaceFacts;
pub(crate) use places::{check_places, lock_refused};
pub use prove::{Proof, Prove, Timed, prove, prove_again, time_again};
pub use records::kept_plan;
pub use rehearse::{Rehearsal, rehearse};
pub use room::RoomError;

use std::{collections::BTreeMap, sync::Arc};

use done::nothing_to_do;
use locked::LabLocks;
pub(crate) use machine::absent;
use meant::check_is_meant;
use source::{plan_from_source, prune_source, tell_of_replaced_source};

use crate::{
    certificate::{Certificate, Verdict},
    context::{Context, event::Stage, sources::SourceName},
    lock::LabEntry,
    manifest::{
        Manifest,
        checkout::{Checkout, Source},
        lab::{Lab, Selected},
    },
    names::{EnvName, ProfileName},
    packages::pypi::PypiError,
    plan::{self, Plan, PlanError},
    profile::Profiles,
    store::{Size, Store},
    verify,
};

/// What is asked of an installation.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the environments are made for.
    pub machine: Machine,
    /// The accelerator level; `None` means the best that there is.
    pub profile: Option<ProfileName>,
    /// A name for the environment that differs from the manifest's.
    pub name: Option<EnvName>,
    /// Build a new generation even if nothing changed.
    pub force: bool,
    /// How it is proven.
    pub prove: Prove,
    /// Put its program into the system's menu.
    pub menu: bool,
    /// Programs that come from a folder or a git repository instead of a release.
    pub sources: Vec<Source>,
    /// Profiles that are not to be taken if none is named, with the reason.
    pub excluded: BTreeMap<ProfileName, String>,
    /// How the lab's lock is used.
    pub lock: LockMode,
    /// Take the newest versions, whatever is installed.
    pub upgrade: bool,
    /// The lab that the environments belong to.
    pub lab: Option<Arc<Lab>>,
}

impl Request {
    /// The same for one of the environments that are asked for.
    #[must_use]
    pub fn of(&self, selected: &Selected<'_>) -> Self {
        Self {
            profile: self.profile.or(selected.profile),
            name: Some(selected.env.clone()).filter(|env| *env != selected.manifest.name),
            ..self.clone()
        }
    }
}

impl Request {
    fn packages<'a>(&self, entry: Option<&'a LabEntry>) -> Packages<'a> {
        let found = Packages::Found { upgrade: self.upgrade };
        entry.map_or(found, Packages::OfLab)
    }
}

/// An environment that is there now.
#[derive(Debug, Clone)]
pub struct Installed {
    /// What proves it, or why it was not made the current one.
    pub certificate: Certificate,
    /// Whether a generation was built.
    pub changed: bool,
}

/// Make the choices for `manifest`. A program's own source is left aside: it may have to be fetched.
pub fn plan(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Plan, InstallError> {
    plan_with(ctx, manifest, request, None)
}

fn plan_with(
    ctx: &Context,
    manifest: &Manifest,
    request: &Request,
    source: Option<&Checkout>,
) -> Result<Plan, InstallError> {
    let env = request.name.as_ref().unwrap_or(&manifest.name);
    let machine = &request.machine;
    let here = crate::profile::subdir(&machine.hardware.triple)?;
    let locks = LabLocks::read(request)?;
    let locked = locks.levels(env.as_str(), here.as_str());
    let profiles = Profiles::load()?;
    let with = |locked| {
        let request = plan::Request {
            profile: request.profile,
            name: request.name.clone(),
            exclude_newer: ctx.settings.exclude_newer.clone(),
            redirects: ctx.settings.sources.redirects(),
            sources: ctx.settings.sources.described(),
            source: source.cloned(),
            packages: request
                .lab
                .as_ref()
                .map_or_else(Vec::new, |lab| lab.packages(env).to_vec()),
            excluded: request.excluded.clone(),
            locked,
        };
        plan::plan(manifest, &profiles, &machine.hardware, &request)
    };
    match with(locked.clone()) {
        // What the lock lacks may be had from the sources.
        Err(_) if locked.is_some() && request.lock == LockMode::IfItHolds => Ok(with(None)?),
        // What can be had and was not locked is the lock's fault.
        Err(error @ PlanError::Unsupported(_)) if locked.is_some() => match with(None) {
            Ok(mut plan) => {
                locks.entry(ctx, &mut plan, request.lock)?;
                Err(error.into())
            }
            Err(_) => Err(error.into()),
        },
        planned => Ok(planned?),
    }
}

/// What `plan`'s environment holds, if an earlier generation of the same plan was audited; opens no connection.
pub fn known_size(ctx: &Context, plan: &Plan) -> Option<Size> {
    // Only a number for people: a damaged record is no reason to refuse a plan.
    let current = Store::open(&ctx.settings).ok()?.current(&plan.env).ok()??;
    let same = current.record.plan_fingerprint == plan.fingerprint();
    let certificate = Certificate::read(&plan.env, &current.prefix).ok()?;
    certificate.size.filter(|_| same)
}

/// Make `manifest`'s environment, or find that nothing is to be done. Where nobody named a profile, one whose index does not
/// answer is left.
pub async fn install(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Installed, InstallError> {
    let made = Box::pin(make(ctx, manifest, request)).await;
    // `--strict` takes what it was asked for or nothing.
    if let Err(InstallError::Pypi(PypiError::Unreachable {
        source_name: SourceName::Nvidia,
        because,
    })) = &made
        && request.profile.is_none()
        && ctx.settings.torch_from_pypi
        && !matches!(request.lock, LockMode::Locked | LockMode::Frozen)
    {
        let because = format!("NVIDIA's index does not answer: {because}");
        ctx.events
            .warn(format!("{} is made without TensorRT: {because}", manifest.name));
        let plainer = Request {
            excluded: BTreeMap::from([(ProfileName::GpuTrt, because)]),
            ..request.clone()
        };
        return Box::pin(make(ctx, manifest, &plainer)).await;
    }
    made
}

async fn make(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Installed, InstallError> {
    if let Some(model_dir) = &request.prove.model_dir {
        // It is needed last, and a typo in it should not cost an installation.
        verify::check_model_dir(model_dir, &manifest.model_files)?;
        if manifest.smoke.is_empty() {
            ctx.events.note(format!(
                "{} has no smoke tests: --model-dir does nothing",
                manifest.name
            ));
        }
    }
    request.machine.check_platform()?;
    let mut clock = Clock::new(ctx);
    let store = Store::open(&ctx.settings)?;
    let (mut plan, source_held) = plan_from_source(ctx, &store, manifest, request).await?;
    check_is_meant(ctx, &store, &plan, request)?;
    let entry = LabLocks::read(request)?.entry(ctx, &mut plan, request.lock)?;
    let entry = entry.as_ref();
    if let Some(done) = nothing_to_do(ctx, &store, &plan, entry, request).await? {
        return Ok(done);
    }
    clock.finish(
        Stage::Plan,
        format!("{} for profile {}, backend {}", plan.env, plan.profile, plan.backend),
    );

    places::check_places(ctx).await?;
    let _held = store.lock(&ctx.events, &plan.env).await?;
    // Another matenv may have made it while this one waited.
    if let Some(done) = nothing_to_do(ctx, &store, &plan, entry, request).await? {
        return Ok(done);
    }
    tell_of_replaced_source(ctx, &store, &plan);
    let recipe = Recipe {
        plan: &plan,
        packages: request.packages(entry),
        machine: &request.machine,
        prove: &request.prove,
        // What was not compared is not what a plan asks for.
        fingerprint: match request.lock {
            LockMode::Frozen => String::new(),
            LockMode::IfItHolds | LockMode::Locked | LockMode::Ignored => plan.fingerprint(),
        },
    };
    let certificate = build(ctx, &mut clock, &store, &recipe).await?.certificate;
    let changed = certificate.verdict() == Verdict::Good;
    if changed && source_held.is_some() {
        prune_source(ctx, &store, &plan.manifest);
    }
    Ok(Installed { certificate, changed })
}
