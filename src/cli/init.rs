use std::{path::PathBuf, process::ExitCode};

use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    manifest::lab::{self, Created},
    names::EnvName,
};

/// Create a lab: write a matenv.toml
///
/// The file lists the environments, the packages that are added to them and the package sources, with a comment
/// for each key. Every command that runs in that folder or below it uses this file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv init                   here, with the default environments
  matenv init lab --env sleap   in the folder lab, with sleap only
  matenv init --manifests       with the manifests too, to edit them")]
pub(super) struct Args {
    /// Folder of the lab; default: the current folder
    dir: Option<PathBuf>,
    /// Environment to list; default: the default environments
    #[arg(long)]
    env: Vec<String>,
    /// Copy the built-in manifests into the folder `manifests`; the lab uses these copies
    #[arg(long)]
    manifests: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    #[serde(flatten)]
    created: &'a Created,
    next: &'a str,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let folder = match &args.dir {
        Some(dir) => session.cwd.join(dir),
        None => session.cwd.clone(),
    };
    let created = lab::init(&folder, &args.env, args.manifests)?;
    let names: Vec<&str> = created.environments.iter().map(EnvName::as_str).collect();
    let mut lines = vec![format!("wrote {} with {}", created.file.display(), names.join(", "))];
    lines.extend(created.manifests.iter().map(|path| format!("wrote {}", path.display())));
    let next = "matenv install";
    lines.push(match &args.dir {
        Some(dir) => format!("next: cd '{}' && {next}", dir.display()),
        None => format!("next: {next}"),
    });
    let shown = Shown {
        schema: 1,
        ok: true,
        created: &created,
        next,
    };
    session.out.show_result(&shown, lines.join("\n"), Exit::Done);
    Ok(Exit::Done.into())
}
