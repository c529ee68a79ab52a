use std::process::ExitCode;

use serde::Serialize;

use super::{Exit, Failure, Session, lock_wait::LockWait};
use crate::{
    context::user_name,
    files::bytes,
    names::EnvName,
    store::{CleanRequest, Cleaned, KEPT, Store},
};

/// Remove old generations, and what crashed runs left
///
/// Always keeps the current generation of each environment, the newest one that is proven, pinned ones and those that a
/// running program uses. `matenv install` removes old generations as well. Files that the package caches still
/// contain are not counted as freed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environments to clean; without a name, all of them
    env: Vec<EnvName>,
    /// Keep N generations of each environment, including the current one
    #[arg(long, value_name = "N", default_value_t = KEPT, value_parser = at_least_one)]
    keep: usize,
    /// Only show what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    pub(super) lock_wait: LockWait,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(keep) if keep > 0 => Ok(keep),
        Ok(_) | Err(_) => Err("use a number from 1".to_owned()),
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    dry_run: bool,
    #[serde(flatten)]
    cleaned: &'a Cleaned,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    for env in &args.env {
        super::info::found(env, session)?;
    }
    let request = CleanRequest {
        envs: args.env.clone(),
        keep: args.keep,
        dry_run: args.dry_run,
        who: user_name(&session.ctx.settings),
    };
    let store = Store::open(&session.ctx.settings)?;
    let cleaned = session.block_on(store.clean(&session.ctx.events, &request))?;
    let shown = Shown {
        schema: 1,
        ok: true,
        dry_run: args.dry_run,
        cleaned: &cleaned,
    };
    session.out.show(&shown, describe(&cleaned, args.dry_run));
    Ok(Exit::Done.into())
}

fn describe(cleaned: &Cleaned, dry_run: bool) -> String {
    let mut lines: Vec<String> = cleaned
        .generations
        .iter()
        .chain(&cleaned.leftovers)
        .map(|path| path.display().to_string())
        .collect();
    if lines.is_empty() {
        return "nothing to remove".to_owned();
    }
    let (size, most) = (bytes(cleaned.freed_bytes), if cleaned.exact { "" } else { "at most " });
    let count = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let generations = count(cleaned.generations.len(), "old generation", "old generations");
    let leftovers = count(cleaned.leftovers.len(), "leftover", "leftovers");
    lines.push(if dry_run {
        format!("would remove {generations} and {leftovers}, which frees {most}{size}")
    } else {
        format!("removed {generations} and {leftovers}, which freed {most}{size}")
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_lists_each_folder_and_the_bytes() {
        let mut cleaned = Cleaned {
            generations: vec!["/s/demo-1.0f4a21".into()],
            leftovers: Vec::new(),
            freed_bytes: 2_000_000,
            exact: true,
        };
        insta::assert_snapshot!(describe(&cleaned, false), @r"
        /s/demo-1.0f4a21
        removed 1 old generation and 0 leftovers, which freed 2.00 MB
        ");
        cleaned.exact = false;
        cleaned.leftovers = vec!["/s/.removed-demo-2.0f4a22".into(), "/t/1-a".into()];
        insta::assert_snapshot!(describe(&cleaned, true), @r"
        /s/demo-1.0f4a21
        /s/.removed-demo-2.0f4a22
        /t/1-a
        would remove 1 old generation and 2 leftovers, which frees at most 2.00 MB
        ");
        assert_eq!(describe(&Cleaned::default(), true), "nothing to remove");
    }
}
