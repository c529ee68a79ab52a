//! Wheels that were checked before, by their SHA-256.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Inspected;
use crate::{
    context::Context,
    files::write_whole,
    input::{self, Input},
    lock::LockedWheel,
};

/// Number of the rules. It changes when a rule is added, so that known wheels are checked again.
const RULES: u32 = 1;

/// `state/checked-wheels/SHA256`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    schema: u32,
    rules: u32,
    inspected: Inspected,
}

/// Returns the result of an earlier check. A note that cannot be read counts as missing.
pub(super) fn read(ctx: &Context, wheel: &LockedWheel) -> Option<Inspected> {
    let text = input::read_text(&path(ctx, wheel)?, Input::Record).ok()?;
    let note: Note = serde_json::from_str(&text).ok()?;
    (note.schema == 1 && note.rules == RULES).then_some(note.inspected)
}

/// Saves the result of a check. Without it the wheel is checked again the next time.
pub(super) fn write(ctx: &Context, wheel: &LockedWheel, inspected: &Inspected) {
    let Some(path) = path(ctx, wheel) else {
        return;
    };
    let note = Note {
        schema: 1,
        rules: RULES,
        inspected: inspected.clone(),
    };
    let write = || -> std::io::Result<()> {
        path.parent().map_or(Ok(()), fs_err::create_dir_all)?;
        write_whole(&path, serde_json::to_string(&note)?)
    };
    if let Err(error) = write() {
        tracing::debug!("{error}");
    }
}

/// Returns the path of the note, or `None` if the hash of a lock that was written by hand is not one.
fn path(ctx: &Context, wheel: &LockedWheel) -> Option<PathBuf> {
    let is_hash = wheel.sha256.len() == 64 && wheel.sha256.bytes().all(|digit| digit.is_ascii_hexdigit());
    let folder = ctx.settings.home.join("state").join("checked-wheels");
    is_hash.then(|| folder.join(&wheel.sha256))
}
