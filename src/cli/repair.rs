use std::process::ExitCode;

use serde::Serialize;

use super::{Exit, Failure, Session, install::exit_of};
use crate::{
    doctor::{Code, Finding},
    install::{self, Prove, RepairRequest, Repaired},
    names::EnvName,
    report::{Verdict, finding_lines, told},
};

/// Mend an environment whose files changed
///
/// What is wrong is looked for as `matenv verify` does. Then the environment is built again from its own lock, beside itself: the
/// same versions, from the same places, with nothing that came since. It is proven, and only then takes the place of the
/// broken one. What lies in the machine or in the shell is told with the command that helps.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to mend
    env: EnvName,
    /// Only what has this code, such as ME033
    #[arg(long, value_name = "CODE")]
    finding: Option<Code>,
    /// Only say what is wrong and what would be mended
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Leave the benchmark out; the environment is not called proven then
    #[arg(long)]
    no_bench: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    dry_run: bool,
    #[serde(flatten)]
    repaired: &'a Repaired,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let generation = super::info::installed(&args.env, session)?;
    let request = RepairRequest {
        finding: args.finding,
        dry_run: args.dry_run,
        prove: Prove {
            bench: !args.no_bench,
            ..Prove::default()
        },
    };
    let repaired = session.block_on(install::repair(&session.ctx, &generation, &request))?;
    let exit = exit(&repaired, args.dry_run);
    let document = Shown {
        schema: 1,
        ok: exit == Exit::Done,
        dry_run: args.dry_run,
        repaired: &repaired,
    };
    session
        .out
        .told(&document, words(&repaired, &args.env, args.dry_run), exit);
    Ok(exit.into())
}

fn exit(repaired: &Repaired, dry_run: bool) -> Exit {
    match &repaired.certificate {
        Some(certificate) if certificate.verdict() != Verdict::Good => exit_of(certificate),
        _ if repaired.left.iter().any(Finding::blocks) => Exit::Faulty,
        None if dry_run && !repaired.faults.is_empty() => Exit::Faulty,
        Some(_) | None => Exit::Done,
    }
}

fn words(repaired: &Repaired, env: &EnvName, dry_run: bool) -> String {
    let mut parts = Vec::new();
    if !repaired.faults.is_empty() {
        let head = if dry_run { "would be mended" } else { "was wrong" };
        parts.push(format!("{env}: {head}\n{}", finding_lines(&repaired.faults)));
    }
    if !repaired.left.is_empty() {
        let lines = finding_lines(&repaired.left);
        parts.push(format!("{env}: the same packages do not mend\n{lines}"));
    }
    parts.push(match &repaired.certificate {
        Some(certificate) => told(certificate, true),
        None if repaired.faults.is_empty() => format!("{env}: nothing to mend"),
        None => format!("to mend it: matenv repair {env}"),
    });
    parts.concat()
}
