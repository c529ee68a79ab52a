use std::{path::PathBuf, process::ExitCode};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    drift::{Change, Drift},
    hardware,
    names::{EnvName, ProfileName},
    store::{Generation, Store},
};

/// List the environments
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Serialize)]
struct Row<'a> {
    env: &'a EnvName,
    profile: ProfileName,
    generation: u64,
    proven: bool,
    ok: bool,
    created: &'a str,
    changed: Option<&'a str>,
    drift: &'a [Change],
    prefix: &'a PathBuf,
}

#[derive(Serialize)]
struct Rows<'a> {
    schema: u32,
    ok: bool,
    environments: Vec<Row<'a>>,
}

pub(super) fn run(_args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let generations = Store::open(&session.ctx.settings)?.list()?;
    let told = tell_changes(&generations, session);
    let text = if generations.is_empty() {
        "no environments yet; make one: matenv install runtime".to_owned()
    } else {
        table(&generations, &told).to_string()
    };
    let rows = Rows {
        schema: 1,
        ok: true,
        environments: generations
            .iter()
            .zip(&told)
            .map(|(generation, told)| row(generation, told))
            .collect(),
    };
    session.out.show(&rows, text);
    Ok(Exit::Done.into())
}

/// What differs from what was proven.
pub(super) struct Told {
    /// How this machine matters to an environment that was proven on another.
    machine: Option<String>,
    /// What was changed in its files.
    drift: Option<Drift>,
}

/// Say on standard error what differs from what was proven: the machine, or the environment's files.
pub(super) fn tell_changes(generations: &[Generation], session: &Session) -> Vec<Told> {
    let machine = hardware::changes(&session.ctx.settings, generations);
    generations
        .iter()
        .zip(machine)
        .map(|(generation, machine)| {
            let drift = Drift::of(generation);
            if let Some(drift) = &drift {
                session.ctx.events.warn(drift.sentence(generation));
            }
            if let Some(change) = &machine {
                session.ctx.events.warn(format!("{}: {change}", generation.env));
            }
            Told { machine, drift }
        })
        .collect()
}

fn row<'a>(generation: &'a Generation, told: &'a Told) -> Row<'a> {
    Row {
        env: &generation.env,
        profile: generation.record.profile,
        generation: generation.number,
        proven: generation.record.proven,
        ok: generation.record.ok,
        created: &generation.record.created,
        changed: told.machine.as_deref(),
        drift: told.drift.as_ref().map_or(&[], |drift| &drift.changes),
        prefix: &generation.prefix,
    }
}

fn table(generations: &[Generation], told: &[Told]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["environment", "profile", "generation", "state", "made", "prefix"]);
    for (generation, told) in generations.iter().zip(told) {
        table.add_row([
            generation.env.to_string(),
            generation.record.profile.to_string(),
            generation.number.to_string(),
            state(generation, told).to_owned(),
            generation.record.created.chars().take(10).collect(),
            generation.prefix.display().to_string(),
        ]);
    }
    table
}

fn state(generation: &Generation, told: &Told) -> &'static str {
    if told.drift.is_some() {
        return "changed";
    }
    match (generation.record.ok, generation.record.proven) {
        (true, _) => "proven",
        (false, false) => "not proven",
        (false, true) => "faulty",
    }
}
