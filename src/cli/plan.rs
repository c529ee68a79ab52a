use std::{fmt::Write as _, process::ExitCode};

use comfy_table::{Table, presets};
use indicatif::DecimalBytes;
use serde::Serialize;

use super::{Exit, Failure, Session, install::Choice};
use crate::{
    install::{self, Request},
    manifest::Manifest,
    names::{Backend, EnvName, ProfileName},
    plan::{self, Plan},
    settings::Asked,
    store::Size,
};

/// Show what would be chosen and why
///
/// Opens no connection and changes nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environments to plan
    env: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    /// Call the environment NAME
    #[arg(long)]
    name: Option<EnvName>,
}

impl Args {
    pub(super) fn ask(&self, asked: &mut Asked) {
        self.choice.ask(asked);
    }
}

#[derive(Serialize)]
pub(super) struct Shown<'a> {
    schema: u32,
    ok: bool,
    env: &'a EnvName,
    profile: ProfileName,
    backend: &'a Backend,
    refused: Option<String>,
    choices: &'a [plan::Choice],
    /// What an earlier generation of the same plan holds.
    size: Option<Size>,
}

#[derive(Serialize)]
struct AllShown<'a> {
    schema: u32,
    ok: bool,
    environments: Vec<Shown<'a>>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let request = Request {
        profile: args.choice.profile,
        name: args.name.clone(),
        ..Request::default()
    };
    let plans = selected(&args.env, args.name.as_ref(), session)?
        .into_iter()
        .map(|manifest| Ok(install::plan(&session.ctx, manifest, &request)?.0))
        .collect::<Result<Vec<_>, Failure>>()?;
    let sizes: Vec<_> = plans
        .iter()
        .map(|plan| install::known_size(&session.ctx, plan))
        .collect();
    let shown: Vec<_> = plans
        .iter()
        .zip(&sizes)
        .map(|(plan, size)| shown(plan, *size))
        .collect();
    let text = plans.iter().zip(&sizes).map(|(plan, size)| {
        let size = size.map(|size| {
            format!(
                "  takes {} in {} files, as the installed one\n",
                DecimalBytes(size.bytes),
                size.files
            )
        });
        table(plan) + &size.unwrap_or_default()
    });
    let text = text.collect::<Vec<_>>().join("\n");
    match (shown.as_slice(), args.env.len()) {
        ([one], 1) => session.out.show(one, text),
        _ => session.out.show(
            &AllShown {
                schema: 1,
                ok: true,
                environments: shown,
            },
            text,
        ),
    }
    Ok(Exit::Done.into())
}

/// The manifests of the named environments, or the default ones.
pub(super) fn selected<'a>(
    names: &[String],
    name: Option<&EnvName>,
    session: &'a Session,
) -> Result<Vec<&'a Manifest>, Failure> {
    let selected = session.manifests.select(names)?;
    match name {
        Some(name) if selected.len() > 1 => Err(Failure::one_name(name)),
        _ => Ok(selected),
    }
}

pub(super) fn shown(plan: &Plan, size: Option<Size>) -> Shown<'_> {
    Shown {
        schema: 1,
        ok: true,
        env: &plan.env,
        profile: plan.profile,
        backend: &plan.backend,
        refused: None,
        choices: &plan.choices,
        size,
    }
}

pub(super) fn table(plan: &Plan) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    for choice in &plan.choices {
        table.add_row([&choice.what, &choice.chosen, &choice.because]);
        for rejected in &choice.rejected {
            table.add_row(["", &format!("not {}", rejected.option), &rejected.because]);
        }
    }
    let mut text = format!("{} on {}\n", console::style(&plan.env).bold(), plan.subdir);
    for line in table.lines() {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    text
}
