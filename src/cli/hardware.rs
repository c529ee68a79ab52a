use std::process::ExitCode;

use super::{Exit, Session};
use crate::{certificate, hardware::Hardware};

/// Show what this machine is
///
/// GPUs as CUDA programs see them, the driver, processor, memory, disks and what else decides about a profile. `--json`
/// prints a hardware file, by which environments for this machine are planned on another.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv hardware --json > rig.json
  matenv plan sleap --hardware rig.json")]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, session: &Session) -> ExitCode {
    let hardware = Hardware::detect(&session.ctx.settings);
    session.out.show(&hardware, certificate::machine(&hardware));
    Exit::Done.into()
}
