use std::{
    fs::TryLockError,
    io::ErrorKind,
    path::Path,
    time::{Duration, Instant},
};

use super::StoreError;
use crate::{context::event::Events, files::lock_file};

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
}

impl EnvLock {
    pub(super) async fn acquire(state: &Path, events: &Events, env: &str) -> Result<Self, StoreError> {
        fs_err::create_dir_all(state).map_err(StoreError::Write)?;
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(state.join(format!("{env}.lock")))
            .map_err(StoreError::Write)?;
        let began = Instant::now();
        let mut noted = false;
        loop {
            match file.file().try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if !noted && began.elapsed() >= NOTE_AFTER {
                        events.note(format!("another matenv process is working on `{env}`: waiting for it"));
                        noted = true;
                    }
                    // Polling instead of blocking lets Ctrl-C end the wait.
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                // Some cluster file systems do not support locks. Installing without a lock is better than failing.
                Err(TryLockError::Error(source)) if source.kind() == ErrorKind::Unsupported => {
                    events.warn(format!(
                        "{} does not support file locks: make sure that no other matenv process works on `{env}`",
                        state.display()
                    ));
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::Lock {
                        env: env.to_owned(),
                        source,
                    });
                }
            }
        }
    }

    /// Takes the lock without waiting. Returns `None` if another process has it or locking fails.
    pub(super) fn try_acquire(state: &Path, env: &str) -> Option<Self> {
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(state.join(format!("{env}.lock")))
            .ok()?;
        lock_file(file.file(), false).then_some(Self { _file: file })
    }
}
