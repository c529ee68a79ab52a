use std::{path::PathBuf, process::ExitCode};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
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
    let text = if generations.is_empty() {
        "no environments yet; make one: matenv install runtime".to_owned()
    } else {
        table(&generations).to_string()
    };
    let changes = tell_changes(&generations, session);
    let rows = Rows {
        schema: 1,
        ok: true,
        environments: generations
            .iter()
            .zip(&changes)
            .map(|(generation, change)| row(generation, change.as_deref()))
            .collect(),
    };
    session.out.show(&rows, text);
    Ok(Exit::Done.into())
}

/// Say on standard error how this machine matters to environments that were proven on another.
pub(super) fn tell_changes(generations: &[Generation], session: &Session) -> Vec<Option<String>> {
    let changes = hardware::changes(&session.ctx.settings, generations);
    for (generation, change) in generations.iter().zip(&changes) {
        if let Some(change) = change {
            session.ctx.events.warn(format!("{}: {change}", generation.env));
        }
    }
    changes
}

fn row<'a>(generation: &'a Generation, changed: Option<&'a str>) -> Row<'a> {
    Row {
        env: &generation.env,
        profile: generation.record.profile,
        generation: generation.number,
        proven: generation.record.proven,
        ok: generation.record.ok,
        created: &generation.record.created,
        changed,
        prefix: &generation.prefix,
    }
}

fn table(generations: &[Generation]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["environment", "profile", "generation", "state", "made", "prefix"]);
    for generation in generations {
        table.add_row([
            generation.env.to_string(),
            generation.record.profile.to_string(),
            generation.number.to_string(),
            state(generation).to_owned(),
            generation.record.created.chars().take(10).collect(),
            generation.prefix.display().to_string(),
        ]);
    }
    table
}

fn state(generation: &Generation) -> &'static str {
    match (generation.record.ok, generation.record.proven) {
        (true, _) => "proven",
        (false, false) => "not proven",
        (false, true) => "faulty",
    }
}
