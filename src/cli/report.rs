use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{Exit, Failure, Session};
use crate::{
    certificate::{Certificate, render_page, summary},
    files,
    names::EnvName,
};

/// Show the certificate of an environment
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to show
    env: EnvName,
    /// Also write it to FILE as an HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Writes a certificate to a file that the user named.
pub(super) fn write(certificate: &Certificate, file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let text = serde_json::to_string_pretty(certificate).map_err(std::io::Error::from);
    text.and_then(|text| files::write_whole(file, text + "\n"))
        .map_err(|error| {
            Failure::io(
                "failed to write the report",
                &error,
                "use a file in a folder that you can write to: --report FILE",
            )
        })
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let generation = super::info::installed(&args.env, session)?;
    let certificate = Certificate::read(&args.env, &generation.prefix)?;
    if let Some(file) = &args.html {
        fs_err::write(file, render_page(&certificate)).map_err(|error| {
            Failure::io(
                "failed to write the page",
                &error,
                "use a file in a folder that you can write to: --html FILE",
            )
        })?;
    }
    session.out.show(&certificate, summary(&certificate));
    Ok(Exit::Done.into())
}
