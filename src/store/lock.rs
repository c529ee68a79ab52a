use std::{
    fs::TryLockError,
    io::ErrorKind,
    path::Path,
    time::{Duration, Instant},
};

use super::StoreError;
use crate::context::event::Events;

/// How often a waiting installation looks again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long it waits before it says so: what is over sooner needs no words.
const PATIENCE: Duration = Duration::from_millis(300);

/// An environment that this process holds, until it is dropped or the process ends.
#[derive(Debug)]
pub struct EnvLock {
    // The operating system releases the lock with the file. The file itself stays: who removes it lets a third
    // process lock a new one while a second still waits for the old.
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
        let mut said = false;
        loop {
            match file.file().try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if !said && began.elapsed() >= PATIENCE {
                        events.note(format!("another matenv works on `{env}`: waiting for it"));
                        said = true;
                    }
                    // Polled and not blocked on, so that Ctrl-C ends the wait.
                    tokio::time::sleep(AGAIN).await;
                }
                // Some cluster filesystems are mounted without locks; an environment there is better than none.
                Err(TryLockError::Error(source)) if source.kind() == ErrorKind::Unsupported => {
                    events.warn(format!(
                        "{} has no locks: make sure that no other matenv works on `{env}`",
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

    /// The lock if nobody else has it; `None` too where it cannot be asked for.
    pub(super) fn at_once(state: &Path, env: &str) -> Option<Self> {
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(state.join(format!("{env}.lock")))
            .ok()?;
        file.file().try_lock().ok()?;
        Some(Self { _file: file })
    }
}
