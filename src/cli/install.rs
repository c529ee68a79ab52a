use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use serde::Serialize;

use super::{Exit, Failure, HardwareFile, ProfileChoice, Session, error::Document, lock_wait::LockWait, parse_profile};
use crate::{
    certificate::{Certificate, Package, Row, Verdict, describe_result, headlines, render_overview},
    context::settings::GlobalOptions,
    files::Need,
    install::{self, DryRun, FolderFacts, InstallOutcome, Installed, LockMode, Machine, Prove, Request},
    manifest::{checkout::Source, lab::Selected},
    names::{EnvName, ProfileName},
};

/// Install environments and prove that they work
///
/// Plans, resolves, installs, audits, probes and times each environment. Without ENV, installs every environment that
/// the lab's matenv.toml lists, or else the default ones. The previous environment stays in use until the new one is
/// proven, unless you skip checks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environments to install
    env: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    /// Install under another name, to keep several profiles of one manifest
    #[arg(long)]
    name: Option<EnvName>,
    /// Install a program from its source: a folder, installed editable, or a git URL, such as
    /// x-anylabeling=https://…@v4.2
    #[arg(long, value_name = "ENV=PLACE[@REV]")]
    source: Vec<Source>,
    /// Build a new generation even if nothing changed
    #[arg(long)]
    force: bool,
    /// Install from the lab's matenv.lock; fail if it is missing or stale
    #[arg(long)]
    locked: bool,
    /// Install from the lab's matenv.lock without checking whether it is stale
    #[arg(long, conflicts_with = "locked")]
    frozen: bool,
    /// Use the newest allowed versions; ignore installed and locked versions
    #[arg(long, conflicts_with_all = ["locked", "frozen"])]
    upgrade: bool,
    /// Resolve everything, show what would be downloaded and written, and stop
    #[arg(long)]
    dry_run: bool,
    /// Skip audit and probes; the environment is then not proven
    #[arg(long)]
    no_verify: bool,
    /// Skip the benchmark; the environment is then not proven
    #[arg(long)]
    no_bench: bool,
    /// Add the environment's program to the system's menu
    #[arg(long)]
    menu: bool,
    /// Run the smoke tests on a trained model: a folder that contains `best.ckpt` and `training_config.yaml`
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) lock_wait: LockWait,
}

/// The options that affect planning, for `install` and `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Choice {
    /// Accelerator level: cpu, gpu, gpu-trt (alias tensorrt), or auto, the best level that the machine supports
    #[arg(long, value_parser = parse_profile, default_value = "auto", hide_default_value = true)]
    profile: ProfileChoice,
    #[command(flatten)]
    hardware: HardwareFile,
    /// Install for another machine of the same platform: skip and report the steps that need its GPU. Usually
    /// used with --hardware; without it the GPU is unknown, and CUDA is 13.0 or the version in
    /// `CONDA_OVERRIDE_CUDA`
    #[arg(long)]
    cross: bool,
    /// Use no fallback: the same as --no-host-python --no-torch-from-pypi
    #[arg(long)]
    strict: bool,
    /// Fail if no conda channel answers, instead of using this machine's Python
    #[arg(long)]
    no_host_python: bool,
    /// Fail if the torch index does not answer, instead of using PyPI's torch
    #[arg(long)]
    no_torch_from_pypi: bool,
    /// Ignore packages that were published after DATE, such as 2026-11-01
    #[arg(long, value_name = "DATE")]
    exclude_newer: Option<String>,
}

impl Choice {
    /// Returns the requested level; `None` means the best one.
    pub(super) fn profile(&self) -> Option<ProfileName> {
        self.profile.named()
    }

    /// Returns the options that describe the machine, for a command to paste: ` --hardware FILE --cross`.
    pub(super) fn machine_options(&self) -> String {
        let file = self
            .hardware
            .file
            .as_ref()
            .map(|file| format!(" --hardware {}", file.display()));
        format!(
            "{}{}",
            file.unwrap_or_default(),
            if self.cross { " --cross" } else { "" }
        )
    }

    /// Returns the machine that the environment is for.
    pub(super) fn machine(&self, session: &Session) -> Result<Machine, Failure> {
        let file = self.hardware.read()?;
        Ok(Machine::new(&session.ctx.settings, file, self.cross))
    }

    pub(super) fn ask(&self, asked: &mut GlobalOptions) {
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

/// One environment of several: its certificate or its error.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Made(Shown<'a>),
    Failed {
        env: &'a EnvName,
        #[serde(flatten)]
        document: Document,
    },
}

#[derive(Serialize)]
struct AllShown<'a> {
    schema: u32,
    ok: bool,
    environments: Vec<Entry<'a>>,
}

impl Args {
    pub(super) fn ask(&self, asked: &mut GlobalOptions) {
        self.choice.ask(asked);
    }

    fn request(&self, session: &Session) -> Result<Request, Failure> {
        Ok(Request {
            machine: self.choice.machine(session)?,
            profile: self.choice.profile(),
            name: self.name.clone(),
            force: self.force,
            prove: Prove {
                probes: !self.no_verify,
                bench: !self.no_bench,
                model_dir: self.model_dir.clone(),
                ..Prove::default()
            },
            menu: self.menu,
            sources: self.source.clone(),
            lab: session.lab.clone(),
            excluded: BTreeMap::new(),
            lock: match (self.locked, self.frozen, self.upgrade) {
                (true, ..) => LockMode::Locked,
                (_, true, _) => LockMode::Frozen,
                (.., true) => LockMode::Ignored,
                _ => LockMode::IfSatisfied,
            },
            upgrade: self.upgrade,
        })
    }
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let request = args.request(session)?;
    let selected = super::plan::selected(&args.env, args.name.as_ref(), session)?;
    let selected = if args.env.is_empty() {
        install::keep_supported(&session.ctx, selected, &request)?
    } else {
        selected
    };
    if args.dry_run {
        return dry_run(args, &selected, &request, session);
    }
    let made = session.block_on(install::install_batch(&session.ctx, &selected, &request))?;
    match <[InstallOutcome; 1]>::try_from(made) {
        Ok([one]) => show_one(args, one, session),
        Err(many) => Ok(show_many(many, session)),
    }
}

fn show_one(args: &Args, made: InstallOutcome, session: &Session) -> Result<ExitCode, Failure> {
    let installed = made.result?;
    let exit = exit_of(&installed.certificate);
    let shown = Shown {
        certificate: &installed.certificate,
        changed: installed.changed,
    };
    if args.env.is_empty() {
        let document = AllShown {
            schema: 1,
            ok: installed.certificate.ok,
            environments: vec![Entry::Made(shown)],
        };
        session.out.show_result(
            &document,
            describe_result(&installed.certificate, installed.changed),
            exit,
        );
    } else {
        session
            .out
            .show_result(&shown, describe_result(&installed.certificate, installed.changed), exit);
    }
    Ok(exit.into())
}

/// Prints each environment in a few lines, then all of them in one table. Returns the exit code of the first
/// that failed.
fn show_many(made: Vec<InstallOutcome>, session: &Session) -> ExitCode {
    let made: Vec<(EnvName, Result<Installed, Failure>)> = made
        .into_iter()
        .map(|one| (one.env, one.result.map_err(|error| session.located(error))))
        .collect();
    for (_, result) in &made {
        match result {
            Ok(Installed { certificate, changed }) => {
                let exit = exit_of(certificate);
                let nothing = if *changed || exit != Exit::Done {
                    ""
                } else {
                    "nothing to do: "
                };
                session.out.text(format!("{nothing}{}", headlines(certificate)), exit);
            }
            Err(failure) => session.out.print_error(failure),
        }
    }
    let entries: Vec<Entry<'_>> = made
        .iter()
        .map(|(env, result)| match result {
            Ok(installed) => Entry::Made(Shown {
                certificate: &installed.certificate,
                changed: installed.changed,
            }),
            Err(failure) => Entry::Failed {
                env,
                document: failure.document(),
            },
        })
        .collect();
    let rows: Vec<Row<'_>> = made
        .iter()
        .map(|(env, result)| Row {
            env,
            certificate: result.as_ref().ok().map(|installed| &installed.certificate),
            changed: result.as_ref().is_ok_and(|installed| installed.changed),
        })
        .collect();
    let exits: Vec<Exit> = made
        .iter()
        .map(|(_, result)| match result {
            Ok(installed) => exit_of(&installed.certificate),
            Err(failure) => failure.exit(),
        })
        .collect();
    let document = AllShown {
        schema: 1,
        ok: rows
            .iter()
            .all(|row| row.certificate.is_some_and(|certificate| certificate.ok)),
        environments: entries,
    };
    let exit = exits.into_iter().find(|exit| *exit != Exit::Done).unwrap_or(Exit::Done);
    session.out.show_result(&document, render_overview(&rows), exit);
    exit.into()
}

#[derive(Serialize)]
struct DryRunShown<'a> {
    #[serde(flatten)]
    plan: super::plan::Shown<'a>,
    changed: bool,
    packages: &'a [Package],
    need: Need,
    places: &'a [FolderFacts],
    words: String,
}

fn dry_run(args: &Args, selected: &[Selected<'_>], request: &Request, session: &Session) -> Result<ExitCode, Failure> {
    let dry_runs = session.block_on(install::dry_run_batch(&session.ctx, selected, request))?;
    let text = dry_runs.iter().map(render_dry_run).collect::<Vec<_>>().join("\n");
    let shown: Vec<_> = dry_runs
        .iter()
        .map(|one| DryRunShown {
            plan: super::plan::shown(&one.plan, None),
            changed: !one.packages.is_empty(),
            packages: &one.packages,
            need: one.need,
            places: &one.places,
            words: one.need.describe(),
        })
        .collect();
    match (shown.as_slice(), args.env.len()) {
        ([one], 1) => session.out.show(one, text),
        _ => session.out.show(
            &serde_json::json!({ "schema": 1, "ok": true, "environments": shown }),
            text,
        ),
    }
    Ok(Exit::Done.into())
}

/// Renders what would be chosen, downloaded and written.
fn render_dry_run(dry_run: &DryRun) -> String {
    let doing = if dry_run.packages.is_empty() {
        "nothing to do: it is already installed".to_owned()
    } else {
        format!("{} packages: {}", dry_run.packages.len(), dry_run.need.describe())
    };
    let places: Vec<String> = dry_run.places.iter().map(FolderFacts::describe).collect();
    let plan = super::plan::table(&dry_run.plan);
    format!("{plan}  {doing}\n  {}\n", places.join("\n  "))
}

/// Returns the exit code for a certificate's verdict.
pub(super) fn exit_of(certificate: &Certificate) -> Exit {
    match certificate.verdict() {
        Verdict::Good => Exit::Done,
        Verdict::Faulty => Exit::Faulty,
        Verdict::BenchFailed => Exit::BenchFailed,
    }
}
