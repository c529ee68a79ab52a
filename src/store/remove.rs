//! Removes environments, old generations and the remains of crashed runs.

use std::path::{Path, PathBuf};

use super::{
    EnvLock, Folder, Generation, GenerationId, Store, StoreError, conda_link, in_use,
    link::{self, LinkState},
    names_in, previous_log, staged,
};
use crate::{files, names::EnvName};

/// The paths that [`Store::remove`] removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The generations' folders.
    pub generations: Vec<PathBuf>,
    /// The conda link, if matenv created it.
    pub conda_link: Option<PathBuf>,
}

impl Store {
    /// Removes old generations. Keeps the current one, the one before it, and those that a process uses. `before` is the
    /// one that was current before; if it is unknown or removed, the newest of the others is kept.
    pub fn prune(&self, env: &EnvName, before: Option<&GenerationId>) -> Result<Vec<PathBuf>, StoreError> {
        let Some(current) = self.current(env)? else {
            return Ok(Vec::new());
        };
        let mut older = self.generations(env)?;
        older.retain(|generation| generation.number < current.number);
        // After a rollback, the one before is not the newest. The newest may be the one with a problem.
        match before.and_then(|id| older.iter().position(|older| id.is_at(&older.prefix))) {
            Some(index) => drop(older.remove(index)),
            None => drop(older.pop()),
        }
        if older.is_empty() {
            return Ok(Vec::new());
        }
        let users = in_use::users(&self.store());
        let mut removed = Vec::new();
        for Generation { prefix, .. } in older {
            if !users.iter().any(|user| prefix.ends_with(&user.folder)) {
                staged::remove_folder(&prefix).map_err(StoreError::Write)?;
                removed.push(prefix);
            }
        }
        Ok(removed)
    }

    /// Removes an environment: its conda link if matenv created it, its link and its generations. Fails if a running
    /// program uses it, unless `force` is set. The environment must be locked.
    pub fn remove(&self, env: &EnvName, force: bool) -> Result<Removed, StoreError> {
        let folders = self.folders(env)?;
        if !force {
            for user in in_use::users(&self.store()) {
                if let Some(folder) = folders.iter().find(|folder| folder.prefix.ends_with(&user.folder)) {
                    return Err(StoreError::InUse {
                        env: env.clone(),
                        pid: user.pid,
                        prefix: folder.prefix.clone(),
                    });
                }
            }
        }
        let manifest = self.current(env).ok().flatten().map(|current| current.record.manifest);
        let conda_link = conda_link::remove_conda_link(&self.home, &self.user_home, env)?;
        let link = self.link(env);
        match link::inspect(&link).map_err(StoreError::Read)? {
            LinkState::Link(_) => link::remove(&link).map_err(StoreError::Write)?,
            LinkState::Nothing => {}
            LinkState::NotALink => return Err(StoreError::NotALink { path: link }),
        }
        let mut generations = Vec::new();
        for Folder { prefix, .. } in folders {
            staged::remove_folder(&prefix).map_err(StoreError::Write)?;
            unmark(&self.mark(&prefix));
            unmark(&self.pin_file(&prefix));
            generations.push(prefix);
        }
        self.sweep(env)?;
        if let Some(manifest) = manifest {
            self.forget_source(&manifest)?;
        }
        let log = self.log(env);
        for log in [previous_log(&log), log] {
            unmark(&log);
        }
        Ok(Removed {
            generations,
            conda_link,
        })
    }

    /// Removes the clones of a manifest's program if no environment uses them and none that would is being installed.
    fn forget_source(&self, manifest: &EnvName) -> Result<(), StoreError> {
        let Some(_held) = EnvLock::try_acquire(&self.state(), &format!("src-{manifest}")) else {
            return Ok(());
        };
        for name in names_in(&self.home.join("envs"))? {
            let Ok(env) = name.parse() else { continue };
            // An environment whose record cannot be read may use them too.
            let uses = self.current(&env).map_or(true, |current| {
                current.is_some_and(|other| other.record.manifest == *manifest)
            });
            if uses {
                return Ok(());
            }
        }
        let removed = files::if_exists(fs_err::remove_dir_all(self.source(manifest)));
        removed.map_err(StoreError::Write)?;
        Ok(())
    }

    /// Removes the remains of crashed runs of `env`: unfinished and half-removed generations.
    pub(super) fn sweep(&self, env: &EnvName) -> Result<(), StoreError> {
        let current = self.current_prefix(env)?;
        for Folder { prefix, .. } in self.folders(env)? {
            let mark = self.mark(&prefix);
            if current.as_ref() == Some(&prefix) {
                // The crash came after the link was moved, so this generation is complete.
                unmark(&mark);
            } else if mark.exists() || matches!(Generation::read(prefix.clone()), Ok(None)) {
                match staged::remove_folder(&prefix) {
                    Ok(()) => unmark(&mark),
                    Err(error) => tracing::warn!("failed to remove files of a crashed run: {error}"),
                }
            }
        }
        for name in names_in(&self.store())? {
            let ours = name
                .strip_prefix(staged::TRASH)
                .is_some_and(|name| Folder::named(name, env, &self.store()).is_some());
            if ours && let Err(error) = fs_err::remove_dir_all(self.store().join(name)) {
                tracing::warn!("failed to remove files of a crashed run: {error}");
            }
        }
        Ok(())
    }
}

/// Removes a marker file or a log. If that fails, the next run tries again.
pub(super) fn unmark(file: &Path) {
    if let Err(error) = files::remove_if_exists(file) {
        tracing::warn!("{error}");
    }
}
