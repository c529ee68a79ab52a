//! How processes end together: a child with matenv, and matenv with its terminal.

use std::{path::Path, process::Command};

use crate::input::{self, Input};

/// Makes the kernel kill the child of `command` when the thread that starts it ends, which is when matenv ends. Without
/// it, a killed matenv would leave a uv that still downloads and writes.
///
/// Only the main thread and threads that wait for the child may start such a child. The children of the child are not
/// affected; most of them end when their input or output closes.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "std has no safe call for this")]
pub(super) fn end_with_this_process(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec the closure makes two system calls and neither allocates nor locks.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            // The parent may have been killed before the call.
            match rustix::process::getppid() {
                Some(now) if now == parent => Ok(()),
                _ => Err(rustix::io::Errno::SRCH.into()),
            }
        });
    }
}

/// Does nothing: other systems have no such call.
#[cfg(not(target_os = "linux"))]
pub(super) fn end_with_this_process(_command: &mut Command) {}

/// Returns whether a closed terminal ends this process, as it does by default. With `nohup` it does not.
#[cfg(target_os = "linux")]
pub(crate) fn hangup_ends_this_process() -> bool {
    let status = input::read_text(Path::new("/proc/self/status"), Input::System).unwrap_or_default();
    !is_hangup_ignored(&status)
}

/// Returns whether a closed terminal ends this process. `nohup` sends the output of a terminal to a file, so with a
/// terminal there is no `nohup`.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn hangup_ends_this_process() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

/// Returns whether `/proc/self/status` lists SIGHUP, which is signal 1, among the ignored signals.
#[cfg(target_os = "linux")]
fn is_hangup_ignored(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_read_from_the_mask() {
        assert!(is_hangup_ignored("Name:\tmatenv\nSigIgn:\t0000000000001001\n"));
        assert!(!is_hangup_ignored("Name:\tmatenv\nSigIgn:\t0000000000001000\n"));
        assert!(!is_hangup_ignored(""));
    }
}
