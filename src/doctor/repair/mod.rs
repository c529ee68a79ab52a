//! Repair: builds a broken environment again from its own lock, as a new generation, which replaces it if it is proven.
//!
//! Input: an installed generation. Output: a [`Repaired`]. [`crate::doctor`] finds the problems, and reads every file for
//! that. This module does not change an environment in place: most faults come from such changes under running
//! programs.

mod basis;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    audit::Depth,
    certificate::Certificate,
    context::Context,
    doctor::{self, DoctorError, Target},
    finding::{Code, Finding, Scope, Severity},
    install::{
        self, BuildError, Clock, DiskSpaceError, InstallError, LockMode, Machine, Packages, Prove, Recipe, Request,
        altered::Altered, build,
    },
    manifest::{
        Manifests,
        lab::{self, Lab},
    },
    names::EnvName,
    store::{Action, Generation, Lost, Store, StoreError},
};
use basis::Basis;

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
    /// A folder cannot be used.
    #[error(transparent)]
    DiskSpace(#[from] DiskSpaceError),
    /// The new generation could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No generation says how to build the environment, and neither does a manifest.
    #[error("failed to read matenv's records of `{env}`, and there is no manifest for it")]
    NoPlan {
        /// The environment.
        env: EnvName,
        /// The arguments of `matenv install` that create it again.
        typed: String,
    },
    /// The folder or the record of the environment is missing, and so is everything that says how to build it.
    #[error("{}", .0.message())]
    Lost(Box<Lost>),
    /// The environment could not be installed from its manifest.
    #[error(transparent)]
    Install(#[from] Box<InstallError>),
    /// Another matenv process replaced or removed the environment during the examination.
    #[error("another matenv process changed `{env}` during the repair")]
    ChangedMeanwhile {
        /// The environment.
        env: EnvName,
    },
}

/// An environment to repair.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// The current generation.
    Installed(Box<Generation>),
    /// An environment whose link does not lead to a generation.
    Lost(Box<Lost>),
}

impl Subject {
    fn env(&self) -> &EnvName {
        match self {
            Self::Installed(generation) => &generation.env,
            Self::Lost(lost) => &lost.env,
        }
    }

    /// Returns whether it is still the current state of its environment.
    fn is_current(&self, store: &Store) -> Result<bool, StoreError> {
        let current = store.current(self.env())?.map(|current| current.prefix);
        Ok(match self {
            Self::Installed(generation) => current.as_ref() == Some(&generation.prefix),
            Self::Lost(_) => current.is_none(),
        })
    }
}

/// Examines `subject`, and builds it again from its own lock if that fixes the findings. If its records are damaged, it
/// is built from the records that can be read, or from its manifest.
///
/// # Errors
/// No record says how to build it, another matenv process changed it during the repair, or it cannot be built.
pub(crate) async fn repair(
    ctx: &Context,
    manifests: &Manifests,
    lab: Option<&Arc<Lab>>,
    subject: &Subject,
    request: &RepairRequest,
) -> Result<Repaired, RepairError> {
    let mut clock = Clock::new(ctx);
    let store = Store::open(&ctx.settings)?;
    store.tidy();
    let env = subject.env();
    let has_manifest = lab::knows(lab.map(AsRef::as_ref), manifests, env);
    let repaired = match (basis::damage(subject, has_manifest), subject) {
        (Some(damage), _) => sorted(vec![damage], None, request),
        (None, Subject::Installed(generation)) => {
            let target = Target::Environment(generation.clone());
            let found = doctor::examine(ctx, &target, Depth::Content, None, None).await?;
            sorted(found.findings, Some(generation), request)
        }
        (None, Subject::Lost(_)) => sorted(Vec::new(), None, request),
    };
    if repaired.faults.is_empty() || request.dry_run {
        return Ok(repaired);
    }

    install::check_places(ctx).await?;
    let Some(basis) = Basis::find(ctx, &store, subject)? else {
        return from_manifest(ctx, manifests, lab, subject, request, repaired).await;
    };
    let plan = &basis.plan;
    let _source_held = match &plan.source {
        Some(_) => Some(store.lock_source(&ctx.events, &plan.manifest).await?),
        None => None,
    };
    let _held = store.lock(&ctx.events, env).await?;
    // Another matenv process may have changed or removed it during the examination.
    if !subject.is_current(&store)? {
        return Err(RepairError::ChangedMeanwhile { env: env.clone() });
    }
    let recipe = Recipe {
        plan,
        packages: match &basis.lock {
            Some(lock) => Packages::Of(lock),
            None => Packages::Found { upgrade: false },
        },
        machine: &basis.machine,
        prove: &request.prove,
        fingerprint: basis.fingerprint.clone(),
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

/// Sorts the findings into those that a new generation fixes and the others. Those of damaged records have no
/// `generation`.
fn sorted(found: Vec<Finding>, generation: Option<&Generation>, request: &RepairRequest) -> Repaired {
    let is_fixable = |finding: &Finding| match generation {
        Some(generation) => is_fixable(finding, generation, request.finding),
        None => true,
    };
    let (mut faults, mut left): (Vec<_>, Vec<_>) = found.into_iter().partition(is_fixable);
    if let Some(code) = request.finding
        && !faults.iter().any(|finding| finding.code == code)
    {
        // A new generation would fix them, but was not requested.
        left.splice(0..0, faults.drain(..));
    }
    // Information is in the certificate.
    left.retain(|finding| finding.severity > Severity::Info);
    Repaired {
        faults,
        dropped: Vec::new(),
        left,
        certificate: None,
    }
}

/// Installs an environment without a readable plan from its manifest. It keeps the versions that a lock still names.
async fn from_manifest(
    ctx: &Context,
    manifests: &Manifests,
    lab: Option<&Arc<Lab>>,
    subject: &Subject,
    request: &RepairRequest,
    repaired: Repaired,
) -> Result<Repaired, RepairError> {
    let env = subject.env();
    let record = match subject {
        Subject::Installed(generation) => Some(&generation.record),
        Subject::Lost(_) => None,
    };
    let name = record.map_or(env, |record| &record.manifest).to_string();
    let known = lab::select(lab.map(AsRef::as_ref), manifests, &[name], Some(env));
    let Some(selected) = known.ok().and_then(|mut selected| selected.pop()) else {
        return Err(match subject {
            Subject::Installed(generation) => RepairError::NoPlan {
                env: env.clone(),
                typed: generation.record.typed(),
            },
            Subject::Lost(lost) => RepairError::Lost(lost.clone()),
        });
    };
    let wanted = Request {
        machine: Machine::new(&ctx.settings, None, record.is_some_and(|record| record.cross)),
        profile: record.map(|record| record.profile),
        name: None,
        force: false,
        prove: request.prove.clone(),
        menu: false,
        sources: Vec::new(),
        excluded: BTreeMap::new(),
        lock: LockMode::IfSatisfied,
        upgrade: false,
        lab: lab.cloned(),
    };
    let installed = install::install(ctx, selected.manifest, &wanted.for_selected(&selected)).await;
    Ok(Repaired {
        certificate: Some(installed.map_err(Box::new)?.certificate),
        ..repaired
    })
}

/// Returns whether a new installation of the same packages fixes the finding.
fn is_fixable(finding: &Finding, generation: &Generation, named: Option<Code>) -> bool {
    let bad = finding.severity > Severity::Info || named == Some(finding.code);
    let known = || generation.record.made_with.iter().any(|one| one.is(finding));
    bad && finding.scope == Scope::Environment && !NOT_REPAIRABLE.contains(&finding.code) && !known()
}
