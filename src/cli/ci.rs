use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use super::{Exit, Failure, Session};
use crate::{
    export::ci::{self, Job, Kind, MatenvWheel},
    install::LockedError,
    lock::LabLock,
};

/// Write a CI workflow that installs from the lock and keeps the certificates
///
/// Writes one job for each environment, profile and platform in the lab's matenv.lock. matenv is not on a
/// package index yet, so each job installs it from a wheel that is pinned by its hash.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CI service to write for
    #[arg(value_enum)]
    kind: Kind,
    /// Wheel of matenv for the jobs: a file in this repository, or URL#sha256=HEX; repeat for each platform
    #[arg(long, value_name = "FILE|URL")]
    wheel: Vec<String>,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    kind: Kind,
    jobs: &'a [Job],
    left_out: &'a [Job],
    output: Option<&'a Path>,
    text: &'a str,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    // A job starts in the top folder of the repository, which must be the lab's folder.
    let root = session.lab.as_ref().map_or(Path::new("."), |lab| &lab.root);
    if let Some(above) = ci::repository_above(root) {
        session.ctx.events.warn(format!(
            "this lab is in a subfolder of the repository {}: jobs start in the repository's top folder, but the paths in the workflow are relative to the lab; change the paths, or move the lab to the top folder",
            above.display()
        ));
    }
    let wheels = args
        .wheel
        .iter()
        .map(|given| MatenvWheel::find(given, root))
        .collect::<Result<Vec<_>, _>>()?;
    let lab = session.lab.is_some();
    // The jobs install from the lock.
    let lock = LabLock::read(root)?.ok_or(LockedError::None { lab })?;
    super::lock::warn_of_stale(session)?;
    let rendered = ci::render(args.kind, &ci::jobs(&lock), &wheels)?;
    for job in &rendered.left_out {
        let note = format!(
            "{} {} {} on {} is left out: there is no known runner for it",
            job.env, job.profile, job.backend, job.platform
        );
        session.ctx.events.note(note);
    }
    let shown = Shown {
        schema: 1,
        ok: true,
        kind: args.kind,
        jobs: &rendered.jobs,
        left_out: &rendered.left_out,
        output: args.output.as_deref(),
        text: &rendered.text,
    };
    match &args.output {
        None => session.out.show(&shown, &rendered.text),
        Some(file) => {
            super::export::write(file, &rendered.text, Some(ci::HEAD))?;
            let jobs = match rendered.jobs.len() {
                1 => "1 job".to_owned(),
                more => format!("{more} jobs"),
            };
            let said = format!("{}: {jobs}", file.display());
            session.out.show_result(&shown, said, Exit::Done);
        }
    }
    Ok(Exit::Done.into())
}
