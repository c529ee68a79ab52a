use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use super::capture;

/// The interval of the `tick` calls for a watched program.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// A program to run to its end. Its output is captured. Its variables may be secret, so they are not printed.
#[derive(Clone)]
pub struct Job {
    /// The program, as a path or a name.
    pub program: PathBuf,
    /// The arguments.
    pub args: Vec<OsString>,
    /// The environment variables. The program gets no others.
    pub variables: BTreeMap<OsString, OsString>,
    /// The working directory.
    pub cwd: Option<PathBuf>,
    /// The time limit.
    pub limit: Option<Duration>,
}

/// The result of a program.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit status. `None` if the program was stopped at the time limit.
    pub status: Option<ExitStatus>,
    /// Standard output, up to [`capture::LARGEST`] bytes.
    pub stdout: Vec<u8>,
    /// Standard error, as text: its first and last lines if it is longer than [`capture::LARGEST`] bytes.
    pub stderr: String,
}

impl Ended {
    /// Returns whether the exit code was 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Returns whether a signal ended the program, such as the one that the kernel sends when memory runs out.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;
            self.status.is_some_and(|status| status.signal().is_some())
        }
        #[cfg(not(unix))]
        {
            false
        }
    }

    /// Returns standard output as text.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Describes how the program ended, such as `exit code 2` or `stopped at the time limit`.
    #[must_use]
    pub fn how(&self) -> String {
        match self.status {
            None => "stopped at the time limit".to_owned(),
            Some(status) => describe(status),
        }
    }
}

/// Describes an exit status.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            let name = match signal {
                4 => " (illegal instruction)",
                6 => " (abort)",
                9 => " (killed)",
                11 => " (segmentation fault)",
                _ => "",
            };
            return format!("signal {signal}{name}");
        }
    }
    status
        .code()
        .map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"))
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("program", &self.program)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

impl Job {
    /// Creates a job for `program` with only these `variables`.
    pub fn new(program: impl Into<PathBuf>, variables: BTreeMap<OsString, OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            variables,
            cwd: None,
            limit: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// Sets the time limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// The program could not be started.
    pub async fn run(self) -> std::io::Result<Ended> {
        self.run_with(|_| {}).await
    }

    /// Runs the program to its end, and calls `line` with each line of standard error.
    ///
    /// # Errors
    /// The program could not be started.
    pub async fn run_with(self, line: impl FnMut(&str)) -> std::io::Result<Ended> {
        self.run_watched(line, |_| {}).await
    }

    /// Like [`Self::run_with`], but also calls `tick` with the process ID every [`TICK`].
    ///
    /// # Errors
    /// The program could not be started.
    pub async fn run_watched(self, mut line: impl FnMut(&str), mut tick: impl FnMut(u32)) -> std::io::Result<Ended> {
        let limit = self.limit;
        let mut child = self.spawn()?;
        let pid = child.child.id();
        let ticks = async {
            let mut clock = tokio::time::interval(TICK);
            loop {
                clock.tick().await;
                pid.into_iter().for_each(&mut tick);
            }
        };
        let mut stdout = child.child.stdout.take();
        let stderr = child.child.stderr.take();
        let read_stdout = async {
            match stdout.as_mut() {
                Some(pipe) => capture::bytes(pipe).await,
                None => Ok(Vec::new()),
            }
        };
        let read_stderr = async {
            match stderr {
                Some(pipe) => capture::lines(pipe, &mut line).await,
                None => Ok(String::new()),
            }
        };
        let mut out = Vec::new();
        let mut err = String::new();
        let everything = async {
            let ends = async {
                (out, err) = tokio::try_join!(read_stdout, read_stderr)?;
                child.child.wait().await
            };
            tokio::select! {
                ended = ends => ended,
                () = ticks => std::future::pending().await,
            }
        };
        let status = match limit {
            None => Some(everything.await?),
            Some(limit) => match tokio::time::timeout(limit, everything).await {
                Ok(status) => Some(status?),
                Err(_) => None,
            },
        };
        if status.is_some() {
            child.finished = true;
        }
        Ok(Ended {
            status,
            stdout: out,
            stderr: err,
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the only place that starts jobs")]
    fn spawn(self) -> std::io::Result<Group> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        super::parent::end_with_this_process(command.as_std_mut());
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        Ok(Group {
            child: command.spawn()?,
            finished: false,
        })
    }
}

/// How long to wait for a killed child. A child that hangs in the kernel must not block matenv's exit.
#[cfg(unix)]
const GONE_WITHIN: Duration = Duration::from_millis(300);

/// A child and its own children. All are killed if this is dropped before the child ends.
struct Group {
    child: tokio::process::Child,
    finished: bool,
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if !self.finished
            && let Some(pid) = self
                .child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(rustix::process::Pid::from_raw)
        {
            // The group may have ended already.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            // The child may still write until it has really ended, and its files are removed next.
            let killed = std::time::Instant::now();
            while killed.elapsed() < GONE_WITHIN && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Variables;

    #[cfg(unix)]
    #[tokio::test]
    async fn a_job_over_its_limit_is_stopped_with_its_children() {
        let marker = tempfile::tempdir().expect("a temp folder");
        let file = marker.path().join("late");
        let script = format!("(sleep 1; touch '{}') & wait", file.display());
        let ended = Job::new("/bin/sh", Variables::of_this_process().clean())
            .args(["-c", &script])
            .limit(Duration::from_millis(200))
            .run()
            .await
            .expect("sh starts");
        assert!(ended.status.is_none());
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(!file.exists(), "the grandchild was not killed");
    }
}
