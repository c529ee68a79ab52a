//! Removes what crashed runs left in `MATENV_HOME`.
//!
//! Every command that writes calls [`Store::tidy`] first. It lists a few folders, which takes less than a millisecond
//! if there is nothing to remove. It changes the files of an environment only while it holds its lock, so it never
//! removes what another matenv process is building.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{EnvLock, Folder, Store, StoreError, link, names_in, remove::unmark, staged};
use crate::{
    context::settings::Settings,
    files::{self, layout, remove_abandoned},
    names::EnvName,
    packages,
};

/// The ending of the marker file of a generation that is being built.
pub(super) const UNFINISHED: &str = ".unfinished";
/// The ending of the marker file of a pinned generation.
pub(super) const PINNED: &str = ".pinned";
/// The ending of the marker file of an environment that is being removed.
pub(super) const REMOVING: &str = ".removing";

/// Temporary files of older versions that are not locked. A running process does not need them for longer.
const STALE_AFTER: Duration = Duration::from_hours(1);
/// Files that are being written whole. A running process renames them within milliseconds.
const WRITTEN_WITHIN: Duration = Duration::from_mins(1);

impl Store {
    /// Removes what crashed runs left: unfinished and half removed generations, environments whose removal was
    /// interrupted, marker files without a folder, and temporary files. Skips everything that another matenv process
    /// may be using. A failure is not an error, because the next run tries again. Returns the removed paths.
    pub fn tidy(&self) -> Vec<PathBuf> {
        let removed = self.leftovers(true).unwrap_or_else(|error| {
            tracing::debug!("failed to look for files of crashed runs: {error}");
            Vec::new()
        });
        packages::remove_stale_downloads(&self.home);
        if !removed.is_empty() {
            tracing::debug!("removed files of crashed runs: {removed:?}");
        }
        removed
    }

    /// Does [`Store::tidy`] for the store of `settings`.
    pub fn tidy_for(settings: &Settings) {
        match Self::open(settings) {
            Ok(store) => drop(store.tidy()),
            Err(error) => tracing::debug!("{error}"),
        }
    }

    /// Returns what [`Store::tidy`] would remove.
    pub fn untidy(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.leftovers(false)
    }

    fn leftovers(&self, remove: bool) -> Result<Vec<PathBuf>, StoreError> {
        let mut found = Vec::new();
        for env in self.suspects()? {
            let Some(_held) = EnvLock::try_acquire(&self.state(), env.as_str()) else {
                continue;
            };
            match self.leftovers_of(&env) {
                Ok(left) => found.extend(left),
                Err(error) => tracing::debug!("{error}"),
            }
            if remove && let Err(error) = self.sweep(&env) {
                tracing::debug!("failed to remove files of crashed runs of {env}: {error}");
            }
        }
        for path in self.stale_files() {
            let is_removed = !remove
                || staged::remove_any(&path)
                    .inspect_err(|error| tracing::debug!("{error}"))
                    .is_ok();
            found.extend(is_removed.then_some(path));
        }
        found.extend(remove_abandoned(&self.home, remove));
        Ok(found)
    }

    /// Returns the environments that may have leftovers. It reads only names, and looks for the record of each generation.
    fn suspects(&self) -> Result<BTreeSet<EnvName>, StoreError> {
        let mut suspects = BTreeSet::new();
        let state = names_in(&self.state())?;
        let store = self.store();
        let names = names_in(&store)?;
        let of_mark = |name: &str| -> Option<EnvName> {
            if let Some(env) = name.strip_suffix(REMOVING) {
                return env.parse().ok();
            }
            if let Some(folder) = name.strip_suffix(UNFINISHED) {
                return Folder::parse(folder).map(|(env, _)| env);
            }
            // A pin is no leftover while its generation exists.
            let folder = name.strip_suffix(PINNED)?;
            let is_left = !names.iter().any(|name| name == folder);
            Folder::parse(folder).filter(|_| is_left).map(|(env, _)| env)
        };
        suspects.extend(state.iter().filter_map(|name| of_mark(name)));
        for name in &names {
            let trash = name.strip_prefix(staged::TRASH);
            let Some((env, _)) = Folder::parse(trash.unwrap_or(name)) else {
                continue;
            };
            // A current generation without its record is broken, but no leftover. That is decided with the lock held.
            let record = super::generation::path(&store.join(name));
            if trash.is_some() || is_missing(&record) {
                suspects.insert(env);
            }
        }
        for name in names_in(&self.home.join("envs"))? {
            if let Some(env) = name.strip_prefix('.').and_then(|name| name.strip_suffix(link::NEW)) {
                suspects.extend(env.parse::<EnvName>());
            }
        }
        Ok(suspects)
    }

    /// Returns temporary files that a power failure, the check of a folder or an older version of matenv left.
    fn stale_files(&self) -> Vec<PathBuf> {
        let mut folders = vec![
            (self.home.join("tools"), ".uv-", STALE_AFTER),
            (self.home.clone(), files::TEMPORARY, WRITTEN_WITHIN),
            (self.state(), files::TEMPORARY, WRITTEN_WITHIN),
        ];
        let store = self.store();
        for name in names_in(&store).unwrap_or_default() {
            folders.push((layout::records(&store.join(name)), files::TEMPORARY, WRITTEN_WITHIN));
        }
        let is_older = |path: &Path, limit: Duration| {
            let modified = path.symlink_metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > limit))
        };
        let mut found = Vec::new();
        for (folder, prefix, limit) in folders {
            let names = names_in(&folder).unwrap_or_default();
            let names = names.iter().filter(|name| name.starts_with(prefix));
            found.extend(names.map(|name| folder.join(name)).filter(|path| is_older(path, limit)));
        }
        found
    }

    /// Returns what [`Store::sweep`] removes of `env`. The environment must be locked.
    fn leftovers_of(&self, env: &EnvName) -> Result<Vec<PathBuf>, StoreError> {
        let mut found = Vec::new();
        let is_half_removed = self.is_half_removed(env)?;
        let current = self.current_prefix(env)?;
        for Folder { prefix, .. } in self.folders(env)? {
            if is_half_removed || (current.as_ref() != Some(&prefix) && self.is_unfinished(&prefix)) {
                found.push(prefix);
            }
        }
        found.extend(self.trash(env)?);
        found.extend(self.idle_marks(env)?);
        let new = link::temporary(&self.link(env));
        found.extend(new.is_symlink().then_some(new));
        Ok(found)
    }

    /// Returns whether the removal of `env` was interrupted after its link was removed.
    pub(super) fn is_half_removed(&self, env: &EnvName) -> Result<bool, StoreError> {
        let link = link::inspect(&self.link(env)).map_err(StoreError::Read)?;
        Ok(matches!(link, link::LinkState::Nothing) && self.removing(env).exists())
    }

    /// Returns whether the folder at `prefix` is not a complete generation. One with a damaged record is complete.
    pub(super) fn is_unfinished(&self, prefix: &Path) -> bool {
        let has_record = !is_missing(&super::generation::path(prefix));
        self.mark(prefix).exists() || !(has_record || self.is_pinned(prefix))
    }

    /// Returns the folders of `env` that are being removed.
    pub(super) fn trash(&self, env: &EnvName) -> Result<Vec<PathBuf>, StoreError> {
        let store = self.store();
        let is_ours = |name: &String| {
            let name = name.strip_prefix(staged::TRASH);
            name.is_some_and(|name| Folder::named(name, env, &store).is_some())
        };
        let names = names_in(&store)?.into_iter().filter(is_ours);
        Ok(names.map(|name| store.join(name)).collect())
    }

    /// Returns the marker files of `env` whose folder does not exist, or whose generation is already current.
    pub(super) fn idle_marks(&self, env: &EnvName) -> Result<Vec<PathBuf>, StoreError> {
        let (state, store) = (self.state(), self.store());
        let current = self.current_prefix(env)?;
        let is_idle = |name: &String| {
            let unfinished = name.strip_suffix(UNFINISHED);
            let Some(folder) = unfinished.or_else(|| name.strip_suffix(PINNED)) else {
                return name.strip_suffix(REMOVING) == Some(env.as_str());
            };
            let folder = Folder::named(folder, env, &store);
            folder.is_some_and(|folder| {
                let is_current = current.as_ref() == Some(&folder.prefix);
                folder.prefix.symlink_metadata().is_err() || (unfinished.is_some() && is_current)
            })
        };
        let names = names_in(&state)?.into_iter().filter(is_idle);
        Ok(names.map(|name| state.join(name)).collect())
    }

    /// Returns the marker file that exists while `env` is being removed.
    pub(super) fn removing(&self, env: &EnvName) -> PathBuf {
        self.state().join(format!("{env}{REMOVING}"))
    }

    /// Removes the remains of crashed runs of `env`. The environment must be locked.
    pub(super) fn sweep(&self, env: &EnvName) -> Result<(), StoreError> {
        if self.is_half_removed(env)? {
            self.finish_removal(env)?;
        }
        let current = self.current_prefix(env)?;
        for Folder { prefix, .. } in self.folders(env)? {
            if current.as_ref() != Some(&prefix) && self.is_unfinished(&prefix) {
                match staged::remove_folder(&prefix) {
                    Ok(()) => unmark(&self.mark(&prefix)),
                    Err(error) => tracing::warn!("failed to remove files of a crashed run: {error}"),
                }
            }
        }
        for trash in self.trash(env)? {
            if let Err(error) = fs_err::remove_dir_all(trash) {
                tracing::warn!("failed to remove files of a crashed run: {error}");
            }
        }
        self.idle_marks(env)?.iter().for_each(|mark| unmark(mark));
        let new = link::temporary(&self.link(env));
        if new.is_symlink() {
            unmark(&new);
        }
        Ok(())
    }
}

/// Returns whether there is nothing at `path`. What cannot be examined may be there.
fn is_missing(path: &Path) -> bool {
    let metadata = path.symlink_metadata();
    metadata.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}
