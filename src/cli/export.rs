use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use super::{Exit, Failure, ProfileChoice, Session, parse_profile};
use crate::{
    export::{self, Format, Wanted},
    files::layout,
    input::{self, Input},
    install::relock::{self, Interpreter},
    lock::{LAB_SIDECAR, LabEntry},
    manifest::lab::{LAB_FILE, LAB_LOCK},
    names::{Backend, EnvName, ProfileName},
};

/// Export an environment's packages for another tool
///
/// In a lab's folder, exports the environment from matenv.lock; otherwise, exports the installed environment
/// with its exact versions. An environment that uses this machine's own Python cannot be exported, because it
/// works only here. matenv does not prove what another tool installs from the export.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to export
    env: EnvName,
    /// Format of the export
    #[arg(long, value_enum)]
    format: Format,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Platform to export, such as linux-64
    #[arg(long)]
    platform: Option<String>,
    /// Profile to export
    #[arg(long, value_parser = parse_profile)]
    profile: Option<ProfileChoice>,
    /// torch backend to export, such as cu130
    #[arg(long)]
    backend: Option<Backend>,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    env: &'a EnvName,
    profile: ProfileName,
    backend: &'a Backend,
    platform: &'a str,
    format: Format,
    output: Option<&'a Path>,
    text: &'a str,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let locked = export::from_lab(session.lab.as_deref(), &args.env)?;
    let installed = if locked.is_empty() {
        Some(super::info::installed(&args.env, session)?)
    } else {
        super::lock::warn_of_stale(session)?;
        None
    };
    let entries = match &installed {
        Some(generation) => vec![export::from_generation(generation)?],
        None => locked,
    };
    let wanted = Wanted {
        platform: args.platform.clone(),
        profile: args.profile.and_then(ProfileChoice::named),
        backend: args.backend.clone(),
    };
    let entry = export::select(&entries, &args.env, &wanted)?;
    let python = match &installed {
        Some(generation) => Interpreter::from_path(layout::python(&generation.prefix)),
        None if args.format == Format::Pylock => session.block_on(relock::interpreter(&session.ctx))?,
        // Only a pylock needs an interpreter, to ask an index for the URLs of its files.
        None => Interpreter::from_path(PathBuf::new()),
    };
    let text = session.block_on(export::export(
        &session.ctx,
        session.lab.as_deref(),
        entry,
        args.format,
        &python.path,
    ))?;
    let shown = shown(args, entry, &text);
    match &args.output {
        None => session.out.show(&shown, &text),
        Some(file) => {
            write(file, &text, None)?;
            let said = format!("{}: {} for {}", file.display(), entry.name, entry.platform);
            session.out.show_result(&shown, said, Exit::Done);
        }
    }
    Ok(Exit::Done.into())
}

fn shown<'a>(args: &'a Args, entry: &'a LabEntry, text: &'a str) -> Shown<'a> {
    Shown {
        schema: 1,
        ok: true,
        env: &entry.env,
        profile: entry.profile,
        backend: &entry.backend,
        platform: &entry.platform,
        format: args.format,
        output: args.output.as_deref(),
        text,
    }
}

/// Writes a text to the file of `--output`. Refuses to overwrite a lab's files and, if `ours` is given, an
/// existing file that does not start with it.
pub(super) fn write(file: &Path, text: &str, ours: Option<&str>) -> Result<(), Failure> {
    let of_lab = [LAB_FILE, LAB_LOCK, LAB_SIDECAR]
        .iter()
        .any(|name| file.ends_with(name));
    let theirs = ours
        .is_some_and(|ours| input::read(file, Input::Output).is_ok_and(|there| !there.starts_with(ours.as_bytes())));
    if of_lab || theirs {
        let message = format!("refused to overwrite {}", file.display());
        let help = "write to another file: --output FILE; or omit --output and compare both";
        return Err(Failure::refused(message, "output::exists", help));
    }
    fs_err::write(file, text).map_err(|error| {
        Failure::io(
            "failed to write the file",
            &error,
            "use a file in a folder that you can write to: --output FILE",
        )
    })
}
