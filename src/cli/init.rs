use std::{path::PathBuf, process::ExitCode};

use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    manifest::lab::{self, Created},
    names::EnvName,
};

/// Make a folder a lab's: write a matenv.toml
///
/// It says which environments there are, what is added to them and where packages come from, with a comment for each key. In
/// that folder and below it, every command goes by it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  matenv init                   here, with the default environments
  matenv init lab --env sleap   in the folder lab, with sleap alone
  matenv init --manifests       with the manifests too, to edit them")]
pub(super) struct Args {
    /// Folder to make it in; this one if left out
    dir: Option<PathBuf>,
    /// Environment to list; the default ones if left out
    #[arg(long)]
    env: Vec<String>,
    /// Copy the built-in manifests into the folder's `manifests`, where they take the place of the built-in ones
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
    session.out.told(&shown, lines.join("\n"), Exit::Done);
    Ok(Exit::Done.into())
}
