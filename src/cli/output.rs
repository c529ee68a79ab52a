use std::{fmt::Display, io::Write as _, process::ExitCode};

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use super::{Exit, Failure, error::INTERRUPTED};
use crate::net::mask::masked;

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
        self.line(&document);
    }

    #[expect(clippy::unused_self, reason = "a method reads better at the call")]
    fn line(self, text: &str) {
        // Writing fails if the reader closed the pipe, and that is not an error.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
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
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// Prints the message of clap. It quotes the arguments, which may contain credentials.
pub(super) fn print_usage(error: &clap::Error) {
    let text = error.render();
    // Writing fails only if the pipe is closed.
    let _ = if error.use_stderr() {
        let text = if console::colors_enabled_stderr() {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        write!(std::io::stderr(), "{}", masked(&text))
    } else if console::colors_enabled() {
        write!(std::io::stdout(), "{}", text.ansi())
    } else {
        write!(std::io::stdout(), "{text}")
    };
}

/// Hides credentials in the message of a panic.
pub(super) fn hide_in_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(std::io::stderr(), "{}", masked(&panic.to_string()));
    }));
}
