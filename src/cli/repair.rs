use std::process::ExitCode;

use serde::Serialize;

use super::{Exit, Failure, Session, install::exit_of};
use crate::{
    certificate::{Verdict, finding_lines, told},
    doctor::repair::{self, RepairRequest, Repaired},
    finding::{Code, Finding},
    install::Prove,
    names::EnvName,
};

/// Mend an environment whose files changed
///
/// What is wrong is looked for as `matenv doctor ENV --deep` does. Then the environment is built again from its own lock, beside
/// itself: the same versions, from the same sources, with nothing that came since. It is proven, and only then takes the place of
/// the broken one. What lies in the machine or in the shell is told with the command that helps.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to mend
    env: EnvName,
    /// Only if this is found, such as ME033; what else is wrong with its files goes with it
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
    let repaired = session.block_on(repair::repair(&session.ctx, &generation, &request))?;
    let exit = exit(&repaired, args.dry_run);
    let document = Shown {
        schema: 1,
        ok: exit == Exit::Done,
        dry_run: args.dry_run,
        repaired: &repaired,
    };
    session.out.told(&document, words(&repaired, args), exit);
    Ok(exit.into())
}

fn exit(repaired: &Repaired, dry_run: bool) -> Exit {
    match &repaired.certificate {
        Some(certificate) if certificate.verdict() != Verdict::Good => exit_of(certificate),
        _ if repaired.left.iter().any(Finding::blocks) => Exit::Faulty,
        None if dry_run && repaired.faults.iter().any(Finding::blocks) => Exit::Faulty,
        Some(_) | None => Exit::Done,
    }
}

fn words(repaired: &Repaired, args: &Args) -> String {
    let env = &args.env;
    let mut parts = Vec::new();
    if !repaired.faults.is_empty() {
        let head = if args.dry_run { "would be mended" } else { "was wrong" };
        // What to do is told once below, or was done.
        let faults = repaired
            .faults
            .iter()
            .cloned()
            .map(|fault| Finding { remedy: None, ..fault });
        parts.push(format!("{env}: {head}\n{}", finding_lines(&faults.collect::<Vec<_>>())));
    }
    if !repaired.left.is_empty() {
        let lines = finding_lines(&repaired.left);
        parts.push(format!("{env}: not mended\n{lines}"));
    }
    parts.push(match (&repaired.certificate, args.finding) {
        (Some(certificate), _) => told(certificate, true),
        (None, _) if !repaired.faults.is_empty() => format!("to mend it: matenv repair {env}"),
        (None, _) if repaired.left.is_empty() => format!("{env}: nothing to mend"),
        (None, Some(code)) => format!("{env}: there is no {code}, so nothing was done"),
        (None, None) => format!("{env}: nothing to mend in its files"),
    });
    parts.concat()
}
