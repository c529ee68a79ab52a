//! What a repair builds from: the records of the broken generation, and in place of damaged ones those of another
//! generation.

use std::path::Path;

use super::{RepairError, Subject};
use crate::{
    certificate::Certificate,
    context::Context,
    doctor::faults,
    files::layout,
    finding::{Code, Finding, Scope, Severity},
    install::{self, Machine, damaged_records, record_names},
    lock::Lock,
    plan::Plan,
    store::{Generation, Store},
};

/// The input of a new generation.
pub(super) struct Basis {
    pub(super) plan: Plan,
    /// The packages. `None` if they have to be found again.
    pub(super) lock: Option<Lock>,
    /// The machine that the environment is for.
    pub(super) machine: Machine,
    /// The plan fingerprint that the next `install` compares its plan with.
    pub(super) fingerprint: String,
}

impl Basis {
    /// Reads the records of `subject`. Uses those of the newest generation that is proven and readable in place of
    /// damaged ones. Returns `None` if no plan can be read.
    pub(super) fn find(ctx: &Context, store: &Store, subject: &Subject) -> Result<Option<Self>, RepairError> {
        let (prefix, record) = match subject {
            Subject::Installed(generation) => (&generation.prefix, Some(&generation.record)),
            Subject::Lost(lost) => (&lost.target, None),
        };
        let newest = store.newest_readable(subject.env())?;
        let is_other = |newest: &&Generation| newest.prefix != *prefix;
        let newest = newest.as_ref().filter(is_other);
        // A plan of other packages would not be a repair, unless there is no record that says what the packages were.
        let same = newest
            .filter(|newest| record.is_none_or(|record| record.plan_fingerprint == newest.record.plan_fingerprint));
        let own_plan = install::read_plan_at(prefix).ok();
        let is_own_plan = own_plan.is_some();
        let Some(plan) = own_plan.or_else(|| same.and_then(|same| install::read_plan(same).ok())) else {
            return Ok(None);
        };
        let fingerprint = match (record, same) {
            (Some(record), _) => record.plan_fingerprint.clone(),
            (None, Some(same)) if !is_own_plan => same.record.plan_fingerprint.clone(),
            (None, _) => plan.fingerprint(),
        };
        let lock = read_lock(prefix).or_else(|| {
            let same = newest.filter(|newest| newest.record.plan_fingerprint == fingerprint)?;
            read_lock(&same.prefix)
        });
        let certificate = Certificate::read(subject.env(), prefix).ok();
        let machine = match certificate {
            Some(certificate) => Machine {
                hardware: certificate.hardware,
                cross: certificate.cross,
            },
            None => Machine::new(&ctx.settings, None, record.is_some_and(|record| record.cross)),
        };
        Ok(Some(Self {
            plan,
            lock,
            machine,
            fingerprint,
        }))
    }
}

fn read_lock(prefix: &Path) -> Option<Lock> {
    Lock::read(&layout::records(prefix)).ok()
}

/// Returns the finding about the damaged records of `subject`, or `None` if all can be read.
pub(super) fn damage(subject: &Subject, has_manifest: bool) -> Option<Finding> {
    match subject {
        Subject::Lost(lost) => Some(faults::detect_lost(lost, has_manifest)),
        Subject::Installed(generation) => {
            let damaged = damaged_records(generation);
            let message = format!("matenv's records of `{}` are damaged", generation.env);
            let evidence = format!(
                "{}: {}",
                layout::records(&generation.prefix).display(),
                record_names(&damaged)
            );
            let finding = Finding::new(Code::GenerationGone, Severity::Error, Scope::Environment, message);
            (!damaged.is_empty()).then(|| {
                finding
                    .with_evidence([evidence])
                    .with_remedy(format!("matenv repair {}", generation.env))
            })
        }
    }
}
