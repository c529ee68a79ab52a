//! The permissions of new files. Other users must not be able to change them, whatever the umask of the shell is. In a
//! folder that a group shares (setgid, umask 0002), the group may.

use std::path::Path;
#[cfg(unix)]
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

#[cfg(unix)]
use rustix::fs::Mode;

/// The umask with which matenv was started.
#[cfg(unix)]
static STARTED_WITH: OnceLock<Mode> = OnceLock::new();

/// Whether the group may change new files.
#[cfg(unix)]
static SHARED: AtomicBool = AtomicBool::new(false);

/// Makes new files of this process and of its children writable by the user only. Called once, before any thread.
#[cfg(unix)]
pub(crate) fn limit() {
    let started_with = rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let _ = STARTED_WITH.set(started_with);
    rustix::process::umask(started_with | Mode::WGRP | Mode::WOTH);
}

/// Lets the group change new files if `folder`, or the folder above that exists, is shared and the umask allows it.
#[cfg(unix)]
pub(crate) fn share(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(started_with) = STARTED_WITH.get() else { return };
    let Some(metadata) = folder.ancestors().find_map(|folder| std::fs::metadata(folder).ok()) else {
        return;
    };
    let is_shared = metadata.permissions().mode() & 0o2020 == 0o2020;
    if is_shared && !started_with.contains(Mode::WGRP) {
        rustix::process::umask(*started_with | Mode::WOTH);
        SHARED.store(true, Ordering::Relaxed);
    }
}

/// Restores the umask for a program of the user, which is started next.
#[cfg(unix)]
pub(crate) fn restore() {
    if let Some(started_with) = STARTED_WITH.get() {
        rustix::process::umask(*started_with);
    }
}

/// Returns `mode` (0644 or 0755), with the group's right to write if the folder is shared.
#[cfg(unix)]
pub(crate) fn of_new(mode: u32) -> u32 {
    if SHARED.load(Ordering::Relaxed) {
        mode | 0o020
    } else {
        mode
    }
}

/// Takes the right to write from other users, for a file that an archive brought. Files of other users stay as they
/// are.
#[cfg(unix)]
pub(crate) fn tighten(path: &Path, metadata: &std::fs::Metadata) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode();
    let allowed = of_new(0o755) | !0o777;
    if mode & !allowed != 0 {
        // The file is in a cache, which may belong to another user.
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & allowed & 0o7777));
    }
}

#[cfg(not(unix))]
pub(crate) fn limit() {}

#[cfg(not(unix))]
pub(crate) fn share(_folder: &Path) {}

#[cfg(not(unix))]
pub(crate) fn restore() {}

#[cfg(not(unix))]
pub(crate) fn tighten(_path: &Path, _metadata: &std::fs::Metadata) {}
