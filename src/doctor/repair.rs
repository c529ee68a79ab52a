//! Repair: a broken environment is built again from its own lock, beside itself, and replaced if that one is proven.
//!
//! In: an installed generation. Out: a [`Repaired`]. What is wrong is what [`crate::doctor`] finds, each file read. Absent on
//! purpose: mending in place. A generation that changes under running programs is what most faults come from.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    audit::Depth,
    certificate::{Certificate, CertificateError},
    context::Context,
    doctor::{self, DoctorError, Target},
    files::layout,
    finding::{Code, Finding, Scope, Severity},
    install::{self, Clock, InstallError, Machine, Packages, Prove, Recipe, altered::Altered, build, kept_plan},
    lock::{Lock, LockError},
    names::EnvName,
    store::{Generation, Store, StoreError},
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
    /// Only if this is found; `None` means whatever is.
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
    /// Wheels that were changed in uv's cache with the environment's files, and are fetched again.
    pub dropped: Vec<Altered>,
    /// What is not mended: it lies in the machine, in the shell or in what was chosen, or nobody asked for it.
    pub left: Vec<Finding>,
    /// The proof of the mended environment, or why it did not become the current one; absent if none was built.
    pub certificate: Option<Certificate>,
}

/// Why an environment was not repaired; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// It could not be examined.
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    /// Another one could not be built.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its lock.
    #[error("the environment's own lock cannot be read: {}", folder.display())]
    Lock {
        /// What makes the environment again, after `matenv install`.
        typed: String,
        /// Where its two files should lie.
        folder: PathBuf,
        /// Why.
        #[source]
        source: LockError,
    },
    /// Its certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Another matenv made or removed it while it was looked at.
    #[error("another matenv changed `{env}` meanwhile")]
    ChangedMeanwhile {
        /// The environment.
        env: EnvName,
    },
}

/// Find what is wrong with `generation`, and build it again from its own lock if that mends it.
///
/// # Errors
/// Its records are gone, another matenv changed it meanwhile, or it cannot be built.
pub async fn repair(ctx: &Context, generation: &Generation, request: &RepairRequest) -> Result<Repaired, RepairError> {
    let mut clock = Clock::new(ctx);
    let plan = kept_plan(generation)?;
    let folder = layout::records(&generation.prefix);
    let lock = Lock::read(&folder).map_err(|source| RepairError::Lock {
        typed: generation.record.typed(),
        folder,
        source,
    })?;
    let certificate = Certificate::read(&generation.env, &generation.prefix)?;
    let target = Target::Environment(Box::new(generation.clone()));
    let found = doctor::examine(ctx, &target, Depth::Content, None, None)
        .await?
        .findings;
    let (mut faults, mut left): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|finding| is_mended(finding, generation, request.finding));
    if let Some(code) = request.finding
        && !faults.iter().any(|finding| finding.code == code)
    {
        // A new generation would mend them, and was not asked for.
        left.splice(0..0, faults.drain(..));
    }
    // What is only worth knowing is the certificate's.
    left.retain(|finding| finding.severity > Severity::Info);
    let told = Repaired {
        faults,
        dropped: Vec::new(),
        left,
        certificate: None,
    };
    if told.faults.is_empty() || request.dry_run {
        return Ok(told);
    }

    install::check_places(ctx).await.map_err(InstallError::from)?;
    let store = Store::open(&ctx.settings)?;
    let _source_held = match &plan.source {
        Some(_) => Some(store.lock_source(&ctx.events, &plan.manifest).await?),
        None => None,
    };
    let _held = store.lock(&ctx.events, &plan.env).await?;
    // Another matenv may have changed or removed it while this one looked.
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
    };
    let built = build(ctx, &mut clock, &store, &recipe).await?;
    let mut told = told;
    // Whether conda finds the new one is told in its certificate.
    told.left.retain(|finding| finding.code != Code::CondaNameTaken);
    Ok(Repaired {
        dropped: built.dropped,
        certificate: Some(built.certificate),
        ..told
    })
}

/// Whether the same packages, installed anew, are without it.
fn is_mended(finding: &Finding, generation: &Generation, named: Option<Code>) -> bool {
    let bad = finding.severity > Severity::Info || named == Some(finding.code);
    let brought = || generation.record.made_with.iter().any(|known| known.is(finding));
    bad && finding.scope == Scope::Environment && !CHOSEN.contains(&finding.code) && !brought()
}
