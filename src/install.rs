//! The pipeline: the stages in order, from a manifest to a certificate.
//!
//! In: what is asked for. Out: an [`Installed`] with its certificate. A generation is built beside the current one
//! and becomes current only after audit, verification and benchmark; whatever goes wrong before leaves the old one.

mod clock;
mod error;
mod many;
mod prove;
mod room;

pub use clock::Clock;
pub use error::InstallError;
pub use many::{Made, install_many, supported};
pub use prove::{Proof, Prove, Timed, prove, prove_again, time_again};
pub use room::{Need, RoomError};

use std::path::{Path, PathBuf};

use rattler_conda_types::RepoDataRecord;

use crate::{
    audit::Audit,
    causes::chain,
    checkout::{self, Checkout, Source},
    conda,
    context::Context,
    doctor::{Code, Finding, Scope, Severity},
    event::Stage,
    hardware::Hardware,
    lock::{Fallback, Lock},
    manifest::Manifest,
    names::{EnvName, ProfileName},
    plan::{self, Plan},
    profile::Profile,
    pypi::{self, ResolveRequest, Uv},
    report::{Certificate, ChosenPlan, Package, Verdict},
    store::{
        Generation, GenerationRecord, Size, Staged, Store,
        door::{self, Door},
        layout,
    },
    verify::{self, Verification},
};

const PLAN_FILE: &str = "plan.json";

/// What is asked of an installation.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The accelerator level; `None` means cpu.
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
pub fn plan(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<(Plan, Hardware), InstallError> {
    plan_with(ctx, manifest, request, None)
}

/// Get the program's own source, if one is asked for, and make the choices with it.
async fn plan_from_source(
    ctx: &Context,
    manifest: &Manifest,
    request: &Request,
) -> Result<(Plan, Hardware), InstallError> {
    let asked = request.sources.iter().find(|source| source.env == manifest.name);
    let source = match asked {
        None => None,
        Some(source) => {
            // A machine that does not support the profile needs no clone to say so.
            let (plan, _) = plan(ctx, manifest, request)?;
            Some(checkout::check_out(ctx, manifest, plan.profile, source).await?)
        }
    };
    plan_with(ctx, manifest, request, source)
}

fn plan_with(
    ctx: &Context,
    manifest: &Manifest,
    request: &Request,
    source: Option<Checkout>,
) -> Result<(Plan, Hardware), InstallError> {
    let profile = Profile::load(request.profile.unwrap_or(ProfileName::Cpu))?;
    let hardware = Hardware::detect(&ctx.settings.variables);
    let plan = plan::plan(
        manifest,
        &profile,
        &hardware,
        &plan::Request {
            name: request.name.clone(),
            exclude_newer: ctx.settings.exclude_newer.clone(),
            profile_named: request.profile.is_some(),
            redirects: ctx.settings.sources.redirects(),
            sources: ctx.settings.sources.described(),
            source,
        },
    )?;
    Ok((plan, hardware))
}

/// What `plan`'s environment holds, if an earlier generation of the same plan was audited; opens no connection.
pub fn known_size(ctx: &Context, plan: &Plan) -> Option<Size> {
    // Only a number for people: a damaged record is no reason to refuse a plan.
    let current = Store::open(&ctx.settings).ok()?.current(&plan.env).ok()??;
    let same = current.record.plan_fingerprint == plan.fingerprint();
    let certificate = Certificate::read(&plan.env, &current.prefix).ok()?;
    certificate.size.filter(|_| same)
}

/// Make `manifest`'s environment, or find that nothing is to be done.
pub async fn install(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Installed, InstallError> {
    if let Some(model_dir) = &request.prove.model_dir {
        // It is needed last, and a typo in it should not cost an installation.
        verify::check_model_dir(model_dir)?;
    }
    let mut clock = Clock::new(ctx);
    let (plan, hardware) = plan_from_source(ctx, manifest, request).await?;
    let store = Store::open(&ctx.settings)?;
    if let Some(done) = nothing_to_do(ctx, &store, &plan, request).await? {
        return Ok(done);
    }
    clock.finish(
        Stage::Plan,
        format!("{} for profile {}, backend {}", plan.env, plan.profile, plan.backend),
    );

    let _held = store.lock(&ctx.events, &plan.env).await?;
    // Another matenv may have made it while this one waited.
    if let Some(done) = nothing_to_do(ctx, &store, &plan, request).await? {
        return Ok(done);
    }
    room::check_places(ctx).await?;
    let staged = store.stage(&plan.env)?;
    let prefix = staged.prefix.clone();
    let located = locate(ctx, &mut clock, &store, &plan, &prefix).await?;
    wheels(ctx, &mut clock, &plan, &prefix, &located).await?;
    let Located { lock, mut findings, .. } = located;
    findings.extend(lock.pypi.findings.iter().cloned());
    keep_records(&plan, &lock, &prefix)?;
    door::furnish(&ctx.settings, &prefix, &plan.manifest, &plan.env)?;

    let mut certificate = Certificate {
        schema: 1,
        matenv: env!("CARGO_PKG_VERSION").to_owned(),
        ok: false,
        proven: false,
        env: plan.env.clone(),
        manifest: plan.manifest.clone(),
        profile: plan.profile,
        backend: plan.backend.clone(),
        generation: staged.number,
        prefix: prefix.clone(),
        created: jiff::Timestamp::now().to_string(),
        hardware,
        sources: ctx.settings.sources.described(),
        fallbacks: lock.fallbacks.clone(),
        plan: ChosenPlan {
            choices: plan.choices.clone(),
        },
        source: plan.source.clone(),
        packages: Package::of_lock(&plan, &lock),
        size: None,
        audit: Audit { findings },
        verification: Verification::default(),
        bench: None,
        timings: Vec::new(),
    };
    let proof = prove(ctx, &mut clock, &plan, &prefix, &request.prove).await?;
    proof.enter(&mut certificate);
    if request.prove.probes {
        certificate.size = Some(Size::of(&prefix));
    }
    if certificate.verdict() != Verdict::Good {
        certificate.timings = clock.timings();
        return Ok(Installed {
            certificate,
            changed: false,
        });
    }
    switch(ctx, &mut clock, &store, staged, &plan, &mut certificate)?;
    Ok(Installed {
        certificate,
        changed: true,
    })
}

/// What an installation would do and take.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The choices.
    pub plan: Plan,
    /// What would be installed; empty if nothing is to be done.
    pub packages: Vec<Package>,
    /// What it takes.
    pub need: Need,
}

/// Find out what [`install`] would do, and whether there is room for it. Python is linked into a folder that is
/// removed again, for the wheels are resolved with it.
pub async fn rehearse(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Rehearsal, InstallError> {
    let mut clock = Clock::new(ctx);
    let (plan, _) = plan_from_source(ctx, manifest, request).await?;
    let store = Store::open(&ctx.settings)?;
    if is_done(&store, &plan, request)?.is_some() {
        return Ok(Rehearsal {
            plan,
            packages: Vec::new(),
            need: Need::default(),
        });
    }
    let _held = store.lock(&ctx.events, &plan.env).await?;
    room::check_places(ctx).await?;
    let staged = store.stage(&plan.env)?;
    let located = locate(ctx, &mut clock, &store, &plan, &staged.prefix).await?;
    Ok(Rehearsal {
        packages: Package::of_lock(&plan, &located.lock),
        need: located.need,
        plan,
    })
}

/// The packages of `plan`: those of the current generation's lock, or what the sources give.
async fn locate(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    plan: &Plan,
    prefix: &Path,
) -> Result<Located, InstallError> {
    match kept_lock(store, plan)? {
        Some(lock) => from_lock(ctx, clock, prefix, lock).await,
        None => from_sources(ctx, clock, plan, prefix).await,
    }
}

/// The current generation, if it is what the plan asks for.
fn is_done(store: &Store, plan: &Plan, request: &Request) -> Result<Option<Generation>, InstallError> {
    Ok(store.current(&plan.env)?.filter(|current| {
        let enough = current.record.proven || !request.prove.wanted();
        !request.force && current.record.plan_fingerprint == plan.fingerprint() && enough
    }))
}

/// The certificate of the current generation, if it is what the plan asks for.
async fn nothing_to_do(
    ctx: &Context,
    store: &Store,
    plan: &Plan,
    request: &Request,
) -> Result<Option<Installed>, InstallError> {
    let Some(current) = is_done(store, plan, request)? else {
        return Ok(None);
    };
    let mut certificate = Certificate::read(&plan.env, &current.prefix)?;
    // The commit of an editable folder may be another one by now.
    certificate.source.clone_from(&plan.source);
    open_door(ctx, &mut certificate);
    if request.prove.model_dir.is_some() {
        // A trained model is new evidence: its smoke tests run even if the environment stays as it is.
        let only_smoke = Prove {
            probes: false,
            bench: false,
            ..request.prove.clone()
        };
        let proof = prove(ctx, &mut Clock::new(ctx), plan, &current.prefix, &only_smoke).await?;
        proof.enter(&mut certificate);
        certificate.write(&current.prefix)?;
    }
    Ok(Some(Installed {
        certificate,
        changed: false,
    }))
}

/// The lock of the current generation, if the plan is the same and nothing stood in for a source: an installed
/// environment keeps its versions.
fn kept_lock(store: &Store, plan: &Plan) -> Result<Option<Lock>, InstallError> {
    let Some(current) = store.current(&plan.env)? else {
        return Ok(None);
    };
    if current.record.plan_fingerprint != plan.fingerprint() {
        return Ok(None);
    }
    // A damaged lock is no reason to fail: it is made again.
    Ok(Lock::read(&layout::records(&current.prefix))
        .ok()
        .filter(|lock| lock.fallbacks.is_empty()))
}

/// The packages of an environment, with Python linked into its prefix and nothing else yet.
struct Located {
    lock: Lock,
    uv: Uv,
    findings: Vec<Finding>,
    need: Need,
}

async fn from_lock(ctx: &Context, clock: &mut Clock, prefix: &Path, lock: Lock) -> Result<Located, InstallError> {
    ctx.events.note("the versions of the current generation are kept");
    let conda = Need::of_conda(ctx, &lock.conda).await;
    let wheels = Need::of_wheels(ctx, &lock.pypi);
    room::check_room(ctx, conda, wheels)?;
    let findings = link(ctx, clock, prefix, &lock.conda).await?;
    let uv = Uv::find(ctx, &layout::python(prefix), true).await?;
    Ok(Located {
        lock,
        uv,
        findings,
        need: conda.plus(wheels),
    })
}

async fn from_sources(ctx: &Context, clock: &mut Clock, plan: &Plan, prefix: &Path) -> Result<Located, InstallError> {
    clock.start(Stage::Solve);
    let solved = conda::solve(ctx, plan).await?;
    let mut fallbacks = Vec::new();
    let python_words = format!("python {}", solved.python);
    match &solved.host_python {
        Some(host) => {
            fallbacks.push(Fallback::HostPython);
            clock.finish(Stage::Solve, format!("{python_words} of this machine"));
            ctx.events.note(format!(
                "fallback host-python: no conda channel answered, so {} stands in",
                host.executable.display()
            ));
        }
        None => clock.finish(
            Stage::Solve,
            format!("{python_words}, {} packages", solved.records.len()),
        ),
    }
    let conda = Need::of_conda(ctx, &solved.records).await;
    room::check_room(ctx, conda, Need::default())?;
    let findings = link(ctx, clock, prefix, &solved.records).await?;

    let uv = Uv::find(ctx, &layout::python(prefix), solved.host_python.is_none()).await?;
    let at_work = ctx.shared.machine.read().await;
    clock.start(Stage::Resolve);
    let minor = minor(&solved.python);
    let request = ResolveRequest {
        plan,
        prefix,
        python_version: &minor,
        extra: &solved.missing,
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
            .note("fallback torch-from-pypi: the torch index did not answer, so PyPI's torch stands in");
    }
    let wheels = Need::of_wheels(ctx, &resolved);
    // Python is there by now: what is left to write is the wheels'.
    room::check_room(ctx, Need::default(), wheels)?;
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
) -> Result<Vec<Finding>, InstallError> {
    let _at_work = ctx.shared.machine.read().await;
    clock.start(Stage::Link);
    let linked = conda::link(ctx, prefix, records).await?;
    clock.finish(Stage::Link, linked_words(&linked));
    Ok(linked.findings)
}

async fn wheels(
    ctx: &Context,
    clock: &mut Clock,
    plan: &Plan,
    prefix: &Path,
    located: &Located,
) -> Result<(), InstallError> {
    let locked = &located.lock.pypi;
    ctx.events.note(located.need.words());
    let _at_work = ctx.shared.machine.read().await;
    clock.start(Stage::Wheels);
    pypi::install(ctx, &located.uv, prefix, plan, locked).await?;
    clock.finish(Stage::Wheels, format!("{} wheels installed", locked.wheels.len()));
    Ok(())
}

fn keep_records(plan: &Plan, lock: &Lock, prefix: &Path) -> Result<(), InstallError> {
    let records = layout::records(prefix);
    fs_err::create_dir_all(&records).map_err(InstallError::Records)?;
    lock.write(&records, &plan.env, &plan.subdir)?;
    let text = serde_json::to_string_pretty(plan).map_err(|error| InstallError::Records(error.into()))?;
    fs_err::write(records.join(PLAN_FILE), text).map_err(InstallError::Records)
}

/// The plan that a generation was made from.
pub fn kept_plan(generation: &Generation) -> Result<Plan, InstallError> {
    let path = layout::records(&generation.prefix).join(PLAN_FILE);
    let text = fs_err::read_to_string(path).map_err(InstallError::Records)?;
    serde_json::from_str(&text).map_err(|error| InstallError::Records(error.into()))
}

fn switch(
    ctx: &Context,
    clock: &mut Clock,
    store: &Store,
    staged: Staged,
    plan: &Plan,
    certificate: &mut Certificate,
) -> Result<(), InstallError> {
    clock.start(Stage::Switch);
    let prefix = staged.prefix.clone();
    let record = GenerationRecord {
        schema: 1,
        env: plan.env.clone(),
        manifest: plan.manifest.clone(),
        profile: plan.profile,
        number: staged.number,
        plan_fingerprint: plan.fingerprint(),
        created: certificate.created.clone(),
        proven: certificate.proven,
        ok: certificate.ok,
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

/// Let conda find the environment. That it cannot is worth a warning; the environment is whole all the same.
fn open_door(ctx: &Context, certificate: &mut Certificate) {
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

fn linked_words(linked: &conda::Linked) -> String {
    format!("{} conda packages, {} files", linked.packages, linked.files)
}

fn switch_words(number: u64, pruned: &[PathBuf]) -> String {
    match pruned.len() {
        0 => format!("generation {number} is current"),
        1 => format!("generation {number} is current, 1 old one removed"),
        more => format!("generation {number} is current, {more} old ones removed"),
    }
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
