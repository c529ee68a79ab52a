//! Live lines in a terminal: one for each environment that is being installed.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    context::event::{Stage, Unit},
    names::EnvName,
};

/// All live lines.
pub(super) struct Bars {
    all: MultiProgress,
    by_env: BTreeMap<Option<EnvName>, Bar>,
}

struct Bar {
    bar: ProgressBar,
    /// The unit of the bar, or `None` for a spinner.
    counts: Option<Unit>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            by_env: BTreeMap::new(),
        }
    }

    pub(super) fn start(&mut self, env: Option<&EnvName>, stage: Stage) {
        self.finish(env);
        let bar = self.all.add(ProgressBar::no_length().with_style(spinner()));
        let stage = format!("{:<8}", stage.as_str());
        bar.set_prefix(env.map_or_else(|| stage.clone(), |env| format!("{:<13} {stage}", env.as_str())));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.by_env.insert(env.cloned(), Bar { bar, counts: None });
    }

    pub(super) fn advance(&mut self, env: Option<&EnvName>, done: u64, total: Option<u64>, unit: Unit, at: String) {
        let Some(Bar { bar, counts }) = self.by_env.get_mut(&env.cloned()) else {
            return;
        };
        if let Some(total) = total {
            if *counts != Some(unit) {
                bar.set_style(match unit {
                    Unit::Bytes => bytes(),
                    Unit::Items => items(),
                });
                bar.reset();
                *counts = Some(unit);
            }
            bar.set_length(total);
            bar.set_position(done);
        }
        bar.set_message(at);
    }

    pub(super) fn finish(&mut self, env: Option<&EnvName>) {
        if let Some(Bar { bar, .. }) = self.by_env.remove(&env.cloned()) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Runs `print` while the bars are hidden.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed} {wide_msg:.dim}").expect("tested")
}

fn bytes() -> ProgressStyle {
    ProgressStyle::with_template(
        "{spinner:.cyan} {prefix} {bar:20.cyan/dim} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} {wide_msg:.dim}",
    )
    .expect("tested")
}

fn items() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {prefix} {bar:20.cyan/dim} {pos}/{len} {elapsed} {wide_msg:.dim}")
        .expect("tested")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_template_is_valid() {
        let _ = (spinner(), bytes(), items());
    }
}
