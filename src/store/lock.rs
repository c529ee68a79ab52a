use std::{fs::TryLockError, path::Path, time::Duration};

use super::StoreError;
use crate::{event::Events, names::EnvName};

/// How often a waiting installation looks again.
const AGAIN: Duration = Duration::from_millis(100);

/// An environment that this process holds, until it is dropped or the process ends.
#[derive(Debug)]
pub struct EnvLock {
    // The operating system releases the lock with the file.
    _file: fs_err::File,
}

impl EnvLock {
    pub(super) async fn acquire(state: &Path, events: &Events, env: &EnvName) -> Result<Self, StoreError> {
        fs_err::create_dir_all(state).map_err(StoreError::Write)?;
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(state.join(format!("{env}.lock")))
            .map_err(StoreError::Write)?;
        let mut said = false;
        loop {
            match file.file().try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if !said {
                        events.note(format!("another matenv works on `{env}`: waiting for it"));
                        said = true;
                    }
                    // Polled and not blocked on, so that Ctrl-C ends the wait.
                    tokio::time::sleep(AGAIN).await;
                }
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::Lock {
                        env: env.clone(),
                        source,
                    });
                }
            }
        }
    }
}
