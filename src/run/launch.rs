//! Launch: an environment's program, opened so that it outlives the terminal.
//!
//! In: a generation and the plan that it was made from. Out: a [`Launched`] program, or the last words of one that ended
//! at once. Absent on purpose: looking after the program; once it runs it is the user's.

use std::{
    ffi::OsString,
    fmt,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    context::settings::Settings,
    names::EnvName,
    plan::Plan,
    process,
    store::{self, Generation, Store, StoreError, run},
};

/// How long a program is watched. An import that fails takes less, and nobody waits longer for a prompt.
const WATCHED: Duration = Duration::from_secs(1);

/// The lines of a log that a message shows.
const LAST_LINES: usize = 12;

/// A program that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Launched {
    /// Name of the environment.
    pub env: EnvName,
    /// The program's path.
    pub program: PathBuf,
    /// Its process.
    pub pid: u32,
    /// Where its output goes.
    pub log: PathBuf,
    /// Why its window cannot open here, where that is known.
    pub no_screen: Option<&'static str>,
    /// Whether it still ran after a second. One that handed over to a window that was open already did not.
    pub running: bool,
}

/// Why a program could not be launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The manifest names no launch command. Exit 2; help: `matenv run ENV -- CMD`.
    #[error("the environment `{env}` has no program to launch")]
    NoProgram {
        /// The environment.
        env: EnvName,
    },
    /// The command is not to be found or cannot be started.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be written. Exit 1.
    #[error("cannot write the program's log")]
    Log(#[source] std::io::Error),
    /// It failed within a second. Exit 1; help: `matenv launch ENV --wait` shows it in the terminal.
    #[error("`{command}` ended at once: {how}")]
    Died {
        /// The environment.
        env: EnvName,
        /// The command's name.
        command: String,
        /// How it ended, in words.
        how: String,
        /// Its log.
        log: PathBuf,
        /// The end of its log, if it said anything.
        #[source]
        last: Option<LastWords>,
    },
}

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWords(String);

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LastWords {}

/// The words of a plan's launch command, followed by `more`.
pub fn command(plan: &Plan, more: &[OsString]) -> Result<Vec<OsString>, LaunchError> {
    let launch = plan
        .launch
        .as_deref()
        .ok_or_else(|| LaunchError::NoProgram { env: plan.env.clone() })?;
    let words = launch.split_whitespace().map(OsString::from);
    Ok(words.chain(more.iter().cloned()).collect())
}

/// Start a command of the environment by itself, and watch it for a second.
pub fn detach(settings: &Settings, generation: &Generation, argv: &[OsString]) -> Result<Launched, LaunchError> {
    let found = run::find(settings, generation, argv)?;
    let log = Store::open(settings)?.log(&generation.env);
    let file = fresh(&log).map_err(LaunchError::Log)?;
    let started = process::detach(&found.program, &found.arguments, &found.variables, &file);
    let mut child = started.map_err(|source| StoreError::Start {
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
            last: last_words(&log),
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

/// Why no window can open: on Linux a program needs a display, or another Qt platform than a screen.
fn no_screen(settings: &Settings) -> Option<&'static str> {
    let set = |name| settings.variables.get(name).is_some();
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"].into_iter().any(set);
    (cfg!(target_os = "linux") && !has_screen)
        .then_some("there is no screen here (DISPLAY is not set), so its window cannot open; over ssh: ssh -X")
}

/// An empty log; the one before is kept beside it, where a program that is still running goes on writing to it.
fn fresh(log: &Path) -> std::io::Result<std::fs::File> {
    if let Some(folder) = log.parent() {
        fs_err::create_dir_all(folder)?;
    }
    match fs_err::rename(log, store::previous_log(log)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok(fs_err::File::create(log)?.into_parts().0)
}

/// How the child ended, if it did while it was watched.
fn watch(child: &mut Child) -> Option<ExitStatus> {
    let since = Instant::now();
    loop {
        // That nothing can be learnt of it is no reason to call it dead.
        if let Some(status) = child.try_wait().ok().flatten() {
            return Some(status);
        }
        if since.elapsed() >= WATCHED {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The end of a log, of which 8 KiB are read whatever its size.
fn last_words(log: &Path) -> Option<LastWords> {
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
    (!last.is_empty()).then_some(LastWords(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_short_whatever_its_size() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let log = folder.path().join("demo.log");
        assert_eq!(last_words(&log), None);
        fs_err::write(&log, "").expect("written");
        assert_eq!(last_words(&log), None);
        let many: Vec<String> = (0..5000).map(|line| format!("line {line}")).collect();
        fs_err::write(&log, many.join("\n") + "\n").expect("written");
        let last = last_words(&log).expect("words").to_string();
        assert_eq!(last.lines().count(), LAST_LINES);
        assert!(last.starts_with("line 4988\n") && last.ends_with("line 4999"), "{last}");
    }

    #[test]
    fn the_log_before_is_kept_once() {
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
