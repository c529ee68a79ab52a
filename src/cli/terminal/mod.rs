//! The terminal: how events look.
//!
//! In: [`Event`](crate::context::event::Event)s. Out: lines and bars on standard error; results go to standard output elsewhere.
//! A terminal gets one live line; anything else, CI and `NO_COLOR` get plain lines, one a finished stage.

mod bars;
mod lines;

use crate::context::event::Events;
use lines::Lines;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Warnings only.
    Quiet,
    /// One line a stage.
    Normal,
    /// Each step as well.
    Verbose,
}

/// How the terminal is used.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// How much is said.
    pub verbosity: Verbosity,
    /// A live line may be drawn.
    pub live: bool,
}

/// Events as lines on standard error.
#[must_use]
pub fn events(settings: Style) -> Events {
    let lines = Lines::new(settings);
    Events::new(move |env, event| lines.show(env, event))
}

/// Whether standard error is a terminal on which a line may be drawn again and again.
#[must_use]
pub fn is_live_terminal() -> bool {
    console::user_attended_stderr() && console::colors_enabled_stderr()
}
