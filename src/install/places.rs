//! Where an installation writes: the store and the caches, and what their filesystems offer.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use super::{RoomError, need::bytes};
use crate::{context::Context, files::Filesystem};

/// The variable that moves the store.
const STORE: &str = "MATENV_HOME";

/// A filesystem that does not say within this time whether it locks a file never will (NFS without its lock daemon).
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an installation writes, and the variable that moves each place.
pub(super) struct Places {
    pub(super) store: PathBuf,
    pub(super) wheels: PathBuf,
    pub(super) conda: PathBuf,
}

impl Places {
    pub(super) fn of(ctx: &Context) -> Self {
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

/// Whether the store and the caches can be written to and locked, and the store may run programs. Before the first
/// byte is fetched, and before a lock is waited for.
pub(crate) async fn check_places(ctx: &Context) -> Result<(), RoomError> {
    let places = Places::of(ctx);
    for (folder, variable) in places.all() {
        writable(folder, variable)?;
        locks(folder, variable).await?;
    }
    if Filesystem::of(&places.store).is_ok_and(|filesystem| filesystem.noexec) {
        return Err(RoomError::NoExec { folder: places.store });
    }
    Ok(())
}

/// A place of an installation, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceFacts {
    /// The variable that moves it.
    pub variable: &'static str,
    /// The folder.
    pub folder: PathBuf,
    /// What its filesystem offers; absent if it does not tell.
    pub filesystem: Option<Filesystem>,
    /// Whether it is on the store's filesystem, so that files of the caches are linked and not copied.
    pub shares_with_store: bool,
}

impl PlaceFacts {
    /// The store and the caches.
    #[must_use]
    pub fn all(ctx: &Context) -> Vec<Self> {
        let places = Places::of(ctx);
        let store = Filesystem::of(&places.store).ok().map(|filesystem| filesystem.device);
        let facts = |(folder, variable): (&Path, &'static str)| {
            let filesystem = Filesystem::of(folder).ok();
            Self {
                variable,
                folder: folder.to_owned(),
                filesystem,
                shares_with_store: filesystem.map(|filesystem| filesystem.device) == store,
            }
        };
        places.all().into_iter().map(facts).collect()
    }

    /// In words: `MATENV_HOME /home/you/.matenv: 79.00 GB and 5000000 files free`.
    #[must_use]
    pub fn words(&self) -> String {
        let free = match self.filesystem {
            None => "its filesystem does not tell".to_owned(),
            Some(filesystem) => match filesystem.free_inodes {
                Some(files) => format!("{} and {files} files free", bytes(filesystem.free_bytes)),
                None => format!("{} free", bytes(filesystem.free_bytes)),
            },
        };
        let links = if self.shares_with_store {
            ""
        } else {
            ", on another filesystem than the store: files are copied, not linked"
        };
        format!("{} {}: {free}{links}", self.variable, self.folder.display())
    }
}

fn writable(folder: &Path, variable: &'static str) -> Result<(), RoomError> {
    let tried = || -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".matenv-").tempfile_in(folder)?;
        file.write_all(b"matenv")
    };
    tried().map_err(|source| RoomError::NotWritable {
        folder: folder.to_owned(),
        variable,
        source,
    })
}

/// Whether files can be locked in `folder`.
async fn locks(folder: &Path, variable: &'static str) -> Result<(), RoomError> {
    let because = match try_lock(folder).await {
        Ok(Locked::Yes) => return Ok(()),
        // The store goes on without locks, and says so when it would take one.
        Ok(Locked::Refused(error)) if variable == STORE && error.kind() == std::io::ErrorKind::Unsupported => {
            return Ok(());
        }
        Ok(Locked::Refused(error)) => error.to_string(),
        Ok(Locked::NoAnswer) => NO_ANSWER.to_owned(),
        Err(source) => {
            return Err(RoomError::NotWritable {
                folder: folder.to_owned(),
                variable,
                source,
            });
        }
    };
    Err(RoomError::NoLocks {
        folder: folder.to_owned(),
        variable,
        because,
    })
}

const NO_ANSWER: &str = "no answer within 5 seconds";

/// Why the filesystem of `folder` locks no files; `None` where it does, and where nobody can try.
pub(crate) async fn lock_refused(folder: &Path) -> Option<String> {
    match try_lock(folder).await {
        Ok(Locked::Yes) | Err(_) => None,
        Ok(Locked::Refused(error)) => Some(error.to_string()),
        Ok(Locked::NoAnswer) => Some(NO_ANSWER.to_owned()),
    }
}

/// How a lock ended.
enum Locked {
    Yes,
    Refused(std::io::Error),
    NoAnswer,
}

/// A lock is tried in a thread of its own: where the lock daemon of NFS is gone, the call never comes back. An error means
/// that there is no file to lock.
async fn try_lock(folder: &Path) -> std::io::Result<Locked> {
    let file = tempfile::Builder::new().prefix(".matenv-").tempfile_in(folder)?;
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Nobody listens any more after PATIENCE.
        let _ = tell.send(file.as_file().lock());
    });
    Ok(match tokio::time::timeout(PATIENCE, told).await {
        Ok(Ok(Ok(()))) => Locked::Yes,
        Ok(Ok(Err(error))) => Locked::Refused(error),
        Ok(Err(_)) | Err(_) => Locked::NoAnswer,
    })
}
