use std::process::ExitCode;

use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    manifest::lab::{self, Change, Edited},
    names::EnvName,
};

/// Add packages to an environment of the lab
///
/// Writes the packages into matenv.toml, and keeps its comments and order. A package that is already there gets
/// the new version bounds. Run `matenv install` afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv add sleap ipykernel
  matenv add sleap \"ipykernel>=6\" \"pandas[excel]<3\"")]
pub(super) struct Args {
    /// Environment to add the packages to
    env: EnvName,
    /// Packages from PyPI, with version bounds in quotes: "ipykernel>=6"
    #[arg(required = true, value_name = "PKG")]
    packages: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Shown<'a> {
    schema: u32,
    ok: bool,
    changed: bool,
    #[serde(flatten)]
    edited: &'a Edited,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let edited = lab::add(session.lab()?, &session.manifests, &args.env, &args.packages)?;
    show(&edited, session);
    Ok(Exit::Done.into())
}

/// Prints the changes and the next command.
pub(super) fn show(edited: &Edited, session: &Session) {
    let changed = edited.changes.iter().any(|change| change.before != change.after);
    let mut lines: Vec<String> = edited.changes.iter().map(|change| line(change, edited)).collect();
    if edited.alone {
        lines.push(format!(
            "`matenv install` without a name now installs only {}, the first environment in matenv.toml",
            edited.env
        ));
    }
    if changed {
        lines.push(format!("next: {}", edited.next));
    }
    let shown = Shown {
        schema: 1,
        ok: true,
        changed,
        edited,
    };
    session.out.show_result(&shown, lines.join("\n"), Exit::Done);
}

fn line(change: &Change, edited: &Edited) -> String {
    let (env, file) = (&edited.env, edited.file.display());
    match (&change.before, &change.after) {
        (Some(before), Some(after)) if before == after => format!("{after} is already in {file}"),
        (Some(before), Some(after)) => format!("replaced {before} by {after} for {env} in {file}"),
        (None, Some(after)) => format!("added {after} to {env} in {file}"),
        (Some(before), None) => format!("removed {before} from {env} in {file}"),
        (None, None) => String::new(),
    }
}
