use std::process::ExitCode;

use serde::Serialize;

use super::{Exit, Failure, Session, install::exit_of, lock_wait::LockWait};
use crate::{
    certificate::{Verdict, describe_result, finding_lines},
    doctor::repair::{self, RepairRequest, Repaired},
    finding::{Code, Finding},
    install::Prove,
    names::EnvName,
};

/// Repair an environment whose files changed
///
/// Finds problems as `matenv doctor ENV --deep` does. Then builds the environment again from its own lock: the
/// same versions from the same sources, without anything that was added later. The new build replaces the
/// broken one only after it is proven. Problems of the machine or the shell are reported with a command that
/// helps.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to repair
    env: EnvName,
    /// Repair only if CODE is found, such as ME033; this also fixes all other problems of the files
    #[arg(long, value_name = "CODE")]
    finding: Option<Code>,
    /// Only show the problems, and which would be fixed
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Skip the benchmark; the environment is then not proven
    #[arg(long)]
    no_bench: bool,
    #[command(flatten)]
    pub(super) lock_wait: LockWait,
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
    session.out.show_result(&document, describe(&repaired, args), exit);
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

fn describe(repaired: &Repaired, args: &Args) -> String {
    let env = &args.env;
    let mut parts = Vec::new();
    if !repaired.faults.is_empty() {
        let head = if args.dry_run {
            "would be fixed"
        } else {
            "problems that the repair fixes"
        };
        // The remedy is printed once below, or was applied.
        let faults = repaired
            .faults
            .iter()
            .cloned()
            .map(|fault| Finding { remedy: None, ..fault });
        parts.push(format!("{env}: {head}\n{}", finding_lines(&faults.collect::<Vec<_>>())));
    }
    if !repaired.left.is_empty() {
        let lines = finding_lines(&repaired.left);
        parts.push(format!("{env}: not fixed by a repair\n{lines}"));
    }
    parts.push(match (&repaired.certificate, args.finding) {
        (Some(certificate), _) => describe_result(certificate, true),
        (None, _) if !repaired.faults.is_empty() => format!("to fix it: matenv repair {env}"),
        (None, _) if repaired.left.is_empty() => format!("{env}: nothing to fix"),
        (None, Some(code)) => format!("{env}: {code} was not found, or a repair cannot fix it; nothing was changed"),
        (None, None) => format!("{env}: nothing to fix in its files"),
    });
    parts.concat()
}
