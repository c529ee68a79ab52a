use std::{collections::BTreeMap, ffi::OsString, path::Path, process::Stdio};

use crate::files::modes;

/// Starts a program that keeps running after matenv and its terminal end. It has no input, and its output goes to
/// `log`.
///
/// On Unix, it runs in its own session, so Ctrl-C and closing the terminal do not stop it. On Windows, it has its
/// own process group and its own hidden console.
///
/// # Errors
/// The program could not be started.
#[expect(
    clippy::disallowed_methods,
    reason = "a Job is killed with its caller, and this program must not be"
)]
pub fn detach(
    program: &Path,
    arguments: &[OsString],
    variables: &BTreeMap<OsString, OsString>,
    log: &std::fs::File,
) -> std::io::Result<std::process::Child> {
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    leave_the_terminal(&mut command);
    modes::restore();
    command.spawn()
}

#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "std's own setsid is not stable yet (rust-lang/rust#105376), and a process group alone does not detach from the terminal"
)]
fn leave_the_terminal(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec the closure makes one system call and neither allocates nor locks.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::setsid().map(|_| ())?));
    }
}

#[cfg(windows)]
fn leave_the_terminal(command: &mut std::process::Command) {
    use std::os::windows::process::CommandExt;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    // Not DETACHED_PROCESS: with it, the launchers in Scripts start python.exe, which would open a console window.
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}
