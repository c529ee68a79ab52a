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

/// Write a CI workflow that installs by the lock and keeps the certificates
///
/// One job for each environment, profile and platform of the lab's matenv.lock. matenv is on no package index yet, so a wheel of it is
/// named, and pinned by its hash.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to write
    #[arg(value_enum)]
    kind: Kind,
    /// The wheel that brings matenv to a job: a file of this repository, or URL#sha256=HEX; once for each platform
    #[arg(long, value_name = "FILE|URL")]
    wheel: Vec<String>,
    /// Write it to FILE instead of standard output
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
    // A job starts in the repository's folder, which is the lab's.
    let root = session.lab.as_ref().map_or(Path::new("."), |lab| &lab.root);
    if let Some(above) = ci::repository_above(root) {
        session.ctx.events.warn(format!(
            "this lab lies inside the repository {}: its jobs start there, and the paths of what is written are the lab's; change them, or keep the lab at the top",
            above.display()
        ));
    }
    let wheels = args
        .wheel
        .iter()
        .map(|given| MatenvWheel::find(given, root))
        .collect::<Result<Vec<_>, _>>()?;
    let lab = session.lab.is_some();
    // The jobs install by it.
    let lock = LabLock::read(root)?.ok_or(LockedError::None { lab })?;
    super::lock::warn_of_stale(session)?;
    let rendered = ci::render(args.kind, &ci::jobs(&lock), &wheels)?;
    for job in &rendered.left_out {
        let note = format!(
            "{} {} {} on {} is left out: no runner is known for it",
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
            session.out.told(&shown, said, Exit::Done);
        }
    }
    Ok(Exit::Done.into())
}
