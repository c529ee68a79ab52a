use std::process::ExitCode;

use super::{Exit, Failure, Session};
use crate::{
    certificate::Certificate,
    install,
    names::EnvName,
    store::{Generation, Lost, Store},
};

/// Show the packages of an environment
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to show
    env: EnvName,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let certificate = match found(&args.env, session)? {
        Found::Installed(generation) => install::certificate_of(&session.ctx, &generation)?,
        Found::Lost(lost) => {
            let failure = Failure::lost(&lost, has_manifest(&args.env, session));
            let certificate = Certificate::read(&args.env, &lost.target).map_err(|_| failure)?;
            session.ctx.events.warn(lost.message());
            certificate
        }
    };
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for package in &certificate.packages {
        let kind = match package.kind {
            crate::lock::PackageKind::Conda => "conda",
            crate::lock::PackageKind::Pypi => "pypi",
        };
        let requested = if package.requested { "requested" } else { "" };
        table.add_row([&package.name, &package.version, kind, requested]);
    }
    let text = format!(
        "{}: profile {}, generation {}, created {}\n{}\n{table}",
        crate::text::style(&args.env).bold(),
        certificate.profile,
        certificate.generation,
        certificate.created,
        certificate.prefix.display()
    );
    session.out.show(&certificate, text);
    Ok(Exit::Done.into())
}

/// Returns the current generation of an environment.
pub(super) fn installed(env: &EnvName, session: &Session) -> Result<Generation, Failure> {
    match found(env, session)? {
        Found::Installed(generation) => Ok(*generation),
        Found::Lost(lost) => Err(Failure::lost(&lost, has_manifest(env, session))),
    }
}

/// An environment as it is on disk.
pub(super) enum Found {
    /// Its current generation.
    Installed(Box<Generation>),
    /// A link whose generation is missing.
    Lost(Box<Lost>),
}

/// Finds an environment on disk, or returns an error if there is none.
pub(super) fn found(env: &EnvName, session: &Session) -> Result<Found, Failure> {
    let store = Store::open(&session.ctx.settings)?;
    if let Some(generation) = store.current(env)? {
        return Ok(Found::Installed(Box::new(generation)));
    }
    if let Some(lost) = store.lost(env)? {
        return Ok(Found::Lost(Box::new(lost)));
    }
    let known: Vec<String> = store.list()?.iter().map(|other| other.env.to_string()).collect();
    Err(Failure::not_installed(env, has_manifest(env, session), &known))
}

/// Returns an error if an environment has no generation, not even a damaged one.
pub(super) fn has_generations(env: &EnvName, session: &Session) -> Result<(), Failure> {
    if Store::open(&session.ctx.settings)?.kept(env)?.is_empty() {
        installed(env, session)?;
    }
    Ok(())
}

/// Returns whether `matenv install` accepts the environment's name.
pub(super) fn has_manifest(env: &EnvName, session: &Session) -> bool {
    crate::manifest::lab::knows(session.lab.as_deref(), &session.manifests, env)
}
