//! The history of an environment, as people read it.
//!
//! Input: the events that matenv recorded, and the generations on the disk. Output: a [`History`]. It is only read, so it
//! also works in a store of another user. A generation without an event, which an older version created or whose event
//! was lost, gets an entry from its own record.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::switch_log;
use crate::{
    context::Context,
    files::layout,
    lock::{ChangeCounts, Lock, PackageChange},
    names::{EnvName, ProfileName},
    store::{Action, Event, GenerationId, Kept, Store, StoreError},
};

/// The history of an environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct History {
    /// The environment.
    pub env: EnvName,
    /// The number of the current generation; `None` if there is none.
    pub current: Option<u64>,
    /// The changes of the environment, newest first.
    pub entries: Vec<Entry>,
    /// The generations on the disk, newest first.
    pub generations: Vec<GenerationFacts>,
}

/// One change of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// The time (RFC 3339); `None` if it is unknown.
    pub at: Option<String>,
    /// The name of the user; `None` if it is unknown.
    pub who: Option<String>,
    /// The kind of the change.
    pub action: Action,
    /// The generation that became the current one.
    pub generation: Option<u64>,
    /// The generation that was the current one before.
    pub before: Option<u64>,
    /// The generations that were removed.
    pub removed: Vec<u64>,
    /// The number of packages that changed; `None` if there was no generation before, or if it is unknown.
    pub counts: Option<ChangeCounts>,
    /// The packages that changed.
    pub packages: Option<Vec<PackageChange>>,
    /// The folder of the generation, which may have been removed.
    #[serde(skip)]
    pub folder: Option<String>,
}

/// A generation on the disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct GenerationFacts {
    /// The number.
    pub number: u64,
    /// The name of its folder in the store.
    pub folder: String,
    /// The time of its creation (RFC 3339).
    pub created: Option<String>,
    /// The name of the user who created it.
    pub created_by: Option<String>,
    /// The profile.
    pub profile: Option<ProfileName>,
    /// The number of packages; `None` if its lock cannot be read.
    pub packages: Option<usize>,
    /// Whether its checks ran completely and found no error.
    pub proven: bool,
    /// Whether it is the current one.
    pub current: bool,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether its record is missing or damaged.
    pub damaged: bool,
    /// The bytes of its files that no other generation in the store shares. Each file counts once.
    pub own_bytes: u64,
}

/// Returns the history of an environment, or `None` if matenv never created it.
pub(crate) fn history(ctx: &Context, env: &EnvName) -> Result<Option<History>, StoreError> {
    let store = Store::open(&ctx.settings)?;
    let (events, kept) = (switch_log::events(ctx, &store, env), store.kept(env)?);
    if events.is_empty() && kept.is_empty() {
        return Ok(None);
    }
    let current = store.current_id(env)?;
    let sizes: BTreeMap<String, u64> = store
        .own_sizes()?
        .into_iter()
        .map(|(prefix, bytes)| (GenerationId::new(0, &prefix).folder, bytes))
        .collect();
    let mut generations: Vec<_> = kept
        .iter()
        .map(|kept| {
            let id = kept.id();
            let prefix = store.prefix_of(&id);
            let record = match kept {
                Kept::Intact(generation) => Some(&generation.record),
                Kept::Damaged(_) => None,
            };
            let lock = Lock::read(&layout::records(&prefix)).ok();
            GenerationFacts {
                number: id.number,
                created: record.map(|record| record.created.clone()),
                created_by: record.and_then(|record| record.created_by.clone()),
                profile: record.map(|record| record.profile),
                packages: lock.map(|lock| lock.conda.len() + lock.pypi.wheels.len()),
                proven: record.is_some_and(|record| record.proven && record.ok),
                current: current.as_ref() == Some(&id),
                pinned: store.is_pinned(&prefix),
                damaged: record.is_none(),
                own_bytes: sizes.get(&id.folder).copied().unwrap_or_default(),
                folder: id.folder,
            }
        })
        .collect();
    generations.reverse();
    Ok(Some(History {
        env: env.clone(),
        current: current.map(|current| current.number),
        entries: entries(&events, &kept, |id| store.prefix_of(id)),
        generations,
    }))
}

/// Returns the entries of the events, and of the generations that have none, newest first.
fn entries(events: &[Event], kept: &[Kept], prefix_of: impl Fn(&GenerationId) -> PathBuf) -> Vec<Entry> {
    let known = |id: &GenerationId| events.iter().any(|event| event.generation.as_ref() == Some(id));
    let mut found: Vec<Entry> = events.iter().map(Entry::of_event).collect();
    for (index, kept_one) in kept.iter().enumerate() {
        let id = kept_one.id();
        if known(&id) {
            continue;
        }
        let before = index.checked_sub(1).and_then(|index| kept.get(index)).map(Kept::id);
        let record = match kept_one {
            Kept::Intact(generation) => Some(&generation.record),
            Kept::Damaged(_) => None,
        };
        let changes = switch_log::changes(before.as_ref(), &prefix_of(&id));
        let event = Event {
            at: record.map(|record| record.created.clone()).unwrap_or_default(),
            generation: Some(id),
            before,
            changes,
            ..Event::now(Action::Install, record.and_then(|record| record.created_by.clone()))
        };
        found.push(Entry::of_event(&event));
    }
    // Entries without a time come last. Events of the same time keep the order of the file.
    found.sort_by_key(|entry| entry.at.as_deref().and_then(|at| at.parse::<Timestamp>().ok()));
    found.reverse();
    found
}

impl Entry {
    fn of_event(event: &Event) -> Self {
        let number = |id: &GenerationId| id.number;
        Self {
            at: Some(event.at.clone()).filter(|at| !at.is_empty()),
            who: event.who.clone(),
            action: event.action,
            generation: event.generation.as_ref().map(number),
            before: event.before.as_ref().map(number),
            removed: event.removed.iter().map(number).collect(),
            counts: event.changes.as_deref().map(ChangeCounts::count),
            packages: event.changes.clone(),
            folder: event.generation.as_ref().map(|id| id.folder.clone()),
        }
    }
}
