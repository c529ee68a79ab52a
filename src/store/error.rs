use std::path::PathBuf;

use crate::names::EnvName;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something could not be read. Exit 1; the source names the file.
    #[error("cannot read the store")]
    Read(#[source] std::io::Error),
    /// Something could not be written: space, permission. Exit 1; help: set `MATENV_HOME` to another folder.
    #[error("cannot write to the store")]
    Write(#[source] std::io::Error),
    /// Something that is no link stands where an environment's link belongs. Exit 1; help: move it away.
    #[error("{} is not a link", path.display())]
    NotALink {
        /// Where the link belongs.
        path: PathBuf,
    },
    /// A prefix would be longer than the space that conda packages leave for it. Exit 1; help: set `MATENV_HOME` to a
    /// shorter path.
    #[error("the path of the environment has {length} bytes, conda packages have room for {room}: {}", prefix.display())]
    TooLong {
        /// The prefix.
        prefix: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest that fits.
        room: usize,
    },
    /// A generation's record is damaged. Exit 5; help: `matenv install ENV --force`.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        source: serde_json::Error,
    },
    /// The lock of an environment cannot be had. Exit 1; help: set `MATENV_HOME` to a folder on another filesystem.
    #[error("cannot lock `{env}`")]
    Lock {
        /// The environment, or whose clones.
        env: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A running program uses the environment. Exit 1; help: end it, or `matenv remove ENV --force`.
    #[error("a running program uses `{env}`: process {pid} in {}", prefix.display())]
    InUse {
        /// The environment.
        env: EnvName,
        /// The program's process.
        pid: u32,
        /// The generation that it uses.
        prefix: PathBuf,
    },
    /// The conda door could not be made, looked at or removed. Exit 1; the environment itself is not touched by it.
    #[error("cannot make conda find `{env}` by name")]
    Door {
        /// The environment.
        env: EnvName,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The environment's own Python is gone, or may not be run.
    #[error("the Python of `{env}` is gone or cannot be started")]
    NoPython {
        /// The environment.
        env: EnvName,
    },
    /// A command is not to be found. Exit 2; help: `matenv run ENV -- python --version` runs what is there.
    #[error("there is no command `{command}` in `{env}`")]
    NoCommand {
        /// What was asked for.
        command: String,
        /// The environment.
        env: EnvName,
    },
    /// A command could not be started. Exit 1.
    #[error("cannot start `{command}`")]
    Start {
        /// What was asked for.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
