//! Other programs, started clean: without the library and Python paths that another program left behind.
//!
//! In: a program, its arguments and the variables that matenv was started with. Out: its exit status and output.
//! A child runs in a process group of its own and is killed with all its children when the caller is dropped,
//! so that Ctrl-C leaves nothing running.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// Variables of another program, conda environment or Python that must not reach a child.
pub(crate) const FOREIGN: &[&str] = &[
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_AUDIT",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "__PYVENV_LAUNCHER__",
];
pub(crate) const FOREIGN_PREFIXES: &[&str] = &["DYLD_", "PYTHON", "CONDA_", "_CE_", "MAMBA_", "PIXI_", "PYENV_VERSION"];

/// How often a watched program is looked at.
pub const TICK: Duration = Duration::from_millis(200);

/// The process variables, read once when the program starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Arc<BTreeMap<OsString, OsString>>);

impl Variables {
    /// The variables of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(Arc::new(std::env::vars_os().collect()))
    }

    /// Given variables: for tests and for planning as somebody else.
    #[must_use]
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(Arc::new(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable as text; `None` if it is unset, empty or not Unicode.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// A variable as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// Every variable.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }

    /// What a program inside an environment gets: these variables less the foreign ones, plus those that keep
    /// ONNX Runtime from writing telemetry and Python from reading the user's own packages.
    pub fn clean(&self) -> BTreeMap<OsString, OsString> {
        let mut clean: BTreeMap<_, _> = self
            .iter()
            .filter(|(name, _)| !is_foreign(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        clean.insert("ORT_DISABLE_TELEMETRY".into(), "1".into());
        clean.insert("PYTHONNOUSERSITE".into(), "1".into());
        clean
    }

    /// [`Self::clean`] with the environment at `prefix` in front of PATH and as `CONDA_PREFIX`.
    pub fn inside(&self, prefix: &Path) -> BTreeMap<OsString, OsString> {
        let mut inside = self.clean();
        let mut search = crate::store::layout::executable_dirs(prefix);
        if let Some(path) = self.get("PATH") {
            search.extend(std::env::split_paths(path));
        }
        // A folder whose name holds the separator cannot stand in PATH at all; the environment still works by path.
        if let Ok(joined) = std::env::join_paths(search) {
            inside.insert("PATH".into(), joined);
        }
        inside.insert("CONDA_PREFIX".into(), prefix.as_os_str().to_owned());
        inside
    }
}

fn is_foreign(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    FOREIGN.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A program to run to its end, with its output kept.
#[derive(Debug, Clone)]
pub struct Job {
    /// Program, by path or by name.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<OsString>,
    /// The variables it gets, and no others.
    pub variables: BTreeMap<OsString, OsString>,
    /// The folder it runs in.
    pub cwd: Option<PathBuf>,
    /// How long it may run.
    pub limit: Option<Duration>,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit status; `None` if it was stopped at the time limit.
    pub status: Option<ExitStatus>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error, as text.
    pub stderr: String,
}

impl Ended {
    /// Whether it exited with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Standard output as text.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// How it ended, in words: `exit code 2`, `signal 9`, `time limit`.
    #[must_use]
    pub fn how(&self) -> String {
        match self.status {
            None => "stopped at the time limit".to_owned(),
            Some(status) => describe(status),
        }
    }
}

/// An exit status in words.
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

impl Job {
    /// `program` with `variables` and nothing else.
    pub fn new(program: impl Into<PathBuf>, variables: BTreeMap<OsString, OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            variables,
            cwd: None,
            limit: None,
        }
    }

    /// Add arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Set a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Run in `folder`.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// Stop it after `limit`.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Run to the end.
    ///
    /// # Errors
    /// The program could not be started.
    pub async fn run(self) -> std::io::Result<Ended> {
        self.run_with(|_| {}).await
    }

    /// Run to the end and hand each line of standard error to `line` as it comes.
    ///
    /// # Errors
    /// The program could not be started.
    pub async fn run_with(self, line: impl FnMut(&str)) -> std::io::Result<Ended> {
        self.run_watched(line, |_| {}).await
    }

    /// [`Self::run_with`], and call `tick` with the process's number every [`TICK`] as well.
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
            let mut bytes = Vec::new();
            if let Some(pipe) = stdout.as_mut() {
                pipe.read_to_end(&mut bytes).await?;
            }
            Ok::<_, std::io::Error>(bytes)
        };
        let read_stderr = async {
            let mut text = String::new();
            if let Some(pipe) = stderr {
                let mut lines = BufReader::new(pipe).split(b'\n');
                while let Some(bytes) = lines.next_segment().await? {
                    let one = String::from_utf8_lossy(&bytes).into_owned();
                    line(one.trim_end_matches('\r'));
                    text.push_str(&one);
                    text.push('\n');
                }
            }
            Ok::<_, std::io::Error>(text)
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

    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts children")]
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
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        Ok(Group {
            child: command.spawn()?,
            finished: false,
        })
    }
}

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

/// How long a killed child is waited for: one that hangs in the kernel must not hold up the end of this program.
#[cfg(unix)]
const GONE_WITHIN: Duration = Duration::from_millis(300);

/// A child and its own children; dropping it before the end kills them all.
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
            // The group may be gone already: then there is nothing to kill.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            // Its threads write until they are really gone, and what they write to is removed next.
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

    #[test]
    fn foreign_variables_do_not_reach_a_child() {
        let variables = Variables::from_pairs([
            ("PATH", "/usr/bin"),
            ("LD_LIBRARY_PATH", "/bad"),
            ("PYTHONPATH", "/bad"),
            ("CONDA_PREFIX", "/bad"),
            ("HOME", "/home/u"),
        ]);
        let clean = variables.clean();
        assert!(clean.contains_key(OsStr::new("PATH")) && clean.contains_key(OsStr::new("HOME")));
        for gone in ["LD_LIBRARY_PATH", "PYTHONPATH", "CONDA_PREFIX"] {
            assert!(!clean.contains_key(OsStr::new(gone)), "{gone} is still there");
        }
        assert_eq!(clean.get(OsStr::new("ORT_DISABLE_TELEMETRY")), Some(&"1".into()));
    }

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
        assert!(!file.exists(), "the grandchild lived on");
    }
}
