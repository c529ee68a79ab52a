//! Commands. Each file defines one command: it parses the arguments, calls the library once and prints the result.

pub mod about;
mod access;
mod add;
mod bench;
mod ci;
mod clean;
mod completions;
mod diff;
mod doctor;
mod error;
mod excerpt;
mod exit;
mod exits;
mod export;
mod global;
mod hardware;
mod hardware_file;
mod history;
mod info;
mod init;
mod install;
mod launch;
mod list;
mod lock;
mod lock_wait;
mod output;
mod pin;
mod plan;
mod profile_choice;
pub mod reference;
mod remove;
mod remove_package;
mod repair;
mod report;
mod rollback;
mod run;
mod schema;
mod self_command;
pub mod terminal;
mod verify;

pub use error::Failure;
pub use exit::Exit;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::{
    context::{
        Context,
        settings::{GlobalOptions, Settings},
    },
    files::{modes, trust},
    manifest::{
        Manifests,
        lab::{Lab, LabError},
    },
    process::Variables,
};
use global::Global;
use hardware_file::HardwareFile;
use output::Output;
use profile_choice::{ProfileChoice, parse_profile};

const EXAMPLES: &str = "\
Examples:
  matenv install sleap               install the environment `sleap` and prove it
  matenv launch sleap                open its program
  matenv run sleap -- python app.py  run a command in it
  matenv install runtime             a small one: can this machine run exported models?

Exit codes: ";

/// Returns the text below the help: examples and exit codes.
fn after_help() -> String {
    let codes: Vec<String> = Exit::ALL
        .iter()
        .map(|exit| format!("{} {}", *exit as u8, exit.meaning()))
        .collect();
    format!("{EXAMPLES}{}.", codes.join(", "))
}

/// Proven-working conda environments for animal-tracking labs
#[derive(Debug, Parser)]
#[command(name = "matenv", version, after_help = after_help(), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: AnyCommand,
    #[command(flatten)]
    global: Global,
}

/// Every command. Those outside `InSession` describe matenv itself, so they also work without `HOME` and with
/// an invalid manifest.
#[derive(Debug, Subcommand)]
enum AnyCommand {
    #[command(flatten)]
    InSession(Command),
    Completions(completions::Args),
    Schema(schema::Args),
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(install::Args),
    Plan(plan::Args),
    Verify(verify::Args),
    Bench(bench::Args),
    Doctor(doctor::Args),
    Repair(repair::Args),
    Report(report::Args),
    List(list::Args),
    Info(info::Args),
    Run(run::Args),
    Launch(launch::Args),
    History(history::Args),
    Diff(diff::Args),
    Rollback(rollback::Args),
    Pin(pin::Args),
    Remove(remove::Args),
    Clean(clean::Args),
    Lock(lock::Args),
    Init(init::Args),
    Add(add::Args),
    RemovePackage(remove_package::Args),
    Hardware(hardware::Args),
    Export(export::Args),
    Ci(ci::Args),
    #[command(name = "self")]
    Itself(self_command::Args),
}

/// The state that every command receives.
struct Session {
    cwd: PathBuf,
    ctx: Context,
    lab: Option<Arc<Lab>>,
    manifests: Manifests,
    out: Output,
    runtime: tokio::runtime::Runtime,
}

impl Session {
    /// Returns the lab, or an error for a command that requires one.
    fn lab(&self) -> Result<&Lab, Failure> {
        self.lab.as_deref().ok_or_else(|| LabError::Missing.into())
    }

    /// Converts an error, and names the folder that caused it in the help line.
    fn located(&self, error: impl Into<Failure>) -> Failure {
        error.into().located(&self.ctx.settings)
    }

    /// Runs a future until it ends or until Ctrl-C, which kills its child processes and removes unfinished files.
    fn block_on<T, E>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        self.runtime.block_on(async {
            tokio::select! {
                result = future => result.map_err(Failure::from),
                () = interrupted() => Err(Failure::interrupted()),
            }
        })
    }
}

/// Waits for Ctrl-C, for the termination signal that a batch system sends first, or for the end of the terminal.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            let mut hangup = crate::process::hangup_ends_this_process()
                .then(|| signal(SignalKind::hangup()).ok())
                .flatten();
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
            return;
        }
    }
    // Without a handler, Ctrl-C ends the process as the operating system does by default.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments
        .get(1)
        .is_some_and(|word| word == crate::bench::WORKER_ARGUMENT)
    {
        return crate::bench::worker(&arguments[2..]);
    }
    let wants_json = arguments
        .iter()
        .skip(1)
        .take_while(|word| *word != "--")
        .any(|word| word == "--json");
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if wants_json && error.use_stderr() => {
            return output::finished(Output::new(true, false).fail(&Failure::usage(&error)));
        }
        Err(error) => {
            Output::new(false, false).usage(&error);
            return output::finished(Exit::of_clap(&error).into());
        }
    };
    output::hide_in_panics();
    modes::limit();
    let out = Output::new(cli.global.json, cli.global.quiet);
    cli.global.apply_color();
    let timings = match cli.global.start_logs() {
        Ok(timings) => timings,
        Err(failure) => return out.fail(&failure),
    };
    let result = match &cli.command {
        AnyCommand::InSession(command) => dispatch(command, &cli.global, out),
        AnyCommand::Completions(args) => Ok(completions::run(args, out)),
        AnyCommand::Schema(args) => Ok(schema::run(args, out)),
    };
    let code = result.unwrap_or_else(|failure| out.fail(&failure));
    drop(timings);
    output::finished(code)
}

fn dispatch(command: &Command, global: &Global, out: Output) -> Result<ExitCode, Failure> {
    let cwd = std::env::current_dir().map_err(|error| Failure::no_cwd(&error))?;
    let mut asked = GlobalOptions {
        mirrors: global.mirror.clone(),
        manifest_dir: global.manifest_dir.clone(),
        offline: global.offline,
        ..GlobalOptions::default()
    };
    if let Command::Install(args) = command {
        args.ask(&mut asked);
    } else if let Command::Plan(args) = command {
        args.ask(&mut asked);
    } else if let Command::Lock(args) = command {
        args.ask(&mut asked);
    }
    let lab = match Lab::find(&cwd)? {
        Some((lab, settings)) => {
            asked.lab = settings;
            Some(Arc::new(lab))
        }
        None => None,
    };
    asked.lock_wait = command.lock_wait();
    let settings = Settings::resolve(asked, Variables::of_this_process(), &cwd)?;
    modes::share(&settings.home);
    trust::check(&settings.home, &settings.caches(), command.access())?;
    let manifests = Manifests::load(settings.manifest_dir.as_deref())?;
    let events = terminal::events(global.style(out.json()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::no_runtime(&error))?;
    let session = {
        // The HTTP client must be created inside the runtime.
        let _inside = runtime.enter();
        Session {
            cwd,
            ctx: Context::new(settings, events),
            lab,
            manifests,
            out,
            runtime,
        }
    };
    let result = match command {
        Command::Install(args) => install::run(args, &session),
        Command::Plan(args) => plan::run(args, &session),
        Command::Verify(args) => verify::run(args, &session),
        Command::Bench(args) => bench::run(args, &session),
        Command::Doctor(args) => doctor::run(args, &session),
        Command::Repair(args) => repair::run(args, &session),
        Command::Report(args) => report::run(args, &session),
        Command::List(args) => list::run(args, &session),
        Command::Info(args) => info::run(args, &session),
        Command::Run(args) => run::run(args, &session),
        Command::Launch(args) => launch::run(args, &session),
        Command::History(args) => history::run(args, &session),
        Command::Diff(args) => diff::run(args, &session),
        Command::Rollback(args) => rollback::run(args, &session),
        Command::Pin(args) => pin::run(args, &session),
        Command::Remove(args) => remove::run(args, &session),
        Command::Clean(args) => clean::run(args, &session),
        Command::Lock(args) => lock::run(args, &session),
        Command::Init(args) => init::run(args, &session),
        Command::Add(args) => add::run(args, &session),
        Command::RemovePackage(args) => remove_package::run(args, &session),
        Command::Hardware(args) => Ok(hardware::run(args, &session)),
        Command::Export(args) => export::run(args, &session),
        Command::Ci(args) => ci::run(args, &session),
        Command::Itself(args) => self_command::run(args, &session),
    };
    let settings = Arc::clone(&session.ctx.settings);
    // Do not wait for threads that still link or unpack: after Ctrl-C the prompt must return within a second.
    session.runtime.shutdown_background();
    result.map_err(|failure| failure.located(&settings))
}

/// Returns the definition of the command line, for completions and the reference pages.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        definition().debug_assert();
    }
}
