use std::{
    fs::TryLockError,
    io::{ErrorKind, Seek as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use super::{
    StoreError,
    lease::{Holder, Lease},
};
use crate::context::event::Events;

/// The interval at which a waiting process tries to take the lock.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a process waits before it prints a note.
const NOTE_AFTER: Duration = Duration::from_millis(300);

/// The lock of an environment. It is released when it is dropped or the process ends.
#[derive(Debug)]
pub struct EnvLock {
    // The operating system releases the lock when the file is closed. The file itself stays: if it were removed, a
    // third process could lock a new file while a second one still waits for the old file.
    _file: fs_err::File,
    /// On a file system that cannot lock files.
    _lease: Option<Lease>,
}

/// Locks a file without waiting.
type Locking = fn(&fs_err::File) -> Result<(), TryLockError>;

fn flock(file: &fs_err::File) -> Result<(), TryLockError> {
    file.file().try_lock()
}

impl EnvLock {
    /// Takes the lock. If another process has it, waits for at most `limit`.
    pub(super) async fn acquire(
        state: &Path,
        events: &Events,
        env: &str,
        limit: Option<Duration>,
    ) -> Result<Self, StoreError> {
        Self::acquire_with(flock, state, events, env, limit).await
    }

    async fn acquire_with(
        locking: Locking,
        state: &Path,
        events: &Events,
        env: &str,
        limit: Option<Duration>,
    ) -> Result<Self, StoreError> {
        fs_err::create_dir_all(state).map_err(StoreError::Write)?;
        let began = Instant::now();
        let mut noted = false;
        loop {
            if let Some(lock) = Self::try_with(locking, state, env)? {
                return Ok(lock);
            }
            if limit.is_some_and(|limit| began.elapsed() >= limit) {
                return Err(StoreError::Busy {
                    env: env.to_owned(),
                    holder: holder(state, env),
                });
            }
            if !noted && began.elapsed() >= NOTE_AFTER {
                events.note(format!("another matenv process is working on `{env}`: waiting for it"));
                noted = true;
            }
            // Polling instead of blocking lets Ctrl-C end the wait.
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Takes the lock without waiting. Returns `None` if another process has it or locking fails.
    pub(super) fn try_acquire(state: &Path, env: &str) -> Option<Self> {
        Self::try_with(flock, state, env).ok().flatten()
    }

    fn try_with(locking: Locking, state: &Path, env: &str) -> Result<Option<Self>, StoreError> {
        let mut file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(state.join(format!("{env}.lock")))
            .map_err(StoreError::Write)?;
        match locking(&file) {
            Ok(()) => {
                // Only the message of another process needs it.
                let _ = write_holder(&mut file);
                Ok(Some(Self {
                    _file: file,
                    _lease: None,
                }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some file systems of clusters cannot lock files.
            Err(TryLockError::Error(source)) if is_unsupported(&source) => {
                let lease = Lease::try_take(&state.join(format!("{env}.lease"))).map_err(StoreError::Write)?;
                Ok(lease.map(|lease| Self {
                    _file: file,
                    _lease: Some(lease),
                }))
            }
            Err(TryLockError::Error(source)) => Err(StoreError::Lock {
                env: env.to_owned(),
                source,
            }),
        }
    }
}

/// Returns whether an error means that the file system cannot lock files, as NFS without its lock daemon.
#[must_use]
pub(crate) fn is_unsupported(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error()) {
        return true;
    }
    error.kind() == ErrorKind::Unsupported
}

fn write_holder(file: &mut fs_err::File) -> std::io::Result<()> {
    let text = Holder::this_process().text();
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

/// Describes the process that has the lock.
fn holder(state: &Path, env: &str) -> String {
    let files = ["lease", "lock"].map(|ending| state.join(format!("{env}.{ending}")));
    let holder = files.iter().find_map(|file| Holder::read(file));
    holder.map_or_else(|| "an unknown process".to_owned(), |holder| holder.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cannot(_: &fs_err::File) -> Result<(), TryLockError> {
        Err(TryLockError::Error(ErrorKind::Unsupported.into()))
    }

    #[tokio::test]
    async fn a_lock_that_is_held_is_refused_after_the_limit() {
        for locking in [flock as Locking, cannot] {
            let state = tempfile::tempdir().expect("a folder");
            let events = Events::silent();
            let take = |limit| EnvLock::acquire_with(locking, state.path(), &events, "demo", limit);
            let first = take(None).await.expect("free");
            for limit in [Duration::ZERO, Duration::from_millis(120)] {
                let began = Instant::now();
                let busy = take(Some(limit)).await.expect_err("held").to_string();
                assert!(began.elapsed() >= limit);
                let expected = format!("(process {} on ", std::process::id());
                assert!(busy.contains(&expected), "{busy}");
            }
            drop(first);
            assert!(take(Some(Duration::ZERO)).await.is_ok());
        }
    }
}
