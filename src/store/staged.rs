//! A generation that is being built.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::unmark;
use crate::names::EnvName;

/// What the name of a folder that is being removed starts with.
pub(super) const TRASH: &str = ".removed-";

/// A generation that is being built. Dropping it before [`Store::commit`](super::Store::commit) takes it away, as
/// Ctrl-C does, and leaves files that take too long to remove to the next run; [`Staged::remove`] takes its time.
#[derive(Debug)]
pub struct Staged {
    /// Its folder, where it will stay.
    pub prefix: PathBuf,
    /// Its number.
    pub number: u64,
    pub(super) env: EnvName,
    mark: PathBuf,
    finished: bool,
}

impl Staged {
    pub(super) fn new(env: EnvName, number: u64, prefix: PathBuf, mark: PathBuf) -> Self {
        Self {
            prefix,
            number,
            env,
            mark,
            finished: false,
        }
    }

    /// It is the current generation now.
    pub(super) fn finish(mut self) -> PathBuf {
        self.finished = true;
        unmark(&self.mark);
        self.prefix.clone()
    }

    /// Remove it, however long that takes.
    pub fn remove(mut self) {
        self.finished = true;
        self.withdraw(None);
    }

    fn withdraw(&self, within: Option<Duration>) {
        match withdraw(&self.prefix, within) {
            Ok(Gone::Whole) => unmark(&self.mark),
            Ok(Gone::Renamed) => tracing::debug!("what was linked so far is removed by the next run"),
            Err(error) => tracing::warn!("an unfinished generation is left to the next run: {error}"),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished {
            self.withdraw(Some(AT_ONCE));
        }
    }
}

/// How long the end of an interrupted run may wait for files to be removed: the prompt is due within a second.
const AT_ONCE: Duration = Duration::from_millis(200);

/// How far a folder is gone.
enum Gone {
    /// Nothing of it is left.
    Whole,
    /// It has another name, under which it is no generation.
    Renamed,
}

/// How often a folder that comes again is removed; a full disk that takes no file ends it too.
const ATTEMPTS: usize = 10;

/// Remove the folder of a generation that threads may still link files into: after Ctrl-C nobody waits for them.
fn withdraw(prefix: &Path, within: Option<Duration>) -> std::io::Result<Gone> {
    let trash = trash_for(prefix);
    if fs_err::rename(prefix, &trash).is_err() {
        return discard(prefix).map(|()| Gone::Whole);
    }
    // A file in the folder's place: no thread can make that folder again. One that was quicker is removed first.
    let blocked = (0..ATTEMPTS).any(|_| {
        let blocked = fs_err::write(prefix, "").is_ok();
        if !blocked {
            // The next attempt tells whether that helped.
            let _ = fs_err::remove_dir_all(prefix);
        }
        blocked
    });
    match within {
        None => fs_err::remove_dir_all(&trash)?,
        Some(within) => {
            let (tell, told) = std::sync::mpsc::channel();
            // Nobody listens after `within`; the end of the process ends the thread too.
            std::thread::spawn(move || tell.send(fs_err::remove_dir_all(&trash)));
            match told.recv_timeout(within) {
                Ok(removed) => removed?,
                Err(_) => return Ok(Gone::Renamed),
            }
        }
    }
    if blocked {
        fs_err::remove_file(prefix)?;
    }
    Ok(Gone::Whole)
}

fn trash_for(prefix: &Path) -> PathBuf {
    let name = prefix.file_name().unwrap_or_default().to_string_lossy();
    prefix.with_file_name(format!("{TRASH}{name}"))
}

/// Remove a generation's folder, under another name first: a crash then leaves no half generation.
pub(super) fn discard(prefix: &Path) -> std::io::Result<()> {
    if prefix.is_file() {
        // A crash in the middle of `withdraw`.
        return fs_err::remove_file(prefix);
    }
    let trash = trash_for(prefix);
    match fs_err::rename(prefix, &trash) {
        Ok(()) => fs_err::remove_dir_all(&trash),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // Windows does not rename a folder with an open file in it, but may empty it.
        Err(_) => fs_err::remove_dir_all(prefix),
    }
}
