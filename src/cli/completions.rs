use std::process::ExitCode;

use clap_complete::Shell;
use serde::Serialize;

use super::{Exit, output::Output};
use crate::cli::reference;

/// Print the completion script of a shell
///
/// For example: `matenv completions bash > ~/.local/share/bash-completion/completions/matenv`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell that will load the script
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Serialize)]
struct Shown {
    schema: u32,
    ok: bool,
    shell: String,
    script: String,
}

pub(super) fn run(args: &Args, out: Output) -> ExitCode {
    let script = reference::completions(args.shell, super::definition());
    let shown = Shown {
        schema: 1,
        ok: true,
        shell: args.shell.to_string(),
        script,
    };
    out.show(&shown, &shown.script);
    Exit::Done.into()
}
