//! Which files of the store running programs use.

use std::path::{Path, PathBuf};

/// Executables, mapped libraries and working folders below `folder` of every process that may be looked at.
#[cfg(target_os = "linux")]
pub(super) fn by_processes(folder: &Path) -> Vec<PathBuf> {
    let Ok(processes) = fs_err::read_dir("/proc") else {
        return Vec::new();
    };
    let Ok(folder) = fs_err::canonicalize(folder) else {
        return Vec::new();
    };
    let mut used = Vec::new();
    for process in processes.flatten() {
        let is_process = process
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_process {
            continue;
        }
        for link in ["exe", "cwd"] {
            used.extend(
                fs_err::read_link(process.path().join(link))
                    .ok()
                    .filter(|path| path.starts_with(&folder)),
            );
        }
        // Other users' maps may not be read; their programs keep running on what they have open.
        if let Ok(maps) = fs_err::read_to_string(process.path().join("maps")) {
            used.extend(
                maps.lines()
                    .filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])))
                    .filter(|path| path.starts_with(&folder)),
            );
        }
    }
    used.sort();
    used.dedup();
    used
}

/// Nothing is known: macOS and Windows keep open files alive or refuse to remove them.
#[cfg(not(target_os = "linux"))]
pub(super) fn by_processes(_folder: &Path) -> Vec<PathBuf> {
    Vec::new()
}
