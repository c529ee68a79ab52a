use std::process::ExitCode;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    files,
    install::{self, Entry, GenerationFacts, History},
    names::EnvName,
    store::Action,
};

/// The number of changed packages that a row names.
const NAMED: usize = 2;

const EXAMPLES: &str = "\
Examples:
  matenv history sleap      show who installed what, and when
  matenv diff sleap 2 3     show all packages that changed
  matenv rollback sleap     go back to the generation before";

/// Show the history of an environment
///
/// Shows each installation, repair, rollback and removal, the newest first, with its date in UTC, the user, and the
/// packages that changed against the generation before. The own size of a generation is the size of its files that no
/// other generation in the store shares. Each file counts once, also if it has several names. Removing the generation
/// frees at most this much, because the package caches may share the files. On Windows, shared files count too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Environment to show
    env: EnvName,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    #[serde(flatten)]
    history: &'a History,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let Some(history) = install::history(&session.ctx, &args.env)? else {
        super::info::installed(&args.env, session)?;
        return Ok(Exit::Done.into());
    };
    let shown = Shown {
        schema: 1,
        ok: true,
        history: &history,
    };
    session.out.show(&shown, table(&history));
    Ok(Exit::Done.into())
}

fn table(history: &History) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "generation",
        "date",
        "user",
        "action",
        "profile",
        "state",
        "own size",
        "packages",
    ]);
    for entry in &history.entries {
        let facts = history
            .generations
            .iter()
            .find(|facts| entry.action != Action::Rollback && entry.folder.as_ref() == Some(&facts.folder));
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.add_row([
            or_none(entry.generation.map(|number| number.to_string())),
            or_none(entry.at.as_deref().map(minute)),
            or_none(entry.who.clone()),
            entry.action.as_str().to_owned(),
            or_none(facts.and_then(|facts| facts.profile).map(|profile| profile.to_string())),
            state(entry, facts),
            or_none(facts.map(|facts| files::bytes(facts.own_bytes))),
            describe(entry, facts),
        ]);
    }
    table
}

/// Shortens a time to `2026-11-29 13:05`.
fn minute(at: &str) -> String {
    at.chars().take(16).collect::<String>().replace('T', " ")
}

fn state(entry: &Entry, facts: Option<&GenerationFacts>) -> String {
    let Some(facts) = facts else {
        let created = matches!(entry.action, Action::Install | Action::Repair);
        return if created { "removed" } else { "-" }.to_owned();
    };
    let proof = match (facts.damaged, facts.proven) {
        (true, _) => "damaged",
        (false, true) => "proven",
        (false, false) => "not proven",
    };
    let marks = [(facts.current, ", current"), (facts.pinned, ", pinned")];
    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    format!("{proof}{marks}")
}

fn describe(entry: &Entry, facts: Option<&GenerationFacts>) -> String {
    let mut parts = Vec::new();
    match (entry.action, entry.before, &entry.packages) {
        (Action::Rollback, Some(before), _) => parts.push(format!("instead of generation {before}")),
        (Action::Install | Action::Repair, _, Some(changes)) if changes.is_empty() => {
            parts.push("the same packages".to_owned());
        }
        (Action::Install | Action::Repair, _, Some(changes)) => {
            // Changed versions say more than new packages.
            let mut changes: Vec<_> = changes.iter().collect();
            changes.sort_by_key(|change| change.before.is_none() || change.after.is_none());
            parts.extend(changes.iter().take(NAMED).map(ToString::to_string));
            if changes.len() > NAMED {
                parts.push(format!("{} more", changes.len() - NAMED));
            }
        }
        (Action::Install | Action::Repair, _, None) => {
            parts.extend(
                facts
                    .and_then(|facts| facts.packages)
                    .map(|count| format!("{count} packages")),
            );
        }
        (Action::Rollback | Action::Clean | Action::Remove | Action::Other, _, _) => {}
    }
    if !entry.removed.is_empty() {
        let numbers: Vec<String> = entry.removed.iter().map(ToString::to_string).collect();
        parts.push(format!("removed generation {}", numbers.join(", ")));
    }
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
    }
}
