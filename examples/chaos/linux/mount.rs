//! Mounts that end with this program: it runs in its own mount namespace.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Problem, world::succeeds};

/// The argument of a program that is in its own mount namespace.
const INSIDE: &str = "--inside";

/// Starts this program again in a mount namespace, where that is allowed. Returns its arguments.
pub(crate) fn enter() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == INSIDE) {
        arguments.remove(1);
        return arguments;
    }
    let ways: &[&str] = if rustix::process::geteuid().is_root() {
        &["--mount", "--propagation", "private"]
    } else {
        &["--user", "--map-root-user", "--mount", "--propagation", "private"]
    };
    let allowed = Command::new("unshare").args(ways).arg("true").output();
    if allowed.is_ok_and(|output| output.status.success())
        && let Ok(program) = std::env::current_exe()
    {
        let mut again = Command::new("unshare");
        again.args(ways).arg(program).arg(INSIDE).args(&arguments[1..]);
        // It returns only if it failed. Then the kinds that mount are skipped.
        let _ = again.exec();
    }
    arguments
}

/// A mounted filesystem. It is unmounted when this is dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts with the arguments of `mount` before the folder.
    pub(crate) fn new(arguments: &[&str], folder: &Path) -> Result<Self, Problem> {
        fs_err::create_dir_all(folder)?;
        succeeds(Command::new("mount").args(arguments).arg(folder))?;
        Ok(Self(folder.to_owned()))
    }

    pub(crate) fn remount(&self, options: &str) -> Result<(), Problem> {
        let options = format!("remount,{options}");
        succeeds(Command::new("mount").args(["-o", &options]).arg(&self.0))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A process that was killed may use it for a moment.
        for _ in 0..50 {
            if succeeds(Command::new("umount").arg(&self.0)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // The mount ends with this program at the latest.
        let _ = succeeds(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}
