use std::{fmt::Display, io::Write as _, process::ExitCode};

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use super::{Exit, Failure, error::INTERRUPTED};

/// Where results go: standard output, as text or as one JSON document.
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

    /// Print a value, or the text that stands for it.
    pub(super) fn show(self, value: &impl Serialize, text: impl Display) {
        if self.json {
            self.document(value);
        } else {
            self.line(&text.to_string());
        }
    }

    /// [`Self::show`], but for the text of what went well where only what went wrong is wanted.
    pub(super) fn told(self, value: &impl Serialize, text: impl Display, exit: Exit) {
        if self.json || !self.quiet || exit != Exit::Done {
            self.show(value, text);
        }
    }

    /// Print a text, where no document is printed; what went well only where that is wanted.
    pub(super) fn text(self, text: impl Display, exit: Exit) {
        if !self.json && (!self.quiet || exit != Exit::Done) {
            self.line(&text.to_string());
        }
    }

    fn document(self, value: &impl Serialize) {
        let document = serde_json::to_string_pretty(value).unwrap_or_else(|error| {
            format!("{{\"schema\":1,\"ok\":false,\"error\":{{\"message\":\"cannot print the result: {error}\"}}}}")
        });
        self.line(&document);
    }

    #[expect(clippy::unused_self, reason = "reads as what it is: a line of this output")]
    fn line(self, text: &str) {
        // A reader that closed the pipe has seen enough.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
    }

    /// Print an error where scripts or people expect it, and give the exit code.
    pub(super) fn fail(self, failure: &Failure) -> ExitCode {
        if self.json {
            self.document(&failure.document());
        } else {
            self.tell(failure);
        }
        failure.exit().into()
    }

    /// Print an error for people.
    #[expect(clippy::unused_self, reason = "reads as what it is: a part of this output")]
    pub(super) fn tell(self, failure: &Failure) {
        if failure.exit() == Exit::Interrupted {
            let _ = writeln!(std::io::stderr(), "{INTERRUPTED}");
        } else {
            let theme = if console::colors_enabled_stderr() {
                GraphicalTheme::unicode()
            } else {
                GraphicalTheme::unicode_nocolor()
            };
            // Commands in help lines are pasted, so nothing wraps them.
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
