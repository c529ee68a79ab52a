//! The folders that an installation writes to (the store and the caches) and the properties of their file systems.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use super::DiskSpaceError;
use crate::{
    context::Context,
    files::{self, Filesystem, bytes},
    store::is_unsupported,
};

/// The variable that sets the store's folder.
const STORE: &str = "MATENV_HOME";

/// The time limit for locking a file. On NFS without its lock daemon, the call never returns.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The folders that an installation writes to.
pub(super) struct Places {
    pub(super) store: PathBuf,
    pub(super) wheels: PathBuf,
    pub(super) conda: PathBuf,
}

impl Places {
    pub(super) fn resolve(ctx: &Context) -> Self {
        Self {
            store: ctx.settings.home.clone(),
            wheels: ctx.settings.uv_cache.clone(),
            conda: ctx.settings.rattler_cache.clone(),
        }
    }

    fn all(&self) -> [(&Path, &'static str); 3] {
        [
            (&self.store, STORE),
            (&self.wheels, "UV_CACHE_DIR"),
            (&self.conda, "RATTLER_CACHE_DIR"),
        ]
    }
}

/// Checks that the store and the caches can be written to and locked, and that programs can run from the store. This
/// comes before the first download and before waiting for a lock.
pub(crate) async fn check_places(ctx: &Context) -> Result<(), DiskSpaceError> {
    let places = Places::resolve(ctx);
    for (folder, variable) in places.all() {
        writable(folder, variable)?;
        locks(folder, variable).await?;
    }
    if Filesystem::at_path(&places.store).is_ok_and(|filesystem| filesystem.noexec) {
        return Err(DiskSpaceError::NoExec { folder: places.store });
    }
    Ok(())
}

/// A folder that an installation writes to, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FolderFacts {
    /// The variable that sets the folder.
    pub variable: &'static str,
    /// The folder.
    pub folder: PathBuf,
    /// The properties of its file system, or `None` if they cannot be read.
    pub filesystem: Option<Filesystem>,
    /// Whether it is on the store's file system, so that files are linked from the caches and not copied.
    pub shares_with_store: bool,
}

impl FolderFacts {
    /// Returns the store and the caches.
    #[must_use]
    pub(crate) fn all(ctx: &Context) -> Vec<Self> {
        let places = Places::resolve(ctx);
        let store = Filesystem::at_path(&places.store)
            .ok()
            .map(|filesystem| filesystem.device);
        let facts = |(folder, variable): (&Path, &'static str)| {
            let filesystem = Filesystem::at_path(folder).ok();
            Self {
                variable,
                folder: folder.to_owned(),
                filesystem,
                shares_with_store: filesystem.map(|filesystem| filesystem.device) == store,
            }
        };
        places.all().into_iter().map(facts).collect()
    }

    /// Formats the facts: `MATENV_HOME /home/you/.matenv: 79.00 GB and 5000000 inodes free`.
    #[must_use]
    pub(crate) fn describe(&self) -> String {
        let free = match self.filesystem {
            None => "free space unknown".to_owned(),
            Some(filesystem) => match filesystem.free_inodes {
                Some(files) => format!("{} and {files} inodes free", bytes(filesystem.free_bytes)),
                None => format!("{} free", bytes(filesystem.free_bytes)),
            },
        };
        let links = if self.shares_with_store {
            ""
        } else {
            ", on a different file system than the store: files are copied, not linked"
        };
        format!("{} {}: {free}{links}", self.variable, self.folder.display())
    }
}

fn writable(folder: &Path, variable: &'static str) -> Result<(), DiskSpaceError> {
    let write = || -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(files::TEMPORARY).tempfile_in(folder)?;
        file.write_all(b"matenv")
    };
    write().map_err(|source| DiskSpaceError::NotWritable {
        folder: folder.to_owned(),
        variable,
        source,
    })
}

/// Checks that files can be locked in `folder`.
async fn locks(folder: &Path, variable: &'static str) -> Result<(), DiskSpaceError> {
    let because = match try_lock(folder).await {
        Ok(Locked::Yes) => return Ok(()),
        // The store uses leases instead.
        Ok(Locked::Refused(error)) if variable == STORE && is_unsupported(&error) => {
            return Ok(());
        }
        Ok(Locked::Refused(error)) => error.to_string(),
        Ok(Locked::NoAnswer) => NO_ANSWER.to_owned(),
        Err(source) => {
            return Err(DiskSpaceError::NotWritable {
                folder: folder.to_owned(),
                variable,
                source,
            });
        }
    };
    Err(DiskSpaceError::NoLocks {
        folder: folder.to_owned(),
        variable,
        because,
    })
}

const NO_ANSWER: &str = "no answer within 5 seconds";

/// Returns why files cannot be locked in `folder`. Returns `None` if they can, or if no file can be created to try.
pub(crate) async fn lock_refused(folder: &Path) -> Option<String> {
    match try_lock(folder).await {
        Ok(Locked::Yes) | Err(_) => None,
        Ok(Locked::Refused(error)) => Some(error.to_string()),
        Ok(Locked::NoAnswer) => Some(NO_ANSWER.to_owned()),
    }
}

/// The result of locking a file.
enum Locked {
    Yes,
    Refused(std::io::Error),
    NoAnswer,
}

/// Tries to lock a file, in a separate thread because the call never returns on NFS without its lock daemon.
///
/// # Errors
/// If the file to lock cannot be created.
async fn try_lock(folder: &Path) -> std::io::Result<Locked> {
    let file = tempfile::Builder::new().prefix(files::TEMPORARY).tempfile_in(folder)?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Sending fails after the time limit, which is fine.
        let _ = sender.send(file.as_file().lock());
    });
    Ok(match tokio::time::timeout(LOCK_TIMEOUT, receiver).await {
        Ok(Ok(Ok(()))) => Locked::Yes,
        Ok(Ok(Err(error))) => Locked::Refused(error),
        Ok(Err(_)) | Err(_) => Locked::NoAnswer,
    })
}
