//! A generation that is being built.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::remove::unmark;
use crate::{files, names::EnvName};

/// The prefix of the name of a folder that is being removed.
pub(super) const TRASH: &str = ".removed-";

/// A generation that is being built.
///
/// Dropping it before [`Store::commit`](super::Store::commit) removes it, for example after Ctrl-C. Files that take too
/// long to remove are left to the next run. [`Staged::remove`] waits until all files are removed.
#[derive(Debug)]
pub struct Staged {
    /// The generation's folder. It is never moved.
    pub prefix: PathBuf,
    /// The generation's number.
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

    /// Marks it as finished and returns its folder.
    pub(super) fn finish(mut self) -> PathBuf {
        self.finished = true;
        unmark(&self.mark);
        self.prefix.clone()
    }

    /// Removes it and waits until that is done.
    pub fn remove(mut self) {
        self.finished = true;
        self.remove_within(None);
    }

    fn remove_within(&self, within: Option<Duration>) {
        match remove_within(&self.prefix, within) {
            Ok(Removal::Complete) => unmark(&self.mark),
            Ok(Removal::Renamed) => tracing::debug!("the next run removes the files linked so far"),
            Err(error) => tracing::warn!("failed to remove an unfinished generation, left to the next run: {error}"),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished {
            self.remove_within(Some(INTERRUPT_LIMIT));
        }
    }
}

/// The time limit for removing files after an interruption: the prompt should return within a second.
const INTERRUPT_LIMIT: Duration = Duration::from_millis(200);

/// The result of removing a folder.
enum Removal {
    /// All files are removed.
    Complete,
    /// The folder was renamed, so that it is not a generation any more.
    Renamed,
}

/// How often a folder is removed that other threads create again. The limit also ends the loop on a full disk.
const ATTEMPTS: usize = 10;

/// Removes the folder of a generation while threads may still link files into it, as after Ctrl-C.
fn remove_within(prefix: &Path, within: Option<Duration>) -> std::io::Result<Removal> {
    let trash = trash_for(prefix);
    if fs_err::rename(prefix, &trash).is_err() {
        return remove_folder(prefix).map(|()| Removal::Complete);
    }
    // A file in the folder's place stops threads from creating the folder again. If one was faster, remove it first.
    let blocked = (0..ATTEMPTS).any(|_| {
        let blocked = fs_err::write(prefix, "").is_ok();
        if !blocked {
            // The next attempt shows whether this worked.
            let _ = fs_err::remove_dir_all(prefix);
        }
        blocked
    });
    match within {
        None => fs_err::remove_dir_all(&trash)?,
        Some(within) => {
            let (sender, receiver) = std::sync::mpsc::channel();
            // Sending fails after `within`, which is fine. The thread ends with the process.
            std::thread::spawn(move || sender.send(fs_err::remove_dir_all(&trash)));
            match receiver.recv_timeout(within) {
                Ok(removed) => removed?,
                Err(_) => return Ok(Removal::Renamed),
            }
        }
    }
    if blocked {
        fs_err::remove_file(prefix)?;
    }
    Ok(Removal::Complete)
}

fn trash_for(prefix: &Path) -> PathBuf {
    let name = prefix.file_name().unwrap_or_default().to_string_lossy();
    prefix.with_file_name(format!("{TRASH}{name}"))
}

/// Renames a generation's folder, so that it is not a generation any more. Returns the path that it has now.
pub(super) fn rename_to_trash(prefix: &Path) -> PathBuf {
    let trash = trash_for(prefix);
    // Windows cannot rename a folder with an open file in it, but may be able to empty it.
    let is_renamed = prefix.is_dir() && fs_err::rename(prefix, &trash).is_ok();
    if is_renamed { trash } else { prefix.to_owned() }
}

/// Renames a generation's folder and then removes it, so that a crash does not leave half a generation.
pub(super) fn remove_folder(prefix: &Path) -> std::io::Result<()> {
    remove_any(&rename_to_trash(prefix))
}

/// Removes a folder, or the file that a crash during [`remove_within`] left in its place, if it exists.
pub(super) fn remove_any(path: &Path) -> std::io::Result<()> {
    let removed = match files::if_exists(path.symlink_metadata())? {
        None => return Ok(()),
        Some(metadata) if metadata.is_dir() => fs_err::remove_dir_all(path),
        Some(_) => fs_err::remove_file(path),
    };
    files::if_exists(removed).map(|_| ())
}
