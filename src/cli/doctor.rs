use std::{path::PathBuf, process::ExitCode};

use super::{Exit, Failure, HardwareFile, Session, info::Found};
use crate::{
    audit::Depth,
    certificate::finding_lines,
    doctor::{self, Examination, Target, TargetMachine},
    finding::Severity,
    names::EnvName,
};

/// Find problems of this machine, this shell and an environment
///
/// Checks the machine (driver, disks, sources, conda), the variables of this shell that affect an environment,
/// and the environment itself: its files, its probes, and the imports of packages that are known to conflict.
/// Each finding has a code, the evidence and a remedy. Without ENV, checks the files of every environment, and
/// runs a program only if a variable of this shell is suspicious. With --hardware, uses the driver and the GPUs
/// of that machine: checks whether its driver supports the environment's CUDA, and whether the libraries
/// contain code for its GPUs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv doctor
  matenv doctor sleap
  matenv doctor --prefix ~/miniforge3/envs/old-sleap
  matenv doctor sleap --hardware rig.json")]
pub(super) struct Args {
    /// Environment to check
    env: Option<EnvName>,
    /// Check a conda or virtual environment that matenv did not create
    #[arg(long, value_name = "PATH", conflicts_with = "env")]
    prefix: Option<PathBuf>,
    #[command(flatten)]
    hardware: HardwareFile,
    /// Compare every file with its recorded hash
    #[arg(long)]
    deep: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let target = match (&args.env, &args.prefix) {
        (Some(env), _) => match super::info::found(env, session)? {
            Found::Installed(generation) => Target::Environment(generation),
            Found::Lost(lost) => Target::Lost(lost),
        },
        (None, Some(prefix)) => Target::Prefix(doctor::prefix_at(&session.cwd, prefix)),
        (None, None) => Target::Everything,
    };
    let read = args.hardware.read()?.zip(args.hardware.file.clone());
    let described = read.map(|(hardware, file)| TargetMachine { hardware, file });
    let depth = Depth::from_flag(args.deep);
    let found = session.block_on(doctor::examine(
        &session.ctx,
        &target,
        depth,
        described.as_ref(),
        session.lab.as_deref(),
    ))?;
    let exit = if found.ok { Exit::Done } else { Exit::Faulty };
    session
        .out
        .show_result(&found, describe(&found, described.as_ref()), exit);
    Ok(exit.into())
}

fn describe(found: &Examination, described: Option<&TargetMachine>) -> String {
    let blocks = found.findings.iter().map(|finding| finding_lines([finding]));
    let blocks: Vec<String> = blocks.collect();
    let count = |severity, one: &str, many: &str| {
        let count = found
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count();
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let counts = [
        count(Severity::Error, "error", "errors"),
        count(Severity::Warning, "warning", "warnings"),
        count(Severity::Info, "info", "infos"),
    ]
    .join(", ");
    let subject = match (&found.env, &found.prefix) {
        (Some(env), _) => env.to_string(),
        (None, Some(prefix)) => prefix.display().to_string(),
        (None, None) => "this machine".to_owned(),
    };
    let verdict = if found.ok { "no errors" } else { "found errors" };
    let on = described.map(|described| format!(" with the driver and the GPUs of {}", described.file.display()));
    let on = on.unwrap_or_default();
    [blocks.join("\n"), format!("{subject}: {verdict}{on} ({counts})")]
        .iter()
        .filter(|part| !part.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join("\n")
}
