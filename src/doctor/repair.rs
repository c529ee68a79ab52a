//! Repair: builds a broken environment again from its own lock, as a new generation, which replaces it if it is proven.
//!
//! Input: an installed generation. Output: a [`Repaired`]. [`crate::doctor`] finds the problems, and reads every file for
//! that. This module does not change an environment in place: most faults come from such changes under running
//! programs.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    audit::Depth,
    certificate::Certificate,
    context::Context,
    doctor::{self, DoctorError, Target},
    files::layout,
    finding::{Code, Finding, Scope, Severity},
    install::{
        self, BuildError, Clock, DiskSpaceError, Machine, Packages, Prove, Recipe, RecordsError, altered::Altered,
        build, read_certificate, read_plan,
    },
    lock::{Lock, LockError},
    names::EnvName,
    store::{Action, Generation, Store, StoreError},
};

/// Faults that the same packages cause again.
const NOT_REPAIRABLE: &[Code] = &[
    Code::BenchWrong,
    Code::BackendDiffers,
    Code::NoCodeForCard,
    Code::GpuUnused,
    Code::ProcessorTooOld,
    Code::PostLinkNotRun,
];

/// The options of a repair.
#[derive(Debug, Clone)]
pub(crate) struct RepairRequest {
    /// The only finding to fix; `None` means all findings.
    pub finding: Option<Code>,
    /// Only report.
    pub dry_run: bool,
    /// How the new generation is proven.
    pub prove: Prove,
}

/// The result of a repair.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Repaired {
    /// Findings that a new generation fixes.
    pub faults: Vec<Finding>,
    /// Wheels whose files in uv's cache changed together with the environment's files. They are downloaded again.
    pub dropped: Vec<Altered>,
    /// Findings that remain: the cause is the machine, the shell or the chosen packages, or the fix was not requested.
    pub left: Vec<Finding>,
    /// The certificate of the new generation, which also says why it did not become current; absent if none was built.
    pub certificate: Option<Certificate>,
}

/// Errors of a repair. The environment is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The environment could not be examined.
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    /// The plan or the certificate of the environment could not be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A folder cannot be used.
    #[error(transparent)]
    DiskSpace(#[from] DiskSpaceError),
    /// The new generation could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The environment's lock cannot be read.
    #[error("failed to read the environment's own lock: {}", folder.display())]
    Lock {
        /// The arguments of `matenv install` that create the environment again.
        typed: String,
        /// The folder of the two lock files.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: LockError,
    },
    /// Another matenv process replaced or removed the environment during the examination.
    #[error("another matenv process changed `{env}` during the repair")]
    ChangedMeanwhile {
        /// The environment.
        env: EnvName,
    },
}

/// Examines `generation`, and builds it again from its own lock if that fixes the findings.
///
/// # Errors
/// Its records are missing, another matenv process changed it during the repair, or it cannot be built.
pub(crate) async fn repair(
    ctx: &Context,
    generation: &Generation,
    request: &RepairRequest,
) -> Result<Repaired, RepairError> {
    let mut clock = Clock::new(ctx);
    let plan = read_plan(generation)?;
    let folder = layout::records(&generation.prefix);
    let lock = Lock::read(&folder).map_err(|source| RepairError::Lock {
        typed: generation.record.typed(),
        folder,
        source,
    })?;
    let certificate = read_certificate(generation)?;
    let target = Target::Environment(Box::new(generation.clone()));
    let found = doctor::examine(ctx, &target, Depth::Content, None, None)
        .await?
        .findings;
    let (mut faults, mut left): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|finding| is_fixable(finding, generation, request.finding));
    if let Some(code) = request.finding
        && !faults.iter().any(|finding| finding.code == code)
    {
        // A new generation would fix them, but was not requested.
        left.splice(0..0, faults.drain(..));
    }
    // Information is in the certificate.
    left.retain(|finding| finding.severity > Severity::Info);
    let repaired = Repaired {
        faults,
        dropped: Vec::new(),
        left,
        certificate: None,
    };
    if repaired.faults.is_empty() || request.dry_run {
        return Ok(repaired);
    }

    install::check_places(ctx).await?;
    let store = Store::open(&ctx.settings)?;
    let _source_held = match &plan.source {
        Some(_) => Some(store.lock_source(&ctx.events, &plan.manifest).await?),
        None => None,
    };
    let _held = store.lock(&ctx.events, &plan.env).await?;
    // Another matenv process may have changed or removed it during the examination.
    if store
        .current(&plan.env)?
        .is_none_or(|current| current.prefix != generation.prefix)
    {
        let env = plan.env.clone();
        return Err(RepairError::ChangedMeanwhile { env });
    }
    let machine = Machine {
        hardware: certificate.hardware,
        cross: certificate.cross,
    };
    let recipe = Recipe {
        plan: &plan,
        packages: Packages::Of(&lock),
        machine: &machine,
        prove: &request.prove,
        fingerprint: generation.record.plan_fingerprint.clone(),
        action: Action::Repair,
    };
    let built = build(ctx, &mut clock, &store, &recipe).await?;
    let mut repaired = repaired;
    // The new certificate says whether conda finds the new generation.
    repaired.left.retain(|finding| finding.code != Code::CondaNameTaken);
    Ok(Repaired {
        dropped: built.dropped,
        certificate: Some(built.certificate),
        ..repaired
    })
}

/// Returns whether a new installation of the same packages fixes the finding.
fn is_fixable(finding: &Finding, generation: &Generation, named: Option<Code>) -> bool {
    let bad = finding.severity > Severity::Info || named == Some(finding.code);
    let known = || generation.record.made_with.iter().any(|one| one.is(finding));
    bad && finding.scope == Scope::Environment && !NOT_REPAIRABLE.contains(&finding.code) && !known()
}
