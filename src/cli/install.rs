use std::{path::PathBuf, process::ExitCode};

use serde::Serialize;

use super::{Exit, Failure, Session, parse_profile};
use crate::{
    install::{self, Installed, Prove, Request},
    menu,
    names::{EnvName, ProfileName},
    report::{Certificate, Verdict, summary},
    settings::Asked,
};

/// Make environments and prove that they work
///
/// Plans, resolves, installs, audits, probes and times each environment. Without a name it makes every default one.
/// The environment that was there stays as it is until the new one is proven.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environments to make
    env: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    /// Call the environment NAME: two profiles of one manifest side by side
    #[arg(long)]
    name: Option<EnvName>,
    /// Build a new generation even if nothing changed
    #[arg(long)]
    force: bool,
    /// Show what would be done and stop
    #[arg(long)]
    dry_run: bool,
    /// Skip audit and probes; the environment is not called proven
    #[arg(long)]
    no_verify: bool,
    /// Skip the benchmark; the environment is not called proven
    #[arg(long)]
    no_bench: bool,
    /// Put the environment's program into the system's menu
    #[arg(long)]
    menu: bool,
    /// Run the smoke tests on a trained model: a folder with `best.ckpt` and `training_config.yaml`
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
}

/// What decides the choices, for `install` and `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Choice {
    /// Accelerator level: cpu, gpu or gpu-trt
    #[arg(long, value_parser = parse_profile)]
    pub(super) profile: Option<ProfileName>,
    /// Take no fallback: the same as --no-host-python --no-torch-from-pypi
    #[arg(long)]
    strict: bool,
    /// Fail if no conda channel answers, instead of taking this machine's Python
    #[arg(long)]
    no_host_python: bool,
    /// Fail if the torch index does not answer, instead of taking PyPI's torch
    #[arg(long)]
    no_torch_from_pypi: bool,
    /// Take nothing that was published later, such as 2026-11-01
    #[arg(long, value_name = "DATE")]
    exclude_newer: Option<String>,
}

impl Choice {
    pub(super) fn ask(&self, asked: &mut Asked) {
        asked.no_host_python = self.strict || self.no_host_python;
        asked.no_torch_from_pypi = self.strict || self.no_torch_from_pypi;
        asked.exclude_newer.clone_from(&self.exclude_newer);
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    certificate: &'a Certificate,
    changed: bool,
}

#[derive(Serialize)]
struct AllShown<'a> {
    schema: u32,
    ok: bool,
    environments: Vec<Shown<'a>>,
}

impl Args {
    pub(super) fn ask(&self, asked: &mut Asked) {
        self.choice.ask(asked);
    }

    fn request(&self) -> Request {
        Request {
            profile: self.choice.profile,
            name: self.name.clone(),
            force: self.force,
            prove: Prove {
                probes: !self.no_verify,
                bench: !self.no_bench,
                model_dir: self.model_dir.clone(),
            },
        }
    }
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    if args.dry_run {
        return super::plan::show(&args.env, &args.request(), session);
    }
    let manifests = super::plan::selected(&args.env, args.name.as_ref(), session)?;
    let request = args.request();
    let mut all = Vec::new();
    for manifest in manifests {
        let installed = session.block_on(install::install(&session.ctx, manifest, &request))?;
        if !session.out.json() {
            session.out.show(&installed.certificate, told(&installed));
        }
        let good = installed.certificate.verdict() == Verdict::Good;
        if good && args.menu {
            menu::enter(&session.ctx, manifest, &installed.certificate.env)?;
        }
        all.push(installed);
        if !good {
            break;
        }
    }
    if session.out.json() {
        match (all.as_slice(), args.env.len()) {
            ([one], 1) => session.out.show(&shown(one), ""),
            (many, _) => {
                let document = AllShown {
                    schema: 1,
                    ok: many.iter().all(|one| one.certificate.ok),
                    environments: many.iter().map(shown).collect(),
                };
                session.out.show(&document, "");
            }
        }
    }
    Ok(all.last().map_or(Exit::Done, |last| exit_of(&last.certificate)).into())
}

fn shown(installed: &Installed) -> Shown<'_> {
    Shown {
        certificate: &installed.certificate,
        changed: installed.changed,
    }
}

fn told(installed: &Installed) -> String {
    let certificate = &installed.certificate;
    let env = &certificate.env;
    if certificate.verdict() != Verdict::Good {
        let text = summary(certificate);
        return format!("{text}\nThe environment was not made current; what was there before is untouched.");
    }
    if !installed.changed {
        return format!("nothing to do: {}", summary(certificate));
    }
    format!(
        "{}\n  use it: matenv run {env} -- python …   or: conda activate {env}",
        summary(certificate)
    )
}

/// The exit code that a certificate's verdict stands for.
pub(super) fn exit_of(certificate: &Certificate) -> Exit {
    match certificate.verdict() {
        Verdict::Good => Exit::Done,
        Verdict::Faulty => Exit::Faulty,
        Verdict::BenchFailed => Exit::BenchFailed,
    }
}
