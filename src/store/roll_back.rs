//! Earlier generations: which one was current before, and making it current again.

use std::path::PathBuf;

use super::{Event, Folder, Generation, GenerationId, Store, StoreError, link, link::LinkState, remove::unmark};
use crate::names::EnvName;

/// A finished generation on the disk, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// An intact generation.
    Intact(Box<Generation>),
    /// A folder whose record is missing or damaged.
    Damaged(GenerationId),
}

impl Kept {
    /// Returns the number and the folder name.
    #[must_use]
    pub fn id(&self) -> GenerationId {
        match self {
            Self::Intact(generation) => GenerationId::from(&**generation),
            Self::Damaged(id) => id.clone(),
        }
    }
}

impl Store {
    /// Returns every finished generation of an environment, oldest first, with the damaged ones.
    pub fn kept(&self, env: &EnvName) -> Result<Vec<Kept>, StoreError> {
        let current = self.current_prefix(env)?;
        let mut kept = Vec::new();
        for Folder { number, prefix } in self.folders(env)? {
            // The mark of the current one is left from a crash after the switch, a file from an interrupted removal.
            let unfinished = current.as_ref() != Some(&prefix) && self.mark(&prefix).exists();
            if unfinished || !prefix.is_dir() {
                continue;
            }
            let id = GenerationId::new(number, &prefix);
            // A folder that cannot be read is as unusable as a damaged record.
            kept.push(match Generation::read(prefix) {
                Ok(Some(generation)) if generation.number == number => Kept::Intact(Box::new(generation)),
                Ok(_) | Err(_) => Kept::Damaged(id),
            });
        }
        Ok(kept)
    }

    /// Returns the folder of a generation, which may have been removed.
    #[must_use]
    pub fn prefix_of(&self, id: &GenerationId) -> PathBuf {
        self.store().join(&id.folder)
    }

    /// Makes an existing generation the current one. The environment must be locked.
    pub fn roll_back(&self, generation: &Generation) -> Result<(), StoreError> {
        let link = self.link(&generation.env);
        if let LinkState::NotALink = link::inspect(&link).map_err(StoreError::Read)? {
            return Err(StoreError::NotALink { path: link });
        }
        fs_err::create_dir_all(self.home.join("envs")).map_err(StoreError::Write)?;
        // A crash directly after an earlier switch may have left the mark of the current generation, which is complete.
        if let Some(current) = self.current_prefix(&generation.env)? {
            unmark(&self.mark(&current));
        }
        link::replace(&generation.prefix, &link).map_err(StoreError::Write)?;
        unmark(&self.mark(&generation.prefix));
        Ok(())
    }
}

/// Returns the newest proven generation before `current`, among the intact ones.
///
/// The generation before is the one that was current when `current` was created, so several rollbacks in a row go
/// further back and never forward. If the history does not tell, a smaller number counts as earlier. Without a current
/// generation, every one counts.
#[must_use]
pub fn proven_before<'a>(
    current: Option<&GenerationId>,
    intact: &'a [Generation],
    events: &[Event],
) -> Option<&'a Generation> {
    let is_proven = |generation: &&Generation| generation.is_proven();
    let mut at = current.cloned();
    // A damaged history may contain a circle.
    for _ in 0..=events.len() {
        let Some(id) = at else { break };
        at = events
            .iter()
            .find(|event| {
                let switched = event.action != super::Action::Rollback;
                switched && event.generation.as_ref() == Some(&id)
            })
            .and_then(|event| event.before.clone());
        let before = at
            .as_ref()
            .and_then(|id| intact.iter().find(|one| id.is_at(&one.prefix)));
        if let Some(found) = before.filter(is_proven)
            && current.is_none_or(|current| !current.is_at(&found.prefix))
        {
            return Some(found);
        }
    }
    intact
        .iter()
        .filter(is_proven)
        .filter(|one| current.is_none_or(|current| one.number < current.number))
        .max_by_key(|one| one.number)
}
