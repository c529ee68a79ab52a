//! Launch: starts an environment's program so that it continues after the terminal closes.
//!
//! Input: a generation and its plan. Output: a [`Launched`] program, or the last output of a program that exits immediately.
//! This module does not watch the program after the start.

use std::{
    ffi::OsString,
    fmt,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::command::RunError;
use crate::{
    context::settings::Settings,
    files,
    names::EnvName,
    plan::Plan,
    process,
    store::{self, Generation, Store, StoreError},
};

/// How long a started program is watched. A failed import takes less time, and nobody waits longer for a prompt.
const WATCHED: Duration = Duration::from_secs(1);

/// The number of log lines that a message shows.
const LAST_LINES: usize = 12;

/// A started program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Launched {
    /// The name of the environment.
    pub env: EnvName,
    /// The path of the program.
    pub program: PathBuf,
    /// The process ID.
    pub pid: u32,
    /// The file with its output.
    pub log: PathBuf,
    /// Why its window cannot open here; `None` if no reason is known.
    pub no_screen: Option<&'static str>,
    /// Whether it still ran after a second. A program that passes its task to an already open window exits earlier.
    pub running: bool,
}

/// Errors of a launch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// The manifest names no launch command. Exit 2; help: `matenv run ENV -- CMD`.
    #[error("the environment `{env}` has no program to launch")]
    NoProgram {
        /// The environment.
        env: EnvName,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The command is missing or failed to start.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The log cannot be written. Exit 1.
    #[error("failed to write the program's log")]
    Log(#[source] std::io::Error),
    /// The program failed within a second. Exit 1; help: `matenv launch ENV --wait` shows its output in the terminal.
    #[error("`{command}` failed immediately: {how}")]
    Died {
        /// The environment.
        env: EnvName,
        /// The name of the command.
        command: String,
        /// The exit code or signal, as text.
        how: String,
        /// The log file.
        log: PathBuf,
        /// The end of the log, if there is any output.
        #[source]
        last: Option<LogTail>,
    },
}

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogTail(String);

impl fmt::Display for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogTail {}

/// Returns the plan's launch command, split into arguments and followed by `more`.
pub(crate) fn command(plan: &Plan, more: &[OsString]) -> Result<Vec<OsString>, LaunchError> {
    let launch = plan
        .launch
        .as_deref()
        .ok_or_else(|| LaunchError::NoProgram { env: plan.env.clone() })?;
    let words = launch.split_whitespace().map(OsString::from);
    Ok(words.chain(more.iter().cloned()).collect())
}

/// Starts a command of the environment in the background, and watches it for a second.
pub(crate) fn detach(settings: &Settings, generation: &Generation, argv: &[OsString]) -> Result<Launched, LaunchError> {
    let found = super::command::find(settings, generation, argv)?;
    let store = Store::open(settings)?;
    let mut log = store.log(&generation.env);
    let file = match fresh(&log) {
        Err(error) if files::is_read_only(&error) => {
            log = store.own_log(&generation.env);
            fresh(&log)
        }
        opened => opened,
    };
    let file = file.map_err(LaunchError::Log)?;
    let started = process::detach(&found.program, &found.arguments, &found.variables, &file);
    let mut child = started.map_err(|source| RunError::Start {
        command: found.program.display().to_string(),
        source,
    })?;
    let pid = child.id();
    let ended = watch(&mut child);
    if let Some(status) = ended.filter(|status| !status.success()) {
        let name = argv.first().map(|name| name.to_string_lossy().into_owned());
        return Err(LaunchError::Died {
            env: generation.env.clone(),
            command: name.unwrap_or_default(),
            how: process::describe(status),
            last: last_lines(&log),
            log,
        });
    }
    Ok(Launched {
        env: generation.env.clone(),
        program: found.program,
        pid,
        log,
        no_screen: no_screen(settings),
        running: ended.is_none(),
    })
}

/// Returns why no window can open: on Linux, a program needs a display or a Qt platform without one.
fn no_screen(settings: &Settings) -> Option<&'static str> {
    let set = |name| settings.variables.get(name).is_some();
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"].into_iter().any(set);
    (cfg!(target_os = "linux") && !has_screen)
        .then_some("no display here (DISPLAY is not set), so its window cannot open; over SSH, connect with: ssh -X")
}

/// Creates an empty log. The previous one is renamed, so that a program that still runs can continue to write to it.
fn fresh(log: &Path) -> std::io::Result<std::fs::File> {
    if let Some(folder) = log.parent() {
        fs_err::create_dir_all(folder)?;
    }
    files::if_exists(fs_err::rename(log, store::previous_log(log)))?;
    Ok(fs_err::File::create(log)?.into_parts().0)
}

/// Watches the child, and returns its exit status if it exits in that time.
fn watch(child: &mut Child) -> Option<ExitStatus> {
    let since = Instant::now();
    loop {
        // An error of `try_wait` does not mean that the program has exited.
        if let Some(status) = child.try_wait().ok().flatten() {
            return Some(status);
        }
        if since.elapsed() >= WATCHED {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reads the end of a log: at most 8 KiB.
fn last_lines(log: &Path) -> Option<LogTail> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs_err::File::open(log)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(8 * 1024)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    (!last.is_empty()).then_some(LogTail(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_log_is_read() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let log = folder.path().join("demo.log");
        assert_eq!(last_lines(&log), None);
        fs_err::write(&log, "").expect("written");
        assert_eq!(last_lines(&log), None);
        let many: Vec<String> = (0..5000).map(|line| format!("line {line}")).collect();
        fs_err::write(&log, many.join("\n") + "\n").expect("written");
        let last = last_lines(&log).expect("words").to_string();
        assert_eq!(last.lines().count(), LAST_LINES);
        assert!(last.starts_with("line 4988\n") && last.ends_with("line 4999"), "{last}");
    }

    #[test]
    fn one_previous_log_is_kept() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let log = folder.path().join("logs").join("demo.log");
        for text in ["first", "second", "third"] {
            drop(fresh(&log).expect("a log"));
            fs_err::write(&log, text).expect("written");
        }
        assert_eq!(
            fs_err::read_to_string(store::previous_log(&log)).expect("kept"),
            "second"
        );
        assert_eq!(fs_err::read_dir(folder.path().join("logs")).expect("read").count(), 2);
    }
}
