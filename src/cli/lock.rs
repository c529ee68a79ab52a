use std::{fmt::Write as _, process::ExitCode};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, Failure, ProfileChoice, Session, parse_profile};
use crate::{
    context::settings::GlobalOptions,
    install::{
        LockedError,
        relock::{self, Change, EnvSelection, Locked, StaleEntry, Upgrade},
    },
    lock::LabLock,
    names::Backend,
};

/// Resolve the lab's environments for every platform and write matenv.lock
///
/// Run it in a lab's folder (`matenv init`), on any machine: it can also lock for other platforms. Locked
/// versions stay while they meet the requirements. There is no fallback: if a source does not answer, the
/// command fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv lock                                    everything that matenv.toml lists
  matenv lock sleap --profile gpu --backend cu128  a part of it; the rest is kept
  matenv lock --upgrade numpy                    upgrade numpy, keep other versions
  matenv lock --check                            for CI: check that the lock is not stale")]
pub(super) struct Args {
    /// Environments to lock; default: those in matenv.toml
    env: Vec<String>,
    /// Profiles to lock for
    #[arg(long, value_parser = parse_profile)]
    profile: Vec<ProfileChoice>,
    /// Platforms to lock for, such as linux-64
    #[arg(long, value_name = "SUBDIR")]
    platform: Vec<String>,
    /// torch backends to lock the GPU profiles for, such as cu130
    #[arg(long)]
    backend: Vec<Backend>,
    /// Fail if the lock is stale; do not use the network and write nothing
    #[arg(long, conflicts_with = "upgrade")]
    check: bool,
    /// Upgrade these packages to their newest allowed versions; without PKG, all packages
    #[arg(long, num_args = 0.., value_name = "PKG")]
    upgrade: Option<Vec<String>>,
    /// Ignore packages that were published after DATE, such as 2026-11-01
    #[arg(long, value_name = "DATE")]
    exclude_newer: Option<String>,
    /// Also lock conda packages of which the channel lists no hash
    #[arg(long)]
    allow_unhashed: bool,
}

impl Args {
    pub(super) fn ask(&self, asked: &mut GlobalOptions) {
        asked.exclude_newer.clone_from(&self.exclude_newer);
        asked.allow_unhashed = self.allow_unhashed;
    }
}

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    ok: bool,
    changed: bool,
    environments: Vec<Entry<'a>>,
    changes: &'a [Change],
    left_out: &'a [String],
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    platform: &'a str,
    python: &'a str,
    packages: usize,
}

#[derive(Serialize)]
struct Checked<'a> {
    schema: u32,
    ok: bool,
    unmet: &'a [StaleEntry],
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let lab = session.lab()?;
    let ask = EnvSelection {
        envs: args.env.clone(),
        profiles: args.profile.iter().filter_map(|choice| choice.named()).collect(),
        platforms: args.platform.clone(),
        backends: args.backend.clone(),
    };
    let wanted = relock::wanted(lab, &session.manifests, &ask)?;
    let old = LabLock::read(&lab.root)?;
    if args.check {
        let old = old.ok_or(LockedError::None { lab: true })?;
        let unmet = relock::check(&session.ctx, &wanted, &old)?;
        return Ok(show_check(&unmet, session));
    }
    let upgrade = match args.upgrade.as_deref() {
        None => Upgrade::Nothing,
        Some([]) => Upgrade::Everything,
        Some(packages) => Upgrade::Packages(packages.to_vec()),
    };
    // A damaged lock was reported above, so it is not overwritten here.
    let locked = session.block_on(relock::lock(&session.ctx, &wanted, &old.unwrap_or_default(), &upgrade))?;
    let changed = locked.lock.write(&lab.root)?;
    let document = Written {
        schema: 1,
        ok: true,
        changed,
        environments: locked
            .lock
            .entries
            .iter()
            .map(|entry| Entry {
                name: &entry.name,
                platform: &entry.platform,
                python: &entry.python,
                packages: entry.lock.conda.len() + entry.lock.pypi.wheels.len(),
            })
            .collect(),
        changes: &locked.changes,
        left_out: &locked.left_out,
    };
    session
        .out
        .show_result(&document, describe(&locked, changed), Exit::Done);
    Ok(Exit::Done.into())
}

/// Warns if the lock is stale, because files that are generated from it do not match the lab's matenv.toml.
pub(super) fn warn_of_stale(session: &Session) -> Result<(), Failure> {
    let Some(lab) = &session.lab else {
        return Ok(());
    };
    let Some(lock) = LabLock::read(&lab.root)? else {
        return Ok(());
    };
    let wanted = relock::wanted(lab, &session.manifests, &EnvSelection::default())?;
    for one in relock::check(&session.ctx, &wanted, &lock)? {
        let unmet = one.unmet.join("; ");
        session.ctx.events.warn(format!(
            "matenv.lock is stale, {} for {}: {unmet}; update it: matenv lock",
            one.name, one.platform
        ));
    }
    Ok(())
}

fn show_check(unmet: &[StaleEntry], session: &Session) -> ExitCode {
    let exit = if unmet.is_empty() {
        Exit::Done
    } else {
        Exit::Unresolvable
    };
    let mut text = String::new();
    for one in unmet {
        for sentence in &one.unmet {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{} for {}: {sentence}", one.name, one.platform);
        }
    }
    text.push_str(if unmet.is_empty() {
        "matenv.lock is up to date\n"
    } else {
        "matenv.lock is stale; update it: matenv lock\n"
    });
    let document = Checked {
        schema: 1,
        ok: unmet.is_empty(),
        unmet,
    };
    session.out.show_result(&document, text, exit);
    exit.into()
}

/// Renders changed versions as a table, then one line for each environment that is locked or left out.
fn describe(locked: &Locked, changed: bool) -> String {
    let mut text = String::new();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // A first lock contains only new packages, and the line of its environment counts them.
    let moved = locked.changes.iter().filter(|change| change.before.is_some());
    for change in moved {
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        let [first, rest @ ..] = change.environments.as_slice() else {
            continue;
        };
        let more = match rest.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        table.add_row([
            change.package.clone(),
            if change.before == change.after {
                format!("{}, another file", version(&change.before))
            } else {
                format!("{} -> {}", version(&change.before), version(&change.after))
            },
            format!("{first}{more}"),
        ]);
    }
    for line in table.lines() {
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    for entry in &locked.lock.entries {
        let _ = writeln!(
            text,
            "  {} for {}: python {}, {} packages",
            entry.name,
            entry.platform,
            entry.python,
            entry.lock.conda.len() + entry.lock.pypi.wheels.len()
        );
    }
    for line in &locked.left_out {
        let _ = writeln!(text, "  left out: {line}");
    }
    text.push_str(if changed {
        "wrote matenv.lock; to install from it on a machine of these platforms: matenv install --locked\n"
    } else {
        "matenv.lock is unchanged\n"
    });
    text
}
