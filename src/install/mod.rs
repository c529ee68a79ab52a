//! The pipeline: all stages in order, from a manifest to a certificate.
//!
//! Input: a [`Request`]. Output: an [`Installed`] with its certificate. A new generation is built next to the current
//! one and becomes current only after audit, verification and benchmark. If anything fails before that, the old
//! generation stays current.

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

/// The options of an installation.
#[derive(Debug, Clone)]
pub struct Request {
    /// The machine that the environments are created for.
    pub machine: Machine,
    /// The accelerator level. `None` selects the best supported one.
    pub profile: Option<ProfileName>,
    /// A name for the environment, if it differs from the manifest's.
    pub name: Option<EnvName>,
    /// Whether to build a new generation even if nothing changed.
    pub force: bool,
    /// The checks to run.
    pub prove: Prove,
    /// Whether to add its program to the system's menu.
    pub menu: bool,
    /// Programs to install from a folder or a git repository instead of a release.
    pub sources: Vec<Source>,
    /// Profiles that may not be selected by default, with the reason.
    pub excluded: BTreeMap<ProfileName, String>,
    /// How to use the lab's lock.
    pub lock: LockMode,
    /// Whether to install the newest versions, whatever is installed now.
    pub upgrade: bool,
    /// The lab that the environments belong to.
    pub lab: Option<Arc<Lab>>,
}

impl Request {
    /// Returns the request for one of the selected environments.
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

/// An installed environment.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The proof of the environment, or the reasons why it did not become the current one.
    pub certificate: Certificate,
    /// Whether a new generation was built.
    pub changed: bool,
}

/// Makes the plan for `manifest`. Ignores a program's own source, which may have to be fetched.
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
        // A combination that is missing in the lock may be available from the package sources.
        Err(_) if locked.is_some() && request.lock == LockMode::IfItHolds => Ok(with(None)?),
        // If the package sources support it, the error is in the lock: report that it is missing there.
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

/// Returns the size of `plan`'s environment if a generation of the same plan was already audited. Opens no connection.
pub fn known_size(ctx: &Context, plan: &Plan) -> Option<Size> {
    // The size is only for information, so a damaged record is not an error.
    let current = Store::open(&ctx.settings).ok()?.current(&plan.env).ok()??;
    let same = current.record.plan_fingerprint == plan.fingerprint();
    let certificate = Certificate::read(&plan.env, &current.prefix).ok()?;
    certificate.size.filter(|_| same)
}

/// Installs `manifest`'s environment if it is not up to date. If no profile was requested and NVIDIA's index does not
/// answer, falls back to a profile without TensorRT.
pub async fn install(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Installed, InstallError> {
    let made = Box::pin(make(ctx, manifest, request)).await;
    // `torch_from_pypi` is false with `--strict`, which allows no fallback.
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
    // Another matenv process may have installed it while this one waited.
    if let Some(done) = nothing_to_do(ctx, &store, &plan, entry, request).await? {
        return Ok(done);
    }
    tell_of_replaced_source(ctx, &store, &plan);
    let recipe = Recipe {
        plan: &plan,
        packages: request.packages(entry),
        machine: &request.machine,
        prove: &request.prove,
        // A frozen lock was not compared with the plan, so the generation may not match it.
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
