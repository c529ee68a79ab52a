//! Settings of an environment's program that are outside the environment, such as `~/.sleap`.
//!
//! Input: the paths that the manifest lists. Output: a copy in a generation, and the way back. A newer program may
//! change its settings so that an older one cannot read them. So matenv copies them when a generation becomes current
//! and when it stops being current. The second copy replaces the first.
//!
//! ```text
//! share/matenv/settings.json              the list of the copies: a `Saved`
//! share/matenv/settings/<time>/0          the copy of its first path, a file or a folder; only the user may read it
//! share/matenv/settings-replaced.json     the same for settings that a rollback replaced, if no other generation could
//! share/matenv/settings-replaced/<time>/  keep them
//! ```
//!
//! Links inside a folder are copied as links. What is itself a link, is larger than [`MAX_BYTES`] or has more than
//! [`MAX_FILES`] files is not copied and never replaced. Pipes, sockets and devices are left out.

mod copy;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    files::{self, layout},
    input::{self, Input},
    names::HomePath,
};
use copy::{Contents, Unfit, copy, look};

/// The most bytes of one path that are saved.
pub const MAX_BYTES: u64 = 32 << 20;

/// The most files, folders and links of one path that are saved.
pub const MAX_FILES: u64 = 2000;

/// A copy of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The settings with which the generation was last used.
    Used,
    /// The settings that a rollback to this generation replaced.
    Replaced,
}

impl Slot {
    fn name(self) -> &'static str {
        match self {
            Self::Used => "settings",
            Self::Replaced => "settings-replaced",
        }
    }
}

/// The settings that were saved at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    schema: u32,
    /// The time (RFC 3339).
    pub at: String,
    /// The home folder that they were copied from. Another user's settings are never restored.
    home: PathBuf,
    /// The name of the folder with the copies.
    folder: String,
    /// Each path of the manifest.
    pub paths: Vec<SavedPath>,
}

/// The saved state of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPath {
    /// The path in the home folder.
    pub path: HomePath,
    /// Its state.
    #[serde(flatten)]
    pub state: State,
}

/// The state of a path when it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// It did not exist.
    Missing,
    /// It was copied.
    Saved {
        /// The number of files, folders and links.
        files: u64,
        /// The bytes of the files.
        bytes: u64,
        /// The SHA-256 over names, permissions and contents.
        sha256: String,
    },
    /// It was not copied.
    Skipped {
        /// The reason.
        because: String,
    },
}

/// The result of restoring one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredPath {
    /// The path in the home folder.
    pub path: HomePath,
    /// Whether the saved copy was restored.
    pub restored: bool,
    /// Why it was left as it is; `None` if it was restored.
    pub because: Option<String>,
}

/// Copies the settings into the generation at `prefix`. An earlier copy in the same slot is replaced only when the new
/// one is complete.
///
/// # Errors
/// The generation cannot be written. A path of the home folder that cannot be read is [`State::Skipped`].
pub fn save(home: &Path, prefix: &Path, paths: &[HomePath], slot: Slot) -> std::io::Result<Option<Saved>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let now = jiff::Timestamp::now();
    let folder = now.as_nanosecond().to_string();
    let copies = layout::records(prefix).join(slot.name());
    let into = copies.join(&folder);
    private_folder(&into)?;
    let mut saved = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let state = match look(&path.below(home)) {
            Ok(None) => State::Missing,
            Err(Unfit(because)) => State::Skipped { because },
            Ok(Some(Contents { files, bytes, .. })) => {
                let target = into.join(index.to_string());
                copy(&path.below(home), &target)?;
                // The digest of the copy, as the program may have changed its settings meanwhile.
                match look(&target) {
                    Ok(Some(contents)) => State::Saved {
                        files,
                        bytes,
                        sha256: contents.sha256,
                    },
                    Ok(None) => State::Missing,
                    Err(Unfit(because)) => State::Skipped { because },
                }
            }
        };
        saved.push(SavedPath {
            path: path.clone(),
            state,
        });
    }
    let saved = Saved {
        schema: 1,
        at: now.to_string(),
        home: home.to_owned(),
        folder,
        paths: saved,
    };
    files::write_whole(&list(prefix, slot), serde_json::to_string_pretty(&saved)?)?;
    for old in files::entries(&copies)? {
        if old.file_name() != saved.folder.as_str()
            && let Err(error) = fs_err::remove_dir_all(old.path())
        {
            tracing::debug!("failed to remove old settings: {error}");
        }
    }
    Ok(Some(saved))
}

/// Returns the saved settings of the generation at `prefix`, or `None` if there are none of this home folder.
#[must_use]
pub fn read(home: &Path, prefix: &Path, slot: Slot) -> Option<Saved> {
    let text = input::read_text(&list(prefix, slot), Input::Record).ok()?;
    let read: Result<Saved, _> = serde_json::from_str(&text);
    read.inspect_err(|error| tracing::debug!("the list of settings in {} is damaged: {error}", prefix.display()))
        .ok()
        .filter(|saved| saved.schema == 1 && saved.home == home && saved.is_named_well())
}

/// Returns the folder with the copies.
#[must_use]
pub fn folder(prefix: &Path, slot: Slot) -> PathBuf {
    layout::records(prefix).join(slot.name())
}

/// Why a path is not replaced that no copy contains.
const NOT_SAVED: &str = "its contents now were not saved";

impl Saved {
    fn is_named_well(&self) -> bool {
        !self.folder.is_empty() && self.folder.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Returns the paths whose saved copy differs from their contents now.
    #[must_use]
    pub fn changed(&self, home: &Path) -> Vec<HomePath> {
        let differs = |saved: &&SavedPath| match &saved.state {
            State::Saved { sha256, .. } => digest(&saved.path.below(home)).as_ref() != Some(sha256),
            State::Missing | State::Skipped { .. } => false,
        };
        self.paths
            .iter()
            .filter(differs)
            .map(|saved| saved.path.clone())
            .collect()
    }

    /// Restores the settings that the generation at `prefix` has in `slot`. `kept` are the settings that were saved just
    /// before. A path is replaced only if `kept` has a copy of it.
    ///
    /// # Errors
    /// A copy cannot be read, or the home folder cannot be written. The path is then as before.
    pub fn restore(
        &self,
        home: &Path,
        prefix: &Path,
        slot: Slot,
        kept: Option<&Saved>,
    ) -> std::io::Result<Vec<RestoredPath>> {
        let from = folder(prefix, slot).join(&self.folder);
        let mut results = Vec::new();
        for (index, saved) in self.paths.iter().enumerate() {
            let target = saved.path.below(home);
            let left = match &saved.state {
                State::Missing => Some("it did not exist then".to_owned()),
                State::Skipped { because } => Some(because.clone()),
                State::Saved { sha256, .. } if digest(&target).as_ref() == Some(sha256) => {
                    Some("it has not changed".to_owned())
                }
                State::Saved { .. } => match kept {
                    Some(kept) => kept.lacks(&saved.path),
                    None => Some(NOT_SAVED.to_owned()),
                },
            };
            if left.is_none() {
                replace(&from.join(index.to_string()), &target)?;
            }
            results.push(RestoredPath {
                path: saved.path.clone(),
                restored: left.is_none(),
                because: left,
            });
        }
        Ok(results)
    }

    /// Returns why the path is not among the copies; `None` if it is, or if there was nothing to copy.
    fn lacks(&self, path: &HomePath) -> Option<String> {
        match self
            .paths
            .iter()
            .find(|saved| saved.path == *path)
            .map(|saved| &saved.state)
        {
            Some(State::Saved { .. } | State::Missing) => None,
            Some(State::Skipped { because }) => Some(because.clone()),
            None => Some(NOT_SAVED.to_owned()),
        }
    }
}

fn digest(path: &Path) -> Option<String> {
    look(path).ok().flatten().map(|contents| contents.sha256)
}

/// Puts a copy of `from` in the place of `target`. Two renames in one folder, so a program finds the old or the new one.
fn replace(from: &Path, target: &Path) -> std::io::Result<()> {
    let folder = target.parent().unwrap_or(target);
    fs_err::create_dir_all(folder)?;
    let work = tempfile::Builder::new().prefix(files::TEMPORARY).tempdir_in(folder)?;
    let (new, old) = (work.path().join("new"), work.path().join("old"));
    copy(from, &new)?;
    let had_one = files::if_exists(fs_err::rename(target, &old))?.is_some();
    if let Err(error) = fs_err::rename(&new, target) {
        if had_one && let Err(second) = fs_err::rename(&old, target) {
            // The old settings are in this folder, so it must stay.
            tracing::warn!("{second}");
            let _ = work.keep();
        }
        return Err(error);
    }
    Ok(())
}

fn list(prefix: &Path, slot: Slot) -> PathBuf {
    layout::records(prefix).join(format!("{}.json", slot.name()))
}

/// Creates a folder, and makes it and its parent readable only by the user.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    fs_err::create_dir_all(folder)?;
    #[cfg(unix)]
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
