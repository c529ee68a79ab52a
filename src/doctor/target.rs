//! What is examined, and the prefixes that belong to it.

use std::path::{Path, PathBuf};

use super::{Described, DoctorError, elsewhere, patient::Patient};
use crate::finding::{Code, Finding, Scope, Severity};
use crate::{
    audit::{AuditError, Installed},
    context::Context,
    files::layout,
    names::causes::chain,
    store::{Generation, Lost, Store},
};

/// What is examined, beside the machine.
#[derive(Debug, Clone)]
pub enum Target {
    /// The files of every environment, and nothing is started.
    Everything,
    /// An environment of matenv's.
    Environment(Box<Generation>),
    /// What is left of one whose folder is gone.
    Lost(Box<Lost>),
    /// A conda or virtual environment that matenv did not make.
    Prefix(PathBuf),
}

/// The folder of a prefix as it was typed, made whole.
#[must_use]
pub fn prefix_at(cwd: &Path, typed: &Path) -> PathBuf {
    let whole = cwd.join(typed);
    fs_err::canonicalize(&whole).unwrap_or(whole)
}

/// Whether conda or `venv` made it, or it looks as if.
fn is_environment(prefix: &Path) -> bool {
    prefix.join("conda-meta").is_dir()
        || prefix.join("pyvenv.cfg").is_file()
        || layout::site_packages_of(prefix).is_some()
}

/// Those that can be examined, and what keeps others from it.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) patients: Vec<Patient>,
    pub(super) findings: Vec<Finding>,
}

impl Seen {
    /// One whose records cannot be read leaves the others, and the machine.
    fn admit(&mut self, generation: Generation, described: Option<&Described>) {
        let record = generation.record.clone();
        match Patient::installed(generation, described) {
            Ok(patient) => self.patients.push(patient),
            Err(error) => {
                let env = &record.env;
                let message = format!("what matenv wrote down of `{env}` cannot be read, so it is not examined");
                let finding = Finding::new(Code::GenerationGone, Severity::Error, Scope::Environment, message);
                self.findings.push(
                    finding
                        .with_evidence([chain(&error)])
                        .with_remedy(format!("matenv install {} --force", record.typed())),
                );
            }
        }
    }
}

/// The prefixes to look at.
pub(super) fn patients(ctx: &Context, target: &Target, described: Option<&Described>) -> Result<Seen, DoctorError> {
    let mut seen = Seen::default();
    match target {
        Target::Lost(_) => {}
        Target::Environment(generation) => seen.admit((**generation).clone(), described),
        Target::Prefix(prefix) if !is_environment(prefix) => {
            return Err(DoctorError::NoEnvironment { prefix: prefix.clone() });
        }
        Target::Prefix(prefix) => {
            // One of ours may be named by its folder.
            let ours = Store::open(&ctx.settings)?
                .list()?
                .into_iter()
                .find(|generation| fs_err::canonicalize(&generation.prefix).is_ok_and(|real| real == *prefix));
            match ours {
                Some(generation) => seen.admit(generation, described),
                None => seen.patients.push(foreign(prefix, described)?),
            }
        }
        Target::Everything => {
            for generation in Store::open(&ctx.settings)?.list()? {
                seen.admit(generation, described);
            }
        }
    }
    Ok(seen)
}

/// The environments whose folders are gone, as far as they are looked at.
pub(super) fn lost(ctx: &Context, target: &Target) -> Result<Vec<Lost>, DoctorError> {
    match target {
        Target::Lost(lost) => Ok(vec![(**lost).clone()]),
        Target::Everything => Ok(Store::open(&ctx.settings)?.all_lost()?),
        Target::Environment(_) | Target::Prefix(_) => Ok(Vec::new()),
    }
}

/// What matenv did not make: it asks for CUDA where its files do, if it is judged for a machine that somebody names.
fn foreign(prefix: &Path, described: Option<&Described>) -> Result<Patient, AuditError> {
    let asks = |described: &Described| {
        let installed = Installed::read(prefix)?;
        Ok::<_, AuditError>(elsewhere::subject(&installed, &described.hardware))
    };
    Ok(Patient {
        cuda: described.map(asks).transpose()?.and_then(|subject| subject.cuda),
        ..Patient::foreign(prefix)
    })
}
