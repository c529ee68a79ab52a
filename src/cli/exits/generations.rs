//! Errors about the generations of an environment.

use super::super::{Exit, Failure, error::DISK};
use crate::install::{GenerationError, RollbackError};

impl From<GenerationError> for Failure {
    fn from(error: GenerationError) -> Self {
        let (code, exit, help) = match error {
            GenerationError::Store(error) => return error.into(),
            GenerationError::Records(error) => return error.into(),
            GenerationError::Unknown { ref env, ref known, .. } if known.is_empty() => (
                "generation::unknown",
                Exit::Usage,
                format!("install the environment: matenv install {env}"),
            ),
            GenerationError::Unknown { ref env, ref known, .. } => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                (
                    "generation::unknown",
                    Exit::Usage,
                    format!(
                        "use one of its generations ({}): matenv history {env}",
                        known.join(", ")
                    ),
                )
            }
            GenerationError::Damaged { ref env, .. } => (
                "generation::damaged",
                Exit::Integrity,
                format!("use another generation: matenv history {env}"),
            ),
            GenerationError::NoCurrent { ref env } => (
                "generation::no_current",
                Exit::Faulty,
                format!("name a generation (matenv history {env}); or go back to a proven one: matenv rollback {env}"),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<RollbackError> for Failure {
    fn from(error: RollbackError) -> Self {
        let (code, exit, help) = match error {
            RollbackError::Generation(error) => return error.into(),
            RollbackError::Store(error) => return error.into(),
            RollbackError::Records(error) => return error.into(),
            RollbackError::Prove(error) => return error.into(),
            RollbackError::Certificate(error) => return error.into(),
            RollbackError::NoEarlier { ref env } => (
                "rollback::no_earlier",
                Exit::Usage,
                format!("choose a generation: matenv history {env}, then: matenv rollback {env} --to N"),
            ),
            RollbackError::SaveSettings { .. } => ("rollback::save_settings", Exit::Machine, DISK.to_owned()),
            RollbackError::RestoreSettings { ref env, number, .. } => (
                "rollback::restore_settings",
                Exit::Machine,
                format!("run the command again: matenv rollback {env} --to {number} --with-settings"),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}
