use std::path::PathBuf;

use crate::names::EnvName;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something could not be read.
    #[error("cannot read the store")]
    Read(#[source] std::io::Error),
    /// Something could not be written.
    #[error("cannot write to the store")]
    Write(#[source] std::io::Error),
    /// A generation's record is damaged.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        source: serde_json::Error,
    },
    /// The lock of an environment cannot be had on this filesystem.
    #[error("cannot lock `{env}`")]
    Lock {
        /// The environment.
        env: EnvName,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A running program uses the environment.
    #[error("a running program uses `{env}`: {}", path.display())]
    InUse {
        /// The environment.
        env: EnvName,
        /// The file or folder that is used.
        path: PathBuf,
    },
    /// A command is not to be found.
    #[error("there is no command `{command}` in `{env}`")]
    NoCommand {
        /// What was asked for.
        command: String,
        /// The environment.
        env: EnvName,
    },
    /// A command could not be started.
    #[error("cannot start `{command}`")]
    Start {
        /// What was asked for.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
