use std::process::ExitCode;

use super::{Exit, Failure, Session, add::show};
use crate::{manifest::lab, names::EnvName};

/// Take packages out of an environment of the lab
///
/// Only those that matenv.toml adds: what the manifest asks for stays. Install afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv remove-package sleap ipykernel")]
pub(super) struct Args {
    /// Environment to take them out of
    env: EnvName,
    /// Names of packages
    #[arg(required = true, value_name = "PKG")]
    packages: Vec<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let edited = lab::remove(session.lab()?, &session.manifests, &args.env, &args.packages)?;
    show(&edited, session);
    Ok(Exit::Done.into())
}
