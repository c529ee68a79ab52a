//! The target of an examination, and its prefixes.

use std::path::{Path, PathBuf};

use super::{DoctorError, TargetMachine};
use crate::{
    audit::{AuditError, Installed},
    context::Context,
    doctor::{examined::ExaminedPrefix, foreign},
    files::layout,
    finding::{Code, Finding, Scope, Severity},
    names::causes::chain,
    store::{Generation, Lost, Store},
};

/// The target of an examination, in addition to the machine.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// The files of every environment. No program is started.
    Everything,
    /// An environment that matenv created.
    Environment(Box<Generation>),
    /// The remains of an environment whose folder is missing.
    Lost(Box<Lost>),
    /// A foreign conda or virtual environment.
    Prefix(PathBuf),
}

/// Returns the absolute path of a prefix that the user named.
#[must_use]
pub(crate) fn prefix_at(cwd: &Path, typed: &Path) -> PathBuf {
    let whole = cwd.join(typed);
    fs_err::canonicalize(&whole).unwrap_or(whole)
}

/// Returns whether the folder looks like a conda or virtual environment.
fn is_environment(prefix: &Path) -> bool {
    prefix.join("conda-meta").is_dir()
        || prefix.join("pyvenv.cfg").is_file()
        || layout::site_packages_of(prefix).is_some()
}

/// The prefixes that can be examined, and findings about those that cannot.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) prefixes: Vec<ExaminedPrefix>,
    pub(super) findings: Vec<Finding>,
}

impl Seen {
    /// Adds an environment. If its records cannot be read, it adds a finding instead, and the examination continues.
    fn admit(&mut self, generation: Generation, described: Option<&TargetMachine>) {
        let record = generation.record.clone();
        match ExaminedPrefix::installed(generation, described) {
            Ok(examined) => self.prefixes.push(examined),
            Err(error) => {
                let env = &record.env;
                let message = format!("failed to read matenv's records of `{env}`, so it is not examined");
                let finding = Finding::new(Code::GenerationGone, Severity::Error, Scope::Environment, message);
                self.findings.push(
                    finding
                        .with_evidence([chain(&error)])
                        .with_remedy(format!("matenv install {}", record.typed())),
                );
            }
        }
    }
}

/// Returns the prefixes to examine.
pub(super) fn examined_prefixes(
    ctx: &Context,
    target: &Target,
    described: Option<&TargetMachine>,
) -> Result<Seen, DoctorError> {
    let mut seen = Seen::default();
    match target {
        Target::Lost(_) => {}
        Target::Environment(generation) => seen.admit((**generation).clone(), described),
        Target::Prefix(prefix) if !is_environment(prefix) => {
            return Err(DoctorError::NoEnvironment { prefix: prefix.clone() });
        }
        Target::Prefix(prefix) => {
            // An environment of matenv may be named by its folder.
            let ours = Store::open(&ctx.settings)?
                .list()?
                .into_iter()
                .find(|generation| fs_err::canonicalize(&generation.prefix).is_ok_and(|real| real == *prefix));
            match ours {
                Some(generation) => seen.admit(generation, described),
                None => seen.prefixes.push(foreign(prefix, described)?),
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

/// Returns the environments of the target whose folders are missing.
pub(super) fn lost(ctx: &Context, target: &Target) -> Result<Vec<Lost>, DoctorError> {
    match target {
        Target::Lost(lost) => Ok(vec![(**lost).clone()]),
        Target::Everything => Ok(Store::open(&ctx.settings)?.all_lost()?),
        Target::Environment(_) | Target::Prefix(_) => Ok(Vec::new()),
    }
}

/// Returns a foreign prefix. With a `described` machine, it needs CUDA if its files do.
fn foreign(prefix: &Path, described: Option<&TargetMachine>) -> Result<ExaminedPrefix, AuditError> {
    let subject = |described: &TargetMachine| {
        let installed = Installed::read(prefix)?;
        Ok::<_, AuditError>(foreign::subject(&installed, &described.hardware))
    };
    Ok(ExaminedPrefix {
        cuda: described.map(subject).transpose()?.and_then(|subject| subject.cuda),
        ..ExaminedPrefix::foreign(prefix)
    })
}
