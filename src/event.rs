//! Progress as values: stages send [`Event`]s, and bars, plain lines, logs and tests read them.
//!
//! Absent on purpose: anything about terminals. [`crate::ui`] decides how an event looks.

use std::{fmt, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stage of the way from a manifest to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Choose profile, backend, Python and requirements.
    Plan,
    /// Solve the conda part.
    Solve,
    /// Link the conda packages.
    Link,
    /// Resolve the wheels.
    Resolve,
    /// Install the wheels.
    Wheels,
    /// Prove the files.
    Audit,
    /// Run the probes.
    Verify,
    /// Run the smoke tests on a trained model.
    Smoke,
    /// Time inference.
    Bench,
    /// Make the generation the current one.
    Switch,
}

impl Stage {
    /// The word that stands in front of the stage's line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Solve => "solve",
            Self::Link => "link",
            Self::Resolve => "resolve",
            Self::Wheels => "wheels",
            Self::Audit => "audit",
            Self::Verify => "verify",
            Self::Smoke => "smoke",
            Self::Bench => "bench",
            Self::Switch => "switch",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a progress counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Packages, probes or other things that are counted one by one.
    Items,
}

/// Something that happened and that a reader may want to see.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A stage began.
    Started {
        /// Which one.
        stage: Stage,
    },
    /// A stage is under way: `done` of `total`, and what it is busy with.
    Progress {
        /// Which one.
        stage: Stage,
        /// How much is done.
        done: u64,
        /// How much there is, where it is known.
        total: Option<u64>,
        /// What is counted.
        unit: Unit,
        /// The file, package or probe at hand.
        at: String,
    },
    /// A stage ended well.
    Finished {
        /// Which one.
        stage: Stage,
        /// How long it took.
        elapsed: Duration,
        /// What came out, in a few words with numbers.
        summary: String,
    },
    /// A choice or a fact that the reader should see.
    Note {
        /// One sentence.
        text: String,
    },
    /// Something that works but is not as asked.
    Warning {
        /// One sentence.
        text: String,
    },
}

/// Where events go.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Events go to `reader`, from any thread.
    pub fn new(reader: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(reader))
    }

    /// Nobody reads.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Send one event.
    pub fn send(&self, event: Event) {
        (self.0)(event);
    }

    /// Tell the reader a fact.
    pub fn note(&self, text: impl Into<String>) {
        self.send(Event::Note { text: text.into() });
    }

    /// Warn the reader.
    pub fn warn(&self, text: impl Into<String>) {
        self.send(Event::Warning { text: text.into() });
    }

    /// Say how far `stage` is.
    pub fn progress(&self, stage: Stage, done: u64, total: Option<u64>, unit: Unit, at: impl Into<String>) {
        self.send(Event::Progress {
            stage,
            done,
            total,
            unit,
            at: at.into(),
        });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
