//! Removes old generations, after an installation and with `matenv clean`.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    Action, Event, Folder, Generation, GenerationId, Store, StoreError, freed::Freed, in_use, remove::unmark, staged,
};
use crate::{
    context::event::Events,
    names::{EnvName, causes::chain},
};

/// How many generations [`Store::prune`] keeps: the current one and the one before it.
pub const KEPT: usize = 2;

/// What to remove.
#[derive(Debug, Clone)]
pub struct CleanRequest {
    /// The environments. If there are none, all of them.
    pub envs: Vec<EnvName>,
    /// How many generations of each to keep, including the current one.
    pub keep: usize,
    /// Only return what would be removed.
    pub dry_run: bool,
    /// The name of the user, for the history.
    pub who: Option<String>,
}

/// What [`Store::clean`] removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// The folders of the old generations.
    pub generations: Vec<PathBuf>,
    /// The files and folders that crashed runs left.
    pub leftovers: Vec<PathBuf>,
    /// The disk space that this frees, in bytes.
    pub freed_bytes: u64,
    /// Whether that number is exact. Otherwise it is an upper bound.
    pub exact: bool,
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

    /// Removes old generations of each environment and what crashed runs left. Waits for other matenv processes that work
    /// on these environments. Always keeps the current generation, the newest one that is proven and readable, pinned
    /// ones, and those that a process uses.
    pub async fn clean(&self, events: &Events, request: &CleanRequest) -> Result<Cleaned, StoreError> {
        let mut freed = Freed::default();
        let leftovers = self.untidy()?;
        freed.add(&leftovers);
        let leftovers = if request.dry_run { leftovers } else { self.tidy() };
        let envs = match request.envs.as_slice() {
            [] => self.environments()?,
            named => named.to_vec(),
        };
        let mut generations = Vec::new();
        for env in envs {
            let _held = if request.dry_run {
                None
            } else {
                Some(self.lock(events, &env).await?)
            };
            let old = match self.old_generations(&env, request.keep) {
                Ok(old) => old,
                // A folder of the user is in the place of its link. The other environments are cleaned anyway.
                Err(error @ StoreError::NotALink { .. }) if request.envs.is_empty() => {
                    events.warn(error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            freed.add(&old);
            if !request.dry_run && !old.is_empty() {
                self.discard(&old)?;
                let event = Event {
                    removed: old
                        .iter()
                        .filter_map(|prefix| GenerationId::of_folder(&env, prefix))
                        .collect(),
                    ..Event::now(Action::Clean, request.who.clone())
                };
                if let Err(error) = self.add_event(&env, &event) {
                    events.warn(format!("failed to add to the history of {env}: {}", chain(&error)));
                }
            }
            generations.extend(old);
        }
        Ok(Cleaned {
            generations,
            leftovers,
            freed_bytes: freed.bytes(),
            exact: Freed::IS_EXACT,
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
