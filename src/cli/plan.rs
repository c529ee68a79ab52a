use std::{collections::BTreeMap, fmt::Write as _, process::ExitCode};

use comfy_table::{Table, presets};
use indicatif::DecimalBytes;
use serde::Serialize;

use super::{Exit, Failure, Session, install::Choice};
use crate::{
    context::settings::GlobalOptions,
    finding::Finding,
    install::{self, LockMode, PlanningError, Prove, Request},
    manifest::lab::{self, Selected},
    names::{Backend, EnvName, ProfileName},
    plan::{self, Plan, PlanError, Unsupported},
    store::Size,
};

/// Show the choices for an environment, and the reason of each
///
/// Does not use the network and changes nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environments to plan; default: those in the lab's matenv.toml, or else the default ones
    env: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    /// Plan under another name
    #[arg(long)]
    name: Option<EnvName>,
}

impl Args {
    pub(super) fn ask(&self, asked: &mut GlobalOptions) {
        self.choice.ask(asked);
    }
}

#[derive(Serialize)]
pub(super) struct Shown<'a> {
    schema: u32,
    ok: bool,
    env: &'a EnvName,
    profile: ProfileName,
    /// Null if the profile is refused.
    backend: Option<&'a Backend>,
    /// Why the profile is refused; null if it is not.
    refused: Option<&'a str>,
    choices: &'a [plan::Choice],
    warnings: &'a [Finding],
    /// Size of an earlier generation of the same plan.
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
        machine: args.choice.machine(session)?,
        profile: args.choice.profile(),
        name: args.name.clone(),
        force: false,
        prove: Prove::default(),
        menu: false,
        sources: Vec::new(),
        excluded: BTreeMap::new(),
        lock: LockMode::default(),
        upgrade: false,
        lab: session.lab.clone(),
    };
    let planned = selected(&args.env, args.name.as_ref(), session)?
        .into_iter()
        .map(
            |one| match install::plan(&session.ctx, one.manifest, &request.for_selected(&one)) {
                Ok(plan) => Ok(Ok((install::known_size(&session.ctx, &plan), plan))),
                Err(PlanningError::Plan(PlanError::Unsupported(refused))) => Ok(Err(refused)),
                Err(error) => Err(error),
            },
        )
        .collect::<Result<Vec<_>, PlanningError>>()?;
    let shown: Vec<_> = planned
        .iter()
        .map(|planned| match planned {
            Ok((size, plan)) => shown(plan, *size),
            Err(refused) => Shown {
                schema: 1,
                ok: false,
                env: &refused.env,
                profile: refused.profile,
                backend: None,
                refused: Some(&refused.because),
                choices: &refused.choices,
                warnings: &[],
                size: None,
            },
        })
        .collect();
    let ok = shown.iter().all(|one| one.ok);
    let exit = if ok { Exit::Done } else { Exit::Unsupported };
    let text = planned.iter().map(|planned| match planned {
        Ok((size, plan)) => {
            let size = size.map(|size| {
                format!(
                    "  size: {} in {} files, as in the installed environment\n",
                    DecimalBytes(size.bytes),
                    size.files
                )
            });
            table(plan) + &size.unwrap_or_default()
        }
        Err(refused) => refusal(refused, &args.choice.machine_options()),
    });
    let text = text.collect::<Vec<_>>().join("\n");
    match (shown.as_slice(), args.env.len()) {
        ([one], 1) => session.out.show_result(one, text, exit),
        _ => session.out.show_result(
            &AllShown {
                schema: 1,
                ok,
                environments: shown,
            },
            text,
            exit,
        ),
    }
    Ok(exit.into())
}

/// Selects the named environments, or those that the lab lists, or the default ones.
pub(super) fn selected<'a>(
    names: &[String],
    name: Option<&EnvName>,
    session: &'a Session,
) -> Result<Vec<Selected<'a>>, Failure> {
    let selected = lab::select(session.lab.as_deref(), &session.manifests, names, name)?;
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
        backend: Some(&plan.backend),
        refused: None,
        choices: &plan.choices,
        warnings: &plan.warnings,
        size,
    }
}

pub(super) fn table(plan: &Plan) -> String {
    let mut text = format!("{} on {}\n", crate::text::style(&plan.env).bold(), plan.subdir);
    text.push_str(&rows(&plan.choices));
    for warning in &plan.warnings {
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  {} {}",
            crate::text::style("warning:").yellow(),
            warning.message
        );
        if let Some(remedy) = &warning.remedy {
            let _ = writeln!(text, "    {remedy}");
        }
    }
    text
}

/// Renders why there is no plan, the choices that were considered, and a profile that works.
fn refusal(refused: &Unsupported, options: &str) -> String {
    let mut text = format!("{} {refused}\n", crate::text::style("refused:").red());
    text.push_str(&rows(&refused.choices));
    if let Some(instead) = refused.instead {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  try: matenv plan {} --profile {instead}{options}", refused.env);
    }
    text
}

fn rows(choices: &[plan::Choice]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    for choice in choices {
        table.add_row([&choice.what, &choice.chosen, &choice.because]);
        for rejected in &choice.rejected {
            table.add_row(["", &format!("not {}", rejected.option), &rejected.because]);
        }
    }
    let lines = table.lines().map(|line| format!("  {}\n", line.trim_end()));
    lines.collect()
}
