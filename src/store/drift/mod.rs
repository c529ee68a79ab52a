//! Detects whether the packages of an environment were changed after it was proven.
//!
//! Input: a generation and the [`Fingerprint`] from the time when it became current. Output: [`Drift`], which names each
//! changed package, and a message about them. This runs at every start of a program, so it lists only two folders and
//! reads one small file (1 ms for 260 packages). This module does not find files that were changed in
//! place, which the audit does. It does not stop programs: those of a changed environment still run.

mod change;
mod fingerprint;
mod listing;

pub use change::Change;
pub use fingerprint::Fingerprint;

use jiff::{Timestamp, tz::TimeZone};

use crate::store::Generation;

/// The maximum number of changes that a message names.
const NAMED: usize = 3;

/// The differences from the proven state. There is at least one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The changes, the most important first.
    pub changes: Vec<Change>,
}

impl Drift {
    /// Returns the changes of `generation`; `None` if there are none, or if they are unknown.
    #[must_use]
    pub fn detect(generation: &Generation) -> Option<Self> {
        let prefix = &generation.prefix;
        let changes = Fingerprint::read(prefix)?
            .changes(prefix)
            .inspect_err(|error| tracing::debug!("failed to check {} for changes: {error}", prefix.display()))
            .ok()?;
        (!changes.is_empty()).then_some(Self { changes })
    }

    /// Renders the message: `sleap has changed since it was proven: numpy 2.5.5 -> 1.26.4, on 14 Nov; to fix it: …`
    #[must_use]
    pub fn sentence(&self, generation: &Generation) -> String {
        self.sentence_at(generation, Timestamp::now())
    }

    fn sentence_at(&self, generation: &Generation, now: Timestamp) -> String {
        let named: Vec<String> = self.changes.iter().take(NAMED).map(ToString::to_string).collect();
        let more = self.changes.len().saturating_sub(NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let day = self.changes.iter().filter_map(|change| change.at).max();
        format!(
            "{} has changed since it was {}: {}{more}{}; to fix it: matenv repair {}",
            generation.env,
            if generation.record.ok { "proven" } else { "created" },
            named.join(", "),
            day.map(|day| format!(", on {}", date(day, now))).unwrap_or_default(),
            generation.env
        )
    }
}

/// Formats a date as `14 Nov`, with the year if it is not the current one.
fn date(day: Timestamp, now: Timestamp) -> String {
    let (day, now) = (day.to_zoned(TimeZone::UTC), now.to_zoned(TimeZone::UTC));
    let form = if day.year() == now.year() {
        "%-d %b"
    } else {
        "%-d %b %Y"
    };
    day.strftime(form).to_string()
}

#[cfg(test)]
mod tests;
