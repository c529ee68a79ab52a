//! Repair: a broken environment is built again from its own lock, beside itself, and replaced if that one is proven.
//!
//! In: an installed generation. Out: a [`Repaired`]. Absent on purpose: mending in place. A generation that changes under
//! running programs is what most faults come from.

use serde::Serialize;

use super::{Clock, InstallError, Machine, Packages, Prove, Recipe, build, kept_plan, machine::absent, places, switch};
use crate::{
    audit::{self, Subject},
    caches::{self, Altered},
    context::Context,
    doctor::{Code, Finding, Scope, Severity},
    event::Stage,
    lock::Lock,
    plan::Plan,
    report::{Certificate, Verdict},
    store::{Generation, Store, layout},
    verify::{self, Tally},
};

/// What the same packages bring again.
const CHOSEN: &[Code] = &[
    Code::BenchWrong,
    Code::BackendDiffers,
    Code::NoCodeForCard,
    Code::GpuUnused,
    Code::ProcessorTooOld,
    Code::PostLinkNotRun,
];

/// What is asked of a repair.
#[derive(Debug, Clone)]
pub struct RepairRequest {
    /// Only what has this code; `None` means everything.
    pub finding: Option<Code>,
    /// Only tell.
    pub dry_run: bool,
    /// How the mended environment is proven.
    pub prove: Prove,
}

/// What became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Repaired {
    /// What a new generation mends.
    pub faults: Vec<Finding>,
    /// Copies in the caches that were changed with the environment's files, and are fetched again.
    pub dropped: Vec<Altered>,
    /// What it does not: it lies in the machine, in the shell, or in what was chosen.
    pub left: Vec<Finding>,
    /// The proof of the mended environment, or why it did not become the current one; absent if none was built.
    pub certificate: Option<Certificate>,
}

/// Find what is wrong with `generation`, and build it again from its own lock if that mends it.
///
/// # Errors
/// Its records are gone, another matenv changed it meanwhile, or it cannot be built.
pub async fn repair(ctx: &Context, generation: &Generation, request: &RepairRequest) -> Result<Repaired, InstallError> {
    let mut clock = Clock::new(ctx);
    let plan = kept_plan(generation)?;
    let lock = Lock::read(&layout::records(&generation.prefix))?;
    let certificate = Certificate::read(&generation.env, &generation.prefix)?;
    let found = examine(ctx, &mut clock, &plan, generation, certificate.cross).await?;
    let asked = |finding: &Finding| request.finding.is_none_or(|code| code == finding.code);
    let (faults, mut left): (Vec<_>, Vec<_>) = found
        .into_iter()
        .filter(asked)
        .partition(|finding| is_mended(finding, request.finding));
    // What is only worth knowing is the certificate's.
    left.retain(|finding| finding.severity > Severity::Info);
    if faults.is_empty() || request.dry_run {
        return Ok(Repaired {
            faults,
            dropped: Vec::new(),
            left,
            certificate: None,
        });
    }

    places::check_places(ctx).await?;
    let store = Store::open(&ctx.settings)?;
    let _held = store.lock(&ctx.events, &plan.env).await?;
    // Another matenv may have changed or removed it while this one looked.
    if store
        .current(&plan.env)?
        .is_none_or(|current| current.prefix != generation.prefix)
    {
        let env = plan.env.clone();
        return Err(InstallError::ChangedMeanwhile { env });
    }
    let dropped = caches::mend(ctx, &generation.prefix, &names(&lock)).await?;
    for copy in &dropped {
        let (name, version) = (&copy.name, &copy.version);
        ctx.events.note(format!(
            "the cache's copy of {name} {version} was changed too: it is fetched again"
        ));
    }
    let staged = store.stage(&plan.env)?;
    let machine = Machine {
        hardware: certificate.hardware.clone(),
        cross: certificate.cross,
    };
    let recipe = Recipe {
        plan: &plan,
        packages: Packages::Of(&lock),
        machine: &machine,
        prove: &request.prove,
    };
    let mut certificate = match build(ctx, &mut clock, &store, &staged, &recipe).await {
        Ok(certificate) => certificate,
        Err(error) => {
            staged.remove();
            return Err(error);
        }
    };
    if certificate.verdict() == Verdict::Good {
        let fingerprint = generation.record.plan_fingerprint.clone();
        switch(ctx, &mut clock, &store, staged, &plan, fingerprint, &mut certificate)?;
    } else {
        certificate.timings = clock.timings();
        staged.remove();
    }
    Ok(Repaired {
        faults,
        dropped,
        left,
        certificate: Some(certificate),
    })
}

/// Every package of a lock: which of them a fault lies in is not told by all findings.
fn names(lock: &Lock) -> Vec<String> {
    let conda = lock
        .conda
        .iter()
        .map(|record| record.package_record.name.as_normalized());
    let wheels = lock.pypi.wheels.iter().map(|wheel| wheel.name.as_str());
    conda.chain(wheels).map(ToOwned::to_owned).collect()
}

/// What the files, each of them read, and the probes show, by what blocks first.
async fn examine(
    ctx: &Context,
    clock: &mut Clock,
    plan: &Plan,
    generation: &Generation,
    cross: bool,
) -> Result<Vec<Finding>, InstallError> {
    clock.start(Stage::Audit);
    let mut found = audit::deep(&generation.prefix, &plan.typed(), &Subject::of_plan(plan))
        .map_or_else(|error| vec![error.finding(&generation.env)], |audit| audit.findings);
    clock.finish(Stage::Audit, format!("{} findings", found.len()));
    clock.start(Stage::Verify);
    let absent = absent(&ctx.settings, cross, plan);
    let verification = verify::verify(ctx, &generation.prefix, &plan.typed(), &plan.probes, absent).await?;
    clock.finish(Stage::Verify, Tally::of(&verification.probes).words(" probes"));
    found.extend(verification.probes.into_iter().filter_map(|probe| probe.finding));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(found)
}

/// Whether the same packages, installed anew, are without it.
fn is_mended(finding: &Finding, named: Option<Code>) -> bool {
    let bad = finding.severity > Severity::Info || named == Some(finding.code);
    bad && finding.scope == Scope::Environment && !CHOSEN.contains(&finding.code)
}
