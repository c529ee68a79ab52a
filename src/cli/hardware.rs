use std::process::ExitCode;

use super::{Exit, Session};
use crate::{certificate, hardware::Hardware};

/// Show the hardware of this machine
///
/// Shows the GPUs as CUDA programs see them, the driver, the processor, memory, disks and everything else that
/// a profile depends on. `--json` prints a hardware file, with which another machine can plan environments for
/// this one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv hardware --json > rig.json
  matenv plan sleap --hardware rig.json")]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, session: &Session) -> ExitCode {
    let hardware = Hardware::detect(&session.ctx.settings);
    session.out.show(&hardware, certificate::render_machine(&hardware));
    Exit::Done.into()
}
