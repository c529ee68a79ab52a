//! Removes old generations, after an installation and with `matenv clean`.

use std::path::PathBuf;

use super::{EnvLock, Folder, Freed, Generation, Store, StoreError, in_use, remove::unmark, staged};
use crate::names::EnvName;

/// How many generations [`Store::prune`] keeps: the current one and the one before it.
pub const KEPT: usize = 2;

/// What [`Store::clean`] removed of one environment, or would remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// The environment.
    pub env: EnvName,
    /// The folders of the old generations, oldest first.
    pub generations: Vec<PathBuf>,
}

impl Store {
    /// Removes old generations. Keeps the current one, the one before it, the newest one that is proven and readable,
    /// pinned ones, and those that a process uses. The environment must be locked.
    pub fn prune(&self, env: &EnvName) -> Result<Vec<PathBuf>, StoreError> {
        if self.current(env)?.is_none() {
            return Ok(Vec::new());
        }
        let old = self.old_generations(env, KEPT)?;
        self.discard(&old)?;
        Ok(old)
    }

    /// Returns the old generations of each environment, if `keep` generations of each are kept, and those that are always
    /// kept: the current one, the newest one that is proven and readable, pinned ones, and those that a process uses.
    pub fn cleanable(&self, envs: &[EnvName], keep: usize) -> Result<Vec<Cleaned>, StoreError> {
        let mut cleaned = Vec::new();
        for env in envs {
            cleaned.push(Cleaned {
                env: env.clone(),
                generations: self.old_generations(env, keep)?,
            });
        }
        Ok(cleaned)
    }

    /// Removes the old generations of `env`, see [`Store::cleanable`], and adds the bytes that this frees to `freed`.
    pub fn clean(&self, _held: &EnvLock, env: &EnvName, keep: usize, freed: &mut Freed) -> Result<Cleaned, StoreError> {
        let generations = self.old_generations(env, keep)?;
        freed.add(&generations);
        self.discard(&generations)?;
        Ok(Cleaned {
            env: env.clone(),
            generations,
        })
    }

    /// Returns every environment that has a link or files in the store.
    pub fn environments(&self) -> Result<Vec<EnvName>, StoreError> {
        let linked = super::names_in(&self.home.join("envs"))?;
        let stored = super::names_in(&self.store())?;
        let mut names: Vec<EnvName> = linked.iter().filter_map(|name| name.parse().ok()).collect();
        names.extend(stored.iter().filter_map(|name| Some(Folder::parse(name)?.0)));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Returns the generations that are not needed any more, oldest first. Damaged ones count as the oldest.
    fn old_generations(&self, env: &EnvName, keep: usize) -> Result<Vec<PathBuf>, StoreError> {
        let current = self.current_prefix(env)?;
        let generations = self.generations(env)?;
        let newest = self.newest_readable(env)?.map(|newest| newest.prefix);
        let is_kept = |prefix: &PathBuf| {
            Some(prefix) == current.as_ref() || Some(prefix) == newest.as_ref() || self.is_pinned(prefix)
        };
        // Those that come before the current one, the most useful first.
        let mut ranked: Vec<&Generation> = generations.iter().rev().collect();
        ranked.retain(|generation| Some(&generation.prefix) != current.as_ref());
        let replaced = generations
            .iter()
            .find(|generation| Some(&generation.prefix) == current.as_ref())
            .filter(|current| ranked.iter().all(|other| other.number < current.number))
            .and_then(|current| current.record.replaced.clone());
        // After a rollback and a new installation, the one that was current before is not the one with the next number.
        ranked.sort_by_key(|generation| !replaced.as_ref().is_some_and(|name| generation.prefix.ends_with(name)));
        let recent: Vec<&PathBuf> = ranked
            .into_iter()
            .take(keep.saturating_sub(1))
            .map(|generation| &generation.prefix)
            .collect();
        let mut old: Vec<PathBuf> = self.folders(env)?.into_iter().map(|folder| folder.prefix).collect();
        // An unfinished one may be in use by the process that builds it.
        old.retain(|prefix| !is_kept(prefix) && !recent.contains(&prefix) && !self.is_unfinished(prefix));
        if !old.is_empty() {
            let users = in_use::users(&self.store());
            old.retain(|prefix| !users.iter().any(|user| prefix.ends_with(&user.folder)));
        }
        Ok(old)
    }

    fn discard(&self, old: &[PathBuf]) -> Result<(), StoreError> {
        for prefix in old {
            staged::remove_folder(prefix).map_err(StoreError::Write)?;
            unmark(&self.mark(prefix));
        }
        Ok(())
    }
}
