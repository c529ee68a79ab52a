use std::{
    fmt::Display,
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
    sync::OnceLock,
};

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use super::{Exit, Failure, error::INTERRUPTED};
use crate::{net::mask::masked, text};

/// Prints results on standard output, as text or as one JSON document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    pub(super) fn json(self) -> bool {
        self.json
    }

    /// Prints `value` as JSON, or `text`.
    pub(super) fn show(self, value: &impl Serialize, text: impl Display) {
        if self.json {
            self.document(value);
        } else {
            self.line(&text.to_string());
        }
    }

    /// Prints like [`Self::show`], but omits the text of a success with `--quiet`.
    pub(super) fn show_result(self, value: &impl Serialize, text: impl Display, exit: Exit) {
        if self.json || !self.quiet || exit != Exit::Done {
            self.show(value, text);
        }
    }

    /// Prints a text. Omits it with `--json`, and omits the text of a success with `--quiet`.
    pub(super) fn text(self, text: impl Display, exit: Exit) {
        if !self.json && (!self.quiet || exit != Exit::Done) {
            self.line(&text.to_string());
        }
    }

    fn document(self, value: &impl Serialize) {
        let document = serde_json::to_string_pretty(value).unwrap_or_else(|error| {
            format!("{{\"schema\":1,\"ok\":false,\"error\":{{\"message\":\"failed to print the result: {error}\"}}}}")
        });
        write(&text::json(&document));
    }

    #[expect(clippy::unused_self, reason = "a method reads better at the call")]
    fn line(self, text: &str) {
        write(&text::for_terminal(text, console::colors_enabled()));
    }

    /// Prints help, a version or a usage error, which clap has colored. A usage error quotes the arguments, which may
    /// contain credentials.
    #[expect(clippy::unused_self, reason = "a method reads better at the call")]
    pub(super) fn usage(self, error: &clap::Error) {
        let text = error.render();
        if error.use_stderr() {
            let colored = console::colors_enabled_stderr();
            let text = if colored {
                text.ansi().to_string()
            } else {
                text.to_string()
            };
            let _ = write!(std::io::stderr(), "{}", text::keeping_colors(&masked(&text)));
        } else {
            let text = if console::colors_enabled() {
                text.ansi().to_string()
            } else {
                text.to_string()
            };
            write(&text);
        }
    }

    /// Prints an error, as JSON on standard output or as text on standard error, and returns its exit code.
    pub(super) fn fail(self, failure: &Failure) -> ExitCode {
        if self.json {
            self.document(&failure.document());
        } else {
            self.print_error(failure);
        }
        failure.exit().into()
    }

    /// Prints an error as text on standard error.
    #[expect(clippy::unused_self, reason = "a method reads better at the call")]
    pub(super) fn print_error(self, failure: &Failure) {
        if failure.exit() == Exit::Interrupted {
            let _ = writeln!(std::io::stderr(), "{INTERRUPTED}");
        } else {
            let theme = if console::colors_enabled_stderr() {
                GraphicalTheme::unicode()
            } else {
                GraphicalTheme::unicode_nocolor()
            };
            // Users paste commands from help lines, so lines are not wrapped.
            let handler = GraphicalReportHandler::new_themed(theme)
                .with_links(false)
                .with_wrap_lines(false)
                .with_break_words(false);
            let mut text = String::new();
            if handler.render_report(&mut text, failure).is_err() {
                text = failure.to_string();
            }
            // Every part of the failure is printable already, and the rest are miette's own colors.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// The first error of writing to standard output.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Writes a text and a line break to standard output.
fn write(text: &str) {
    let mut output = io::stdout().lock();
    let written = writeln!(output, "{}", text.trim_end_matches('\n')).and_then(|()| output.flush());
    if let Err(error) = written {
        // Only the first one matters.
        let _ = UNWRITTEN.set(error);
    }
}

/// Returns the exit code of a command: `code`, or that of an error if its output could not be written. A reader that
/// closes the pipe, as `head` does, has read enough, and that is not an error.
pub(super) fn finished(code: ExitCode) -> ExitCode {
    match UNWRITTEN.get() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            // The document of `--json` could not be written either.
            Output::new(false, false).fail(&Failure::io(
                "failed to write to standard output",
                error,
                "free disk space for the file of the redirection, or write to another one: > FILE",
            ))
        }
        _ => code,
    }
}
