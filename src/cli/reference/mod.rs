//! The reference documentation, generated from matenv's own code.
//!
//! Input: the definitions of the command line, the exit codes, the faults, the variables and the file types. Output:
//! Markdown pages, JSON Schemas, man pages and completion scripts. `just gen` writes the pages to `docs/reference`, and
//! a test compares them.

mod commands;
mod exit_codes;
mod faults;
mod schemas;
mod variables;

pub use schemas::Document;
pub use variables::{VARIABLES, Variable};

use std::path::{Path, PathBuf};

/// A page of `docs/reference`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The name of the file.
    pub file: String,
    /// The text, with a newline at the end.
    pub text: String,
}

/// Returns all pages, for the command line in `definition`.
#[must_use]
pub fn pages(definition: &clap::Command) -> Vec<Page> {
    let page = |file: &str, text: String| Page {
        file: file.to_owned(),
        text,
    };
    let mut pages = vec![
        page("commands.md", commands::page(definition)),
        page("exit-codes.md", exit_codes::page()),
        page("faults.md", faults::page()),
        page("variables.md", variables::page()),
    ];
    pages.extend(Document::ALL.map(|document| page(&format!("{document}.schema.json"), document.text())));
    pages
}

/// Returns the completion script for a shell.
#[must_use]
pub fn completions(shell: clap_complete::Shell, mut definition: clap::Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition, "matenv", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes the man pages of all commands into `folder` and returns their paths, sorted.
///
/// # Errors
/// Fails if the folder or a page cannot be written.
pub fn write_man_pages(definition: &clap::Command, folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    fs_err::create_dir_all(folder)?;
    let mut definition = definition.clone().disable_help_subcommand(true);
    definition.build();
    let mut written = Vec::new();
    let mut waiting = vec![definition];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned());
        let page = clap_mangen::Man::new(command);
        let path = folder.join(page.get_filename());
        let mut text = Vec::new();
        page.render(&mut text)?;
        fs_err::write(&path, text)?;
        written.push(path);
    }
    written.sort();
    Ok(written)
}
