//! Removes environments.

use std::path::{Path, PathBuf};

use super::{
    EnvLock, Store, StoreError, conda_link, in_use,
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
    /// Removes an environment: its conda link if matenv created it, its link and its generations. Fails if a running
    /// program uses it, unless `force` is set. The environment must be locked.
    pub fn remove(&self, env: &EnvName, force: bool) -> Result<Removed, StoreError> {
        self.tidy();
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
        let link = self.link(env);
        if let LinkState::NotALink = link::inspect(&link).map_err(StoreError::Read)? {
            return Err(StoreError::NotALink { path: link });
        }
        // If this process is killed, the next command finds the mark and finishes the removal.
        fs_err::create_dir_all(self.state()).map_err(StoreError::Write)?;
        files::write_whole(&self.removing(env), "").map_err(StoreError::Write)?;
        let conda_link = conda_link::remove_conda_link(&self.home, &self.user_home, env)
            .inspect_err(|_| unmark(&self.removing(env)))?;
        if let LinkState::Link(_) = link::inspect(&link).map_err(StoreError::Read)? {
            link::remove(&link).map_err(StoreError::Write)?;
        }
        let generations = folders.into_iter().map(|folder| folder.prefix).collect();
        self.finish_removal(env)?;
        if let Some(manifest) = manifest {
            self.forget_source(&manifest)?;
        }
        Ok(Removed {
            generations,
            conda_link,
        })
    }

    /// Removes the generations of an environment whose link is removed, then its marker files and logs.
    pub(super) fn finish_removal(&self, env: &EnvName) -> Result<(), StoreError> {
        conda_link::remove_conda_link(&self.home, &self.user_home, env)?;
        let folders = self.folders(env)?;
        // Renaming is fast: afterwards nothing looks like a generation, even if deleting the files is interrupted.
        let renamed: Vec<PathBuf> = folders
            .iter()
            .map(|folder| staged::rename_to_trash(&folder.prefix))
            .collect();
        for path in renamed.into_iter().chain(self.trash(env)?) {
            staged::remove_any(&path).map_err(StoreError::Write)?;
        }
        let log = self.log(env);
        for log in [previous_log(&log), log] {
            unmark(&log);
        }
        // The marker file of the removal itself is one of them.
        self.idle_marks(env)?.iter().for_each(|mark| unmark(mark));
        Ok(())
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
}

/// Removes a marker file or a log. If that fails, the next run tries again.
pub(super) fn unmark(file: &Path) {
    if let Err(error) = files::remove_if_exists(file) {
        tracing::warn!("{error}");
    }
}
