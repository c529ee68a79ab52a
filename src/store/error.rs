use std::path::PathBuf;

use crate::names::EnvName;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read. Exit 1; the source names the file.
    #[error("failed to read the store")]
    Read(#[source] std::io::Error),
    /// A file could not be written (disk space, permissions). Exit 1; help: set `MATENV_HOME` to another folder.
    #[error("failed to write to the store")]
    Write(#[source] std::io::Error),
    /// A file or folder is in the place of an environment's link. Exit 1; help: move it away.
    #[error("{} is not a link", path.display())]
    NotALink {
        /// The path of the link.
        path: PathBuf,
    },
    /// A prefix would be longer than conda packages allow. Exit 1; help: set `MATENV_HOME` to a shorter path.
    #[error("the path of the environment is too long ({length} bytes, at most {room}): {}", prefix.display())]
    TooLong {
        /// The prefix.
        prefix: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest allowed length in bytes.
        room: usize,
    },
    /// A generation's record is damaged. Exit 5; help: `matenv install ENV --force`.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The parse error.
        #[source]
        source: serde_json::Error,
    },
    /// An environment could not be locked. Exit 1; help: set `MATENV_HOME` to a folder on another file system.
    #[error("failed to lock `{env}`")]
    Lock {
        /// The environment, or the name of the lock of a program's clones.
        env: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another matenv process has locked the environment for too long. Exit 1; help: wait, or end that process.
    #[error("another matenv process is working on `{env}` ({holder})")]
    Busy {
        /// The environment, or the name of the lock of a program's clones.
        env: String,
        /// The process.
        holder: String,
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
    /// The conda link could not be created, read or removed. Exit 1; the environment itself is not affected.
    #[error("failed to update the link by which conda finds `{env}`")]
    CondaLink {
        /// The environment.
        env: EnvName,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}
