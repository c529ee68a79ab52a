use std::{
    io::Read as _,
    path::Path,
    process::Child,
    sync::mpsc,
    time::{Duration, Instant},
};

use super::Variables;

/// How long to wait for a killed program. A program that hangs in a driver cannot be killed.
const GONE_WITHIN: Duration = Duration::from_millis(300);

/// The longest answer in bytes. A program that writes more is stopped by the closed pipe.
const LARGEST: u64 = 16_000_000;

/// The answer of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the exit code was 0.
    pub success: bool,
    /// Standard output and standard error, in the order in which they were written.
    pub text: String,
}

/// Runs a small system program and returns its output. It needs no async runtime.
///
/// # Errors
/// The program could not be started, or it took longer than `limit`.
#[expect(
    clippy::disallowed_methods,
    reason = "a Job needs an async runtime, but hardware detection is synchronous"
)]
pub fn ask(program: &Path, arguments: &[&str], variables: &Variables, limit: Duration) -> std::io::Result<Answer> {
    let until = Instant::now() + limit;
    let (mut reader, writer) = std::io::pipe()?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(variables.needed())
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    super::parent::end_with_this_process(&mut command);
    let mut child = command.spawn()?;
    // It keeps the write end of the pipe open, and the reader waits until all write ends are closed.
    drop(command);
    let (sender, output) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // On a read error, a part of the output is still useful.
        let _ = (&mut reader).take(LARGEST).read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    let text = output.recv_timeout(limit);
    while let Ok(text) = &text {
        if let Some(status) = child.try_wait()? {
            return Ok(Answer {
                success: status.success(),
                text: text.clone(),
            });
        }
        if Instant::now() >= until {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    kill(&mut child);
    Err(std::io::ErrorKind::TimedOut.into())
}

fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // The group may have ended already.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let killed = Instant::now();
    while killed.elapsed() < GONE_WITHIN && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> std::io::Result<Answer> {
        ask(
            Path::new("/bin/sh"),
            &["-c", script],
            &Variables::of_this_process(),
            limit,
        )
    }

    #[test]
    fn both_streams_and_the_exit_code_are_returned() {
        let answer = sh("echo out; echo err >&2; exit 18", Duration::from_secs(20)).expect("an answer");
        assert_eq!((answer.success, answer.text.as_str()), (false, "out\nerr\n"));
    }

    /// Bug: the whole output of a program was kept in memory.
    #[test]
    fn a_program_that_never_stops_writing_is_stopped() {
        let answer = sh("exec yes", Duration::from_secs(20)).expect("an answer");
        assert_eq!((answer.success, answer.text.len() as u64), (false, LARGEST));
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        let since = Instant::now();
        let late = sh("sleep 30 & wait", Duration::from_millis(100));
        assert_eq!(late.expect_err("late").kind(), std::io::ErrorKind::TimedOut);
        assert!(since.elapsed() < Duration::from_secs(10));
    }
}
