//! Findings: problems of a machine, a shell or an environment, as values.
//!
//! In: facts that the stages gathered. [`examine`] gathers the facts about the machine, this shell and a prefix.
//! Out: [`Finding`]s, each with a code, evidence and a remedy.
//! Not here: printing and exit codes. A finding is not an error: an error means that the examination itself failed.

mod described;
mod elsewhere;
mod examine;
pub mod faults;
mod host;
mod imports;
mod installers;
mod patient;
mod process;
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

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Information only.
    Info,
    /// It works now, but may fail later.
    Warning,
    /// A file differs or is missing, or something that the profile needs fails to load or conflicts.
    Error,
}

/// The place of a problem.
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

/// One detected problem, or one useful fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The code of the fault.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// The place of the problem.
    pub scope: Scope,
    /// The problem in one sentence.
    pub message: String,
    /// The evidence: paths, versions, symbols.
    pub evidence: Vec<String>,
    /// A command to paste, or an instruction.
    pub remedy: Option<String>,
}

impl Finding {
    /// Creates a finding without evidence and without a remedy.
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

    /// Adds evidence.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }

    /// Sets the remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Returns whether the finding is an error, which makes the environment faulty.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.severity == Severity::Error
    }
}
