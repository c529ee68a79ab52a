//! Events as lines: one line for each finished stage, followed by its slow steps.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::DecimalBytes;

use super::{Style, Verbosity, bars::Bars};
use crate::{
    context::event::{Event, Unit},
    names::EnvName,
    text::{self, Styled, style},
};

/// A step that takes at least this long is printed when its stage ends.
const SLOW: Duration = Duration::from_secs(3);
/// The largest number of slow steps that are printed.
const MAX_SLOW_STEPS: usize = 3;

/// Writes events to standard error.
pub(super) struct Lines {
    style: Style,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bars: Option<Bars>,
    /// Slow steps of the current stage of each environment.
    slow: BTreeMap<Option<EnvName>, Vec<(Duration, String)>>,
}

impl Lines {
    pub(super) fn new(style: Style) -> Self {
        let bars = style.live.then(Bars::new);
        Self {
            style,
            state: Mutex::new(State {
                bars,
                ..State::default()
            }),
        }
    }

    pub(super) fn show(&self, env: Option<&EnvName>, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let verbose = self.style.verbosity >= Verbosity::Verbose;
        let normal = self.style.verbosity >= Verbosity::Normal;
        match event {
            Event::Started { stage } => {
                state.slow.remove(&env.cloned());
                if let Some(bars) = &mut state.bars {
                    bars.start(env, stage);
                } else if verbose {
                    state.line(env, &style("…").dim().to_string(), stage.as_str());
                }
            }
            Event::Progress {
                stage,
                done,
                total,
                unit,
                at,
            } => {
                if let Some(bars) = &mut state.bars {
                    bars.advance(env, done, total, unit, text::printable(&at).replace('\n', " "));
                } else if verbose {
                    let of = match (total, unit) {
                        (Some(total), Unit::Bytes) => format!(" {}/{}", DecimalBytes(done), DecimalBytes(total)),
                        // Each item is printed as a step when it ends.
                        (Some(_), Unit::Items) => return,
                        (None, _) => String::new(),
                    };
                    state.line(env, " ", &format!("{stage}{of} {at}"));
                }
            }
            Event::Step { stage, what, elapsed } => {
                if verbose {
                    state.line(env, " ", &format!("{stage} {what} {}", seconds(elapsed)));
                } else if elapsed >= SLOW {
                    state.slow.entry(env.cloned()).or_default().push((elapsed, what));
                }
            }
            Event::Finished {
                stage,
                elapsed,
                summary,
            } => {
                if let Some(bars) = &mut state.bars {
                    bars.finish(env);
                }
                let mut slow = state.slow.remove(&env.cloned()).unwrap_or_default();
                if normal {
                    let text = format!("{:<8} {summary} {}", stage.as_str(), seconds(elapsed));
                    state.line(env, &style("✓").green().to_string(), &text);
                    slow.sort();
                    for (took, what) in slow.into_iter().rev().take(MAX_SLOW_STEPS) {
                        let text = format!(
                            "{:<8} {}",
                            "",
                            style(format!("{:.1} s {what}", took.as_secs_f64())).dim()
                        );
                        state.line(env, " ", &text);
                    }
                }
            }
            Event::Note { text } => {
                if normal {
                    state.line(env, &style("·").cyan().to_string(), &text);
                }
            }
            Event::Warning { text } => state.line(env, &style("!").yellow().bold().to_string(), &text),
        }
    }
}

impl State {
    /// Writes a line. The environment's name comes first if there are several environments.
    #[expect(clippy::print_stderr, reason = "this is the one place that writes progress")]
    fn line(&self, env: Option<&EnvName>, mark: &str, text: &str) {
        let text = match env {
            // 13 columns fit the names of the built-in environments, so their lines align.
            Some(env) => format!("{mark} {} {text}", style(format!("{:<13}", env.as_str())).bold()),
            None => format!("{mark} {text}"),
        };
        let text = text::for_terminal(&text::with_short_lines(&text), console::colors_enabled_stderr());
        match &self.bars {
            Some(bars) => bars.aside(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

fn seconds(elapsed: Duration) -> Styled<String> {
    style(format!("{:.1} s", elapsed.as_secs_f64())).dim()
}
