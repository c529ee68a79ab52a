use std::{path::PathBuf, process::ExitCode};

use super::{Failure, Session, install::exit_of};
use crate::{
    audit::Depth,
    certificate::summary,
    install::{self, Prove},
    names::EnvName,
};

/// Audit an environment and run its probes again
///
/// Writes the results into the environment's certificate.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to verify
    env: EnvName,
    /// Also run the smoke tests on a trained model
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// Compare every file with its recorded hash
    #[arg(long)]
    deep: bool,
    /// Also write the certificate with the results to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let generation = super::info::installed(&args.env, session)?;
    let wanted = Prove {
        probes: true,
        bench: false,
        depth: Depth::from_flag(args.deep),
        model_dir: args.model_dir.clone(),
    };
    let certificate = session.block_on(install::prove_again(&session.ctx, &generation, &wanted))?;
    super::report::write(&certificate, args.report.as_deref())?;
    let exit = exit_of(&certificate);
    session.out.show_result(&certificate, summary(&certificate), exit);
    Ok(exit.into())
}
