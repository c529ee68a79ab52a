use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use indicatif::{DecimalBytes, HumanCount};
use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::cli::{about::About, reference};

/// Inspect matenv itself
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the version, the commit, and the folders with their sizes
    Info,
    /// Write man pages, one for each command
    Man {
        /// Folder for the man pages, such as ~/.local/share/man/man1
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Serialize)]
struct InfoShown<'a> {
    schema: u32,
    ok: bool,
    #[serde(flatten)]
    about: &'a About,
}

#[derive(Serialize)]
struct ManShown {
    schema: u32,
    ok: bool,
    pages: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Info => {
            let about = About::new(&session.ctx.settings);
            let shown = InfoShown {
                schema: 1,
                ok: true,
                about: &about,
            };
            session.out.show(&shown, info(&about));
        }
        Command::Man { dir } => {
            let pages = reference::write_man_pages(&super::definition(), dir).map_err(|error| {
                Failure::io(
                    "failed to write the man pages",
                    &error,
                    "use a folder that you can write to: --dir DIR",
                )
            })?;
            let text = format!("{} man pages in {}", pages.len(), dir.display());
            let shown = ManShown {
                schema: 1,
                ok: true,
                pages,
            };
            session.out.show(&shown, text);
        }
    }
    Ok(Exit::Done.into())
}

fn info(about: &About) -> String {
    let commit = about.commit.unwrap_or("unknown");
    let mut text = format!("matenv {}\n", about.version);
    let mut row = |name: &str, value: &dyn std::fmt::Display| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {name:<14} {value}");
    };
    row("commit", &commit);
    row("built for", &about.target);
    if let Some(program) = &about.program {
        row("program", &program.display());
    }
    row("MATENV_HOME", &about.home.display());
    for file in &about.configuration {
        row("configuration", &file.display());
    }
    if let Some(folder) = &about.manifest_dir {
        row("manifests", &folder.display());
    }
    for folder in &about.folders {
        row(folder.name, &folder.path.display());
        let (bytes, files) = (DecimalBytes(folder.bytes), HumanCount(folder.files));
        row("", &format!("{bytes} in {files} files"));
    }
    text
}
