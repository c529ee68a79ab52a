//! A lock for file systems that cannot lock files: a file that exists while its process works.
//!
//! The holder writes the file again every [`RENEWED_EVERY`]. A file that was not written for [`STALE_AFTER`], or whose
//! process on this machine has ended, counts as left over and is removed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sysinfo::System;

use crate::{
    files,
    input::{self, Input},
};

/// The interval at which a holder writes its file again.
const RENEWED_EVERY: Duration = Duration::from_secs(15);

/// The age at which a file counts as left over. Several renewals may fail before that.
const STALE_AFTER: Duration = Duration::from_mins(2);

/// The process that holds a lock, as it is written into the lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    /// The name of its machine.
    pub(super) host: String,
    /// Its process ID there.
    pub(super) pid: u32,
    /// When it took the lock (RFC 3339).
    pub(super) since: String,
}

impl Holder {
    pub(super) fn this_process() -> Self {
        Self {
            host: System::host_name().unwrap_or_default(),
            pid: std::process::id(),
            since: jiff::Timestamp::now().to_string(),
        }
    }

    /// Reads the holder from a lock file. `None` if the file is empty or cannot be read.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let text = input::read_text(path, Input::Record).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns whether the process has ended. `false` if that is unknown, as for a process of another machine.
    fn has_ended(&self) -> bool {
        System::host_name().is_ok_and(|host| host == self.host) && !is_running(self.pid)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}, since {}", self.pid, self.host, self.since)
    }
}

#[cfg(unix)]
fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // Without the right to signal it, the error is another one than `no such process`.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn is_running(_pid: u32) -> bool {
    true
}

/// A lease. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Lease {
    path: PathBuf,
    text: String,
    stop: Option<mpsc::Sender<()>>,
    renewal: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lease, or returns `None` if another process has it.
    pub(super) fn try_take(path: &Path) -> std::io::Result<Option<Self>> {
        let text = Holder::this_process().text();
        let is_taken = !create(path, &text)?;
        if is_taken && !(remove_if_stale(path)? && create(path, &text)?) {
            return Ok(None);
        }
        let (stop, stopped) = mpsc::channel();
        let (file, own) = (path.to_owned(), text.clone());
        let renewal = std::thread::spawn(move || {
            while stopped.recv_timeout(RENEWED_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Another process took it over if this one was stopped for minutes.
                if input::read_text(&file, Input::Record).is_ok_and(|there| there == own) {
                    // The next renewal tries again. The server's clock sets the time.
                    let _ = fs_err::write(&file, &own);
                }
            }
        });
        Ok(Some(Self {
            path: path.to_owned(),
            text,
            stop: Some(stop),
            renewal: Some(renewal),
        }))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(renewal) = self.renewal.take() {
            // It only ends early if it panicked.
            let _ = renewal.join();
        }
        if input::read_text(&self.path, Input::Record).is_ok_and(|there| there == self.text) {
            // If this fails, the file becomes stale.
            let _ = fs_err::remove_file(&self.path);
        }
    }
}

/// Creates the file with its text. Returns `false` if it exists.
fn create(path: &Path, text: &str) -> std::io::Result<bool> {
    match fs_err::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the file of a process that has ended or was not heard of for a long time.
fn remove_if_stale(path: &Path) -> std::io::Result<bool> {
    let folder = path.parent().unwrap_or(path);
    let Ok(modified) = fs_err::metadata(path).and_then(|metadata| metadata.modified()) else {
        // Its holder has just removed it.
        return Ok(true);
    };
    // The time of the file system, which may be another machine's.
    let now = tempfile::Builder::new().prefix(files::TEMPORARY).tempfile_in(folder)?;
    let now = now.as_file().metadata()?.modified()?;
    let age = now.duration_since(modified).unwrap_or_default();
    let text = input::read_text(path, Input::Record).unwrap_or_default();
    let has_ended = serde_json::from_str(&text).is_ok_and(|holder: Holder| holder.has_ended());
    if age < STALE_AFTER && !has_ended {
        return Ok(false);
    }
    // Only one process can rename it.
    let aside = path.with_added_extension(format!("stale-{}", std::process::id()));
    if fs_err::rename(path, &aside).is_err() {
        return Ok(true);
    }
    let is_same = input::read_text(&aside, Input::Record).is_ok_and(|there| there == text);
    if !is_same {
        // Another process was faster, and this is its file. Put it back, unless a third one took its place.
        let _ = fs_err::hard_link(&aside, path);
    }
    fs_err::remove_file(&aside)?;
    Ok(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_one_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("demo.lease");
        let first = Lease::try_take(&path).expect("written").expect("free");
        assert!(Lease::try_take(&path).expect("read").is_none());
        assert_eq!(Holder::read(&path).map(|holder| holder.pid), Some(std::process::id()));
        drop(first);
        assert!(!path.exists());
        assert!(Lease::try_take(&path).expect("written").is_some());
    }

    #[test]
    fn a_lease_that_nobody_renews_is_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("demo.lease");
        let elsewhere = Holder {
            host: "another-machine".to_owned(),
            pid: 1,
            since: String::new(),
        };
        fs_err::write(&path, elsewhere.text()).expect("written");
        assert!(Lease::try_take(&path).expect("read").is_none(), "it is new");
        let old = std::time::SystemTime::now() - STALE_AFTER - Duration::from_secs(5);
        let file = std::fs::File::options().write(true).open(&path).expect("open");
        file.set_modified(old).expect("set");
        assert!(Lease::try_take(&path).expect("read").is_some());
        assert_eq!(fs_err::read_dir(folder.path()).expect("read").count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_lease_of_a_process_that_has_ended_is_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("demo.lease");
        let ended = Holder {
            // Above the largest process ID of Linux.
            pid: 5_000_000,
            ..Holder::this_process()
        };
        fs_err::write(&path, ended.text()).expect("written");
        assert!(Lease::try_take(&path).expect("read").is_some());
    }

    #[test]
    fn eight_threads_never_hold_a_lease_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("demo.lease");
        let holding = std::sync::atomic::AtomicU32::new(0);
        let taken = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        if let Some(lease) = Lease::try_take(&path).expect("usable") {
                            use std::sync::atomic::Ordering::SeqCst;
                            assert_eq!(holding.fetch_add(1, SeqCst), 0, "two holders");
                            taken.fetch_add(1, SeqCst);
                            std::thread::sleep(Duration::from_millis(1));
                            holding.fetch_sub(1, SeqCst);
                            drop(lease);
                        }
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }
}
