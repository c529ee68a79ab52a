//! Which folders of the store running programs use.
//!
//! Absent on purpose: processes that may not be looked at. They are other users', and keep what they have open.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// A process that uses a folder of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// Its number.
    pub(super) pid: u32,
    /// Name of the folder right below the store.
    pub(super) folder: String,
}

/// Every process but this one that runs from, is in, has mapped or was activated for a folder below `store`.
pub(super) fn users(store: &Path) -> Vec<User> {
    // The kernel tells paths with links resolved; variables and command lines have them as they were typed.
    let mut roots = vec![store.to_owned()];
    roots.extend(fs_err::canonicalize(store).ok().filter(|real| real != store));
    let Ok(mut system) = System::new() else {
        return Vec::new();
    };
    let kind = ProcessRefreshKind::nothing()
        .with_exe(UpdateKind::Always)
        .with_cwd(UpdateKind::Always)
        .with_cmd(UpdateKind::Always)
        .with_environ(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let mut users = Vec::new();
    for (pid, process) in system.processes() {
        let pid = pid.as_u32();
        if pid == std::process::id() {
            continue;
        }
        let activated = process.environ().iter().filter_map(|variable| {
            let text = variable.to_str()?;
            text.strip_prefix("CONDA_PREFIX=").map(PathBuf::from)
        });
        // A host interpreter behind `bin/python` runs from elsewhere; its command line has the prefix.
        let called = process.cmd().first().map(PathBuf::from);
        let mut folders: Vec<String> = process
            .exe()
            .into_iter()
            .chain(process.cwd())
            .map(PathBuf::from)
            .chain(called)
            .chain(activated)
            .chain(mapped(pid))
            .filter_map(|path| folder_of(&path, &roots))
            .collect();
        folders.sort();
        folders.dedup();
        users.extend(folders.into_iter().map(|folder| User { pid, folder }));
    }
    users
}

/// The name right below one of `roots`.
fn folder_of(path: &Path, roots: &[PathBuf]) -> Option<String> {
    let below = roots.iter().find_map(|root| path.strip_prefix(root).ok())?;
    below.iter().next().and_then(OsStr::to_str).map(str::to_owned)
}

/// The files that a process has mapped: a library stays in use when the executable is the host's.
#[cfg(target_os = "linux")]
fn mapped(pid: u32) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let Ok(maps) = fs_err::read(format!("/proc/{pid}/maps")) else {
        return Vec::new();
    };
    let mut files: Vec<_> = maps
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.iter().position(|byte| *byte == b'/').map(|at| &line[at..]))
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect();
    files.dedup();
    files
}

/// Other systems tell nobody else's mapped files.
#[cfg(not(target_os = "linux"))]
fn mapped(_pid: u32) -> Vec<PathBuf> {
    Vec::new()
}
