//! The terminal: how events are displayed.
//!
//! Input: [`Event`](crate::context::event::Event)s. Output: lines and bars on standard error. Results are printed by
//! [`crate::cli`]. A terminal shows live lines. Other outputs, CI and `NO_COLOR` get one plain line for each
//! finished stage.

mod bars;
mod lines;
mod log_writer;

use crate::context::event::Events;
use lines::Lines;
pub(super) use log_writer::LogWriter;

/// The amount of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Warnings only.
    Quiet,
    /// One line for each stage.
    Normal,
    /// Every step too.
    Verbose,
}

/// Display options.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The amount of output.
    pub verbosity: Verbosity,
    /// Whether live lines may be drawn.
    pub live: bool,
}

/// Returns an event channel that writes lines to standard error.
#[must_use]
pub fn events(settings: Style) -> Events {
    let lines = Lines::new(settings);
    Events::new(move |env, event| lines.show(env, event))
}

/// Returns whether standard error is a terminal that supports live lines.
#[must_use]
pub fn is_live_terminal() -> bool {
    console::user_attended_stderr() && console::colors_enabled_stderr()
}
