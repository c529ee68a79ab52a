//! Around a switch to another generation: saves the program's settings, and adds an event to the history.
//!
//! Nothing here can fail a switch. The environment works without these records, so problems are warnings.

use std::path::{Path, PathBuf};

use crate::{
    context::{Context, user_name},
    files::layout,
    install::read_plan,
    lock::{Lock, PackageChange, compare},
    names::{EnvName, HomePath, causes::chain},
    store::{
        Action, Event, GenerationId, Store,
        program_settings::{self, Slot},
    },
};

/// Saves the program's settings in the current generation, which another one is about to replace, and returns its id.
/// `otherwise` are the paths if its plan lists none.
pub(super) fn leave(ctx: &Context, store: &Store, env: &EnvName, otherwise: &[HomePath]) -> Option<GenerationId> {
    if let Ok(Some(current)) = store.current(env) {
        let plan = read_plan(&current).map(|plan| plan.settings).unwrap_or_default();
        let paths = if plan.is_empty() { otherwise } else { &plan };
        save_settings(ctx, env, &current.prefix, paths);
    }
    store.current_id(env).ok().flatten()
}

/// Saves the program's settings in the generation at `prefix`.
pub(super) fn save_settings(ctx: &Context, env: &EnvName, prefix: &Path, paths: &[HomePath]) {
    if let Err(error) = program_settings::save(&ctx.settings.user_home, prefix, paths, Slot::Used) {
        ctx.events
            .warn(format!("failed to save the settings of the programs of {env}: {error}"));
    }
}

/// Returns the packages in which the generation at `prefix` differs from the one with the id `before`.
pub(super) fn changes(before: Option<&GenerationId>, prefix: &Path) -> Option<Vec<PackageChange>> {
    let before = prefix.with_file_name(&before?.folder);
    let read = |prefix: &Path| Lock::read(&layout::records(prefix)).ok();
    Some(compare(&read(&before)?, &read(prefix)?))
}

/// Returns the events of an environment. A history that cannot be read is a warning: an environment can be rolled back
/// without it.
pub(super) fn events(ctx: &Context, store: &Store, env: &EnvName) -> Vec<Event> {
    store.events(env).unwrap_or_else(|error| {
        ctx.events
            .warn(format!("the history of {env} cannot be read: {}", chain(&error)));
        Vec::new()
    })
}

/// Adds an event to the history.
pub(super) fn add(ctx: &Context, store: &Store, env: &EnvName, event: Event) {
    let event = Event {
        who: user_name(&ctx.settings),
        ..event
    };
    if let Err(error) = store.add_event(env, &event) {
        let because = chain(&error);
        ctx.events
            .warn(format!("failed to add to the history of {env}: {because}"));
    }
}

/// Adds the removal of an environment to its history.
pub(crate) fn add_removal(ctx: &Context, store: &Store, env: &EnvName, removed: &[PathBuf]) {
    let event = Event {
        removed: removed
            .iter()
            .filter_map(|prefix| GenerationId::of_folder(env, prefix))
            .collect(),
        ..Event::now(Action::Remove, None)
    };
    add(ctx, store, env, event);
}
