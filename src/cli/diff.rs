use std::{fmt::Write as _, process::ExitCode};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    files,
    install::{self, Diff},
    lock::{PackageChange, PackageKind},
    names::EnvName,
    text::style,
};

const EXAMPLES: &str = "\
Examples:
  matenv diff sleap 2 3  show what changed from generation 2 to 3
  matenv diff sleap 2    show what changed from generation 2 to the current one";

/// Compare two generations of an environment
///
/// Shows the packages that were added, removed or changed, with their versions and builds, and the profile, the backend,
/// Python and the size. Exits with 0 whether or not they differ. Reads only the records of the two generations.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Environment of the generations
    env: EnvName,
    /// Number of the first generation
    #[arg(value_name = "A")]
    before: u64,
    /// Number of the second generation (default: the current one)
    #[arg(value_name = "B")]
    after: Option<u64>,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    #[serde(flatten)]
    diff: &'a Diff,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    super::info::has_generations(&args.env, session)?;
    let diff = install::diff(&session.ctx, &args.env, args.before, args.after)?;
    let shown = Shown {
        schema: 1,
        ok: true,
        diff: &diff,
    };
    session.out.show(&shown, describe(&diff));
    Ok(Exit::Done.into())
}

fn describe(diff: &Diff) -> String {
    let (before, after) = (&diff.before, &diff.after);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let python = |python: &Option<String>| python.clone().unwrap_or_else(|| "unknown".to_owned());
    let proven = |proven: bool| if proven { "proven" } else { "not proven" }.to_owned();
    for (name, old, new) in [
        ("profile", before.profile.to_string(), after.profile.to_string()),
        ("backend", before.backend.to_string(), after.backend.to_string()),
        ("python", python(&before.python), python(&after.python)),
        ("packages", before.packages.to_string(), after.packages.to_string()),
        ("size", files::bytes(before.bytes), files::bytes(after.bytes)),
        ("state", proven(before.proven), proven(after.proven)),
    ] {
        let text = if old == new { old } else { format!("{old} -> {new}") };
        table.add_row([name, &text]);
    }
    let mut text = format!(
        "{}: generation {} -> {}\n",
        style(&diff.env).bold(),
        before.generation,
        after.generation
    );
    add_table(&mut text, &table);
    if diff.packages.is_empty() {
        text.push_str("  the packages are the same\n");
        return text;
    }
    let counts = diff.counts;
    let _ = writeln!(
        text,
        "  {} added, {} removed, {} changed",
        counts.added, counts.removed, counts.changed
    );
    let mut packages = Table::new();
    packages.load_style(presets::NOTHING);
    for change in &diff.packages {
        packages.add_row(row(change));
    }
    add_table(&mut text, &packages);
    text
}

fn add_table(text: &mut String, table: &Table) {
    for line in table.lines() {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {}", line.trim_end());
    }
}

fn row(change: &PackageChange) -> [String; 4] {
    let kind = match change.kind {
        PackageKind::Conda => "conda",
        PackageKind::Pypi => "pypi",
    };
    let version = |locked: &crate::lock::LockedVersion| match &locked.build {
        Some(build) => format!("{} {build}", locked.version),
        None => locked.version.clone(),
    };
    let (word, versions) = match (&change.before, &change.after) {
        (Some(before), Some(after)) if before == after => ("changed", format!("{}, another file", version(after))),
        (Some(before), Some(after)) => ("changed", format!("{} -> {}", version(before), version(after))),
        (None, Some(after)) => ("added", version(after)),
        (Some(before), None) => ("removed", version(before)),
        (None, None) => ("changed", String::new()),
    };
    [word.to_owned(), kind.to_owned(), change.name.clone(), versions]
}
