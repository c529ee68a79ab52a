//! Findings: what is wrong with a machine, a shell or an environment, as values.
//!
//! In: facts that the stages gathered; [`examine`] gathers those of the machine, of this shell and of a prefix. Out:
//! [`Finding`]s, each with a code, evidence and a remedy.
//! Absent on purpose: printing, and exit codes. A finding is no error; errors mean "could not look".

mod described;
mod elsewhere;
mod examine;
pub mod faults;
mod host;
mod imports;
mod installers;
mod patient;
mod process;
pub mod repair;
mod target;
#[cfg(test)]
mod tests;

pub use described::Described;
pub use examine::{DoctorError, Examination, examine};
pub use faults::Code;
pub(crate) use installers::Installers;
pub use target::{Target, prefix_at};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Works now, may not later.
    Warning,
    /// A file differs or is missing, or something that the profile needs cannot load or is contradicted.
    Error,
}

/// Where the fault lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// This machine.
    Host,
    /// The variables of this shell.
    Process,
    /// The files of the environment.
    Environment,
}

/// One fault that was seen, or one fact worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which fault.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// Where it lies.
    pub scope: Scope,
    /// One sentence.
    pub message: String,
    /// Paths, versions, symbols: what proves it.
    pub evidence: Vec<String>,
    /// A command to paste, or what to do.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding about the environment's files, without evidence or remedy yet.
    pub fn new(code: Code, severity: Severity, scope: Scope, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            scope,
            message: message.into(),
            evidence: Vec::new(),
            remedy: None,
        }
    }

    /// The same finding with what proves it.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }

    /// The same finding with what to do.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Whether it stops an environment from being called good.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.severity == Severity::Error
    }
}
