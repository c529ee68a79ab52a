use std::process::ExitCode;

use super::{Exit, output::Output};
use crate::cli::reference::Document;

/// Print the JSON Schema of a file
///
/// Editors use it to complete and check manifests and a lab's file: write `#:schema PATH` into the first line
/// of the TOML file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Kind of file
    #[arg(value_enum, default_value_t)]
    document: Document,
}

pub(super) fn run(args: &Args, out: Output) -> ExitCode {
    let schema = args.document.schema();
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    out.show(&schema, text);
    Exit::Done.into()
}
