use std::process::ExitCode;

use super::{Exit, Failure, Session, add::show};
use crate::{manifest::lab, names::EnvName};

/// Remove packages from an environment of the lab
///
/// Removes only packages that matenv.toml adds: packages of the manifest stay. Run `matenv install` afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv remove-package sleap ipykernel")]
pub(super) struct Args {
    /// Environment to remove the packages from
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
