use std::{path::PathBuf, process::ExitCode};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    names::{EnvName, ProfileName},
    store::{
        Generation, Lost, Store,
        drift::{Change, Drift},
    },
};

/// List the environments
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Serialize)]
struct Row<'a> {
    env: &'a EnvName,
    /// Null if the generation is missing.
    profile: Option<ProfileName>,
    generation: Option<u64>,
    proven: bool,
    ok: bool,
    created: Option<&'a str>,
    changed: Option<&'a str>,
    drift: &'a [Change],
    prefix: &'a PathBuf,
    /// Why it cannot be used; null if it can.
    broken: Option<String>,
}

#[derive(Serialize)]
struct Rows<'a> {
    schema: u32,
    ok: bool,
    environments: Vec<Row<'a>>,
}

pub(super) fn run(_args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let store = Store::open(&session.ctx.settings)?;
    let generations = store.list()?;
    let all_lost = store.all_lost()?;
    let differences = warn_of_changes(&generations, session);
    for lost in &all_lost {
        let remedy = lost.remedy(super::info::has_manifest(&lost.env, session));
        session.ctx.events.warn(format!("{}; {remedy}", lost.message()));
    }
    let text = if generations.is_empty() && all_lost.is_empty() {
        "no environments yet; install one: matenv install runtime".to_owned()
    } else {
        table(&generations, &differences, &all_lost).to_string()
    };
    let whole = generations
        .iter()
        .zip(&differences)
        .map(|(generation, differences)| row(generation, differences));
    let rows = Rows {
        schema: 1,
        ok: true,
        environments: whole.chain(all_lost.iter().map(broken)).collect(),
    };
    session.out.show(&rows, text);
    Ok(Exit::Done.into())
}

/// Differences from the state that was proven.
pub(super) struct Differences {
    /// Difference between this machine and the one on which the environment was proven.
    machine: Option<String>,
    /// Changes of the environment's files.
    drift: Option<Drift>,
}

/// Warns if the machine or the environment's files differ from the state that was proven.
pub(super) fn warn_of_changes(generations: &[Generation], session: &Session) -> Vec<Differences> {
    let machine = crate::certificate::changes(&session.ctx.settings, generations);
    generations
        .iter()
        .zip(machine)
        .map(|(generation, machine)| {
            let drift = Drift::detect(generation);
            if let Some(drift) = &drift {
                session.ctx.events.warn(drift.sentence(generation));
            }
            if let Some(change) = &machine {
                session.ctx.events.warn(format!("{}: {change}", generation.env));
            }
            Differences { machine, drift }
        })
        .collect()
}

fn row<'a>(generation: &'a Generation, differences: &'a Differences) -> Row<'a> {
    Row {
        env: &generation.env,
        profile: Some(generation.record.profile),
        generation: Some(generation.number),
        proven: generation.record.proven,
        ok: generation.record.ok,
        created: Some(&generation.record.created),
        changed: differences.machine.as_deref(),
        drift: differences.drift.as_ref().map_or(&[], |drift| &drift.changes),
        prefix: &generation.prefix,
        broken: None,
    }
}

fn broken(lost: &Lost) -> Row<'_> {
    Row {
        env: &lost.env,
        profile: None,
        generation: None,
        proven: false,
        ok: false,
        created: None,
        changed: None,
        drift: &[],
        prefix: &lost.target,
        broken: Some(lost.message()),
    }
}

fn table(generations: &[Generation], differences: &[Differences], all_lost: &[Lost]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "environment",
        "profile",
        "generation",
        "state",
        "created",
        "prefix",
    ]);
    for (generation, differences) in generations.iter().zip(differences) {
        table.add_row([
            generation.env.to_string(),
            generation.record.profile.to_string(),
            generation.number.to_string(),
            state(generation, differences).to_owned(),
            generation.record.created.chars().take(10).collect(),
            generation.prefix.display().to_string(),
        ]);
    }
    for lost in all_lost {
        let (env, prefix) = (lost.env.to_string(), lost.target.display().to_string());
        table.add_row([env.as_str(), "-", "-", "broken", "-", &prefix]);
    }
    table
}

fn state(generation: &Generation, differences: &Differences) -> &'static str {
    if differences.drift.is_some() {
        return "changed";
    }
    match (generation.record.ok, generation.record.proven) {
        (true, _) => "proven",
        (false, false) => "not proven",
        (false, true) => "faulty",
    }
}
