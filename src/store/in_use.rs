//! Finds the folders of the store that running programs use.
//!
//! Processes of other users cannot be inspected and are not included. They keep the files that they have open.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use crate::input::{self, Input};

/// A process that uses a folder of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// The process id.
    pub(super) pid: u32,
    /// The name of the folder directly inside the store.
    pub(super) folder: String,
}

/// Returns every other process that uses a folder inside `store`: as its program, its working directory, a mapped file
/// or its activated environment.
pub(super) fn users(store: &Path) -> Vec<User> {
    // The kernel reports paths with links resolved. Variables and command lines keep them as the user wrote them.
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
        // If `bin/python` is a link to the host's Python, only the command line contains the prefix.
        let command = process.cmd().first().map(PathBuf::from);
        let mut folders: Vec<String> = process
            .exe()
            .into_iter()
            .chain(process.cwd())
            .map(PathBuf::from)
            .chain(command)
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

/// Returns the first path component below one of `roots`.
fn folder_of(path: &Path, roots: &[PathBuf]) -> Option<String> {
    let below = roots.iter().find_map(|root| path.strip_prefix(root).ok())?;
    below.iter().next().and_then(OsStr::to_str).map(str::to_owned)
}

/// Returns the files that a process has mapped: libraries may be in use although the executable is the host's.
#[cfg(target_os = "linux")]
fn mapped(pid: u32) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let Ok(maps) = input::read(Path::new(&format!("/proc/{pid}/maps")), Input::System) else {
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

/// Other systems do not report the mapped files of other processes.
#[cfg(not(target_os = "linux"))]
fn mapped(_pid: u32) -> Vec<PathBuf> {
    Vec::new()
}
