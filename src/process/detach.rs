use std::{collections::BTreeMap, ffi::OsString, path::Path, process::Stdio};

/// Start a program that outlives this one and its terminal: no input, output and errors into `log`.
///
/// On Unix it leads a session of its own, so neither Ctrl-C nor the end of the terminal reaches it; on Windows it has a
/// process group and an unseen console of its own.
///
/// # Errors
/// The program could not be started.
#[expect(
    clippy::disallowed_methods,
    reason = "a Job dies with its caller, and this one must not"
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
    command.spawn()
}

#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "std's own setsid is not stable yet (rust-lang/rust#105376), and a process group alone keeps the terminal"
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
    // Not DETACHED_PROCESS: the launchers in Scripts start python.exe, which would then open a console window.
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}
