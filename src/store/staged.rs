//! A generation that is being built.

use std::path::{Path, PathBuf};

use super::unmark;
use crate::names::EnvName;

/// What the name of a folder that is being removed starts with.
pub(super) const TRASH: &str = ".removed-";

/// A generation that is being built; dropping it before [`Store::commit`](super::Store::commit) removes it.
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
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        match discard(&self.prefix) {
            Ok(()) => unmark(&self.mark),
            Err(error) => tracing::warn!("an unfinished generation is left to the next run: {error}"),
        }
    }
}

/// Remove a generation's folder.
///
/// Under another name first: a crash then leaves no half generation, and threads that still link files into the
/// prefix write beside it.
pub(super) fn discard(prefix: &Path) -> std::io::Result<()> {
    let name = prefix.file_name().unwrap_or_default().to_string_lossy();
    let trash = prefix.with_file_name(format!("{TRASH}{name}"));
    match fs_err::rename(prefix, &trash) {
        Ok(()) => fs_err::remove_dir_all(&trash),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // Windows does not rename a folder with an open file in it, but may empty it.
        Err(_) => fs_err::remove_dir_all(prefix),
    }
}
