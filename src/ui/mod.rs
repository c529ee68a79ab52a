//! The terminal: how events look.
//!
//! In: [`Event`]s. Out: lines and bars on standard error; results go to standard output elsewhere.
//! A terminal gets one live line; anything else, CI and `NO_COLOR` get plain lines, one a finished stage.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use console::style;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Event, Events, Unit};

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
    let bar = settings.live.then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(spinner());
        bar
    });
    let lines = Lines {
        settings,
        bar,
        counted: Mutex::new(false),
    };
    Events::new(move |event| lines.show(event))
}

/// Whether standard error is a terminal on which a line may be drawn again and again.
#[must_use]
pub fn is_live_terminal() -> bool {
    console::user_attended_stderr() && console::colors_enabled_stderr()
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {prefix:<8} {wide_msg:.dim} {elapsed}").expect("tested")
}

fn bytes() -> ProgressStyle {
    ProgressStyle::with_template(
        "{spinner:.cyan} {prefix:<8} [{bar:24.cyan/dim}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg:.dim}",
    )
    .expect("tested")
}

fn items() -> ProgressStyle {
    ProgressStyle::with_template(
        "{spinner:.cyan} {prefix:<8} [{bar:24.cyan/dim}] {pos}/{len} {wide_msg:.dim} {elapsed}",
    )
    .expect("tested")
}

struct Lines {
    settings: Style,
    bar: Option<ProgressBar>,
    /// Whether the live line shows a bar and not a spinner.
    counted: Mutex<bool>,
}

impl Lines {
    fn show(&self, event: Event) {
        match event {
            Event::Started { stage } => {
                if let Some(bar) = &self.bar {
                    bar.reset();
                    bar.set_style(spinner());
                    *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = false;
                    bar.set_prefix(stage.as_str());
                    bar.set_message("");
                    bar.enable_steady_tick(Duration::from_millis(100));
                } else if self.settings.verbosity >= Verbosity::Verbose {
                    self.line(&format!("{} {stage}", style("…").dim()));
                }
            }
            Event::Progress {
                stage,
                done,
                total,
                unit,
                at,
            } => {
                if let Some(bar) = &self.bar {
                    self.advance(bar, done, total, unit);
                    bar.set_message(at);
                } else if self.settings.verbosity >= Verbosity::Verbose {
                    let of = total.map(|total| match unit {
                        Unit::Bytes => format!(" {}/{}", HumanBytes(done), HumanBytes(total)),
                        Unit::Items => format!(" {done}/{total}"),
                    });
                    self.line(&format!("  {stage}{} {at}", of.unwrap_or_default()));
                }
            }
            Event::Finished {
                stage,
                elapsed,
                summary,
            } => {
                if self.settings.verbosity >= Verbosity::Normal {
                    self.line(&format!(
                        "{} {:<8} {summary} {}",
                        style("✓").green(),
                        stage.as_str(),
                        style(format!("{:.1} s", elapsed.as_secs_f64())).dim()
                    ));
                }
                if let Some(bar) = &self.bar {
                    bar.disable_steady_tick();
                    bar.finish_and_clear();
                }
            }
            Event::Note { text } => {
                if self.settings.verbosity >= Verbosity::Normal {
                    self.line(&format!("{} {text}", style("·").cyan()));
                }
            }
            Event::Warning { text } => self.line(&format!("{} {text}", style("!").yellow().bold())),
        }
    }

    fn advance(&self, bar: &ProgressBar, done: u64, total: Option<u64>, unit: Unit) {
        let Some(total) = total else {
            return;
        };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if !*counted {
            bar.set_style(match unit {
                Unit::Bytes => bytes(),
                Unit::Items => items(),
            });
            *counted = true;
        }
        bar.set_length(total);
        bar.set_position(done);
    }

    #[expect(clippy::print_stderr, reason = "this is the one place that writes progress")]
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_template_is_sound() {
        let _ = (spinner(), bytes(), items());
    }
}
