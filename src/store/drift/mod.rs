//! Drift: what somebody changed in an environment after it was proven.
//!
//! In: a generation and the [`Fingerprint`] that was taken when it became the current one. Out: [`Drift`], which names each
//! package that is another one now, and the sentence that says so. It is asked at every start of a program, so it lists two
//! folders and reads no more than one small file (1 ms for 260 packages). Absent on purpose: files that were changed in
//! place, which the audit finds, and judgement: a changed environment is still run.

mod change;
mod fingerprint;
mod listing;

pub use change::{Change, ChangeKind};
pub use fingerprint::Fingerprint;

use jiff::{Timestamp, tz::TimeZone};

use crate::store::Generation;

/// How many changes a sentence names.
const NAMED: usize = 3;

/// What differs from what was proven. There is at least one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What differs, the most telling first.
    pub changes: Vec<Change>,
}

impl Drift {
    /// What was changed in `generation`; `None` where nothing was, or where nothing is known.
    #[must_use]
    pub fn of(generation: &Generation) -> Option<Self> {
        let prefix = &generation.prefix;
        let changes = Fingerprint::read(prefix)?
            .changes(prefix)
            .inspect_err(|error| tracing::debug!("whether {} has changed is not known: {error}", prefix.display()))
            .ok()?;
        (!changes.is_empty()).then_some(Self { changes })
    }

    /// `sleap has changed since it was proven: numpy 2.5.5 -> 1.26.4, on 14 Nov; to mend it: …`
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
            "{} has changed since it was {}: {}{more}{}; to mend it: matenv repair {}",
            generation.env,
            if generation.record.ok { "proven" } else { "made" },
            named.join(", "),
            day.map(|day| format!(", on {}", date(day, now))).unwrap_or_default(),
            generation.env
        )
    }
}

/// `14 Nov`, with the year where it is another one.
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
