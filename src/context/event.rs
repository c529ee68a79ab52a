//! Progress as values: stages send [`Event`]s, and bars, plain lines, logs and tests read them.
//!
//! Absent on purpose: anything about terminals. [`crate::cli::terminal`] decides how an event looks.

use std::{fmt, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::EnvName;

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

/// A span's name is written into the program, so each stage has its own.
macro_rules! spans {
    ($stage:expr, $env:expr; $($variant:ident = $name:literal,)*) => {
        match $stage { $(Stage::$variant => tracing::info_span!($name, env = $env),)* }
    };
}

impl Stage {
    /// The span of time that the stage takes, for logs and `--timings`.
    #[must_use]
    pub fn span(self, env: &str) -> tracing::Span {
        spans!(self, env;
            Plan = "plan", Solve = "solve", Link = "link", Resolve = "resolve", Wheels = "wheels", Audit = "audit",
            Verify = "verify", Smoke = "smoke", Bench = "bench", Switch = "switch",
        )
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
    /// A part of a stage ended: a probe, a download.
    Step {
        /// Which stage.
        stage: Stage,
        /// What ended.
        what: String,
        /// How long it took.
        elapsed: Duration,
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

/// Where events go, and which environment they are about.
#[derive(Clone)]
pub struct Events {
    reader: Arc<Reader>,
    env: Option<EnvName>,
}

/// Who reads events, from any thread; the name is there where several environments are made at once.
type Reader = dyn Fn(Option<&EnvName>, Event) + Send + Sync;

impl Events {
    /// Events go to `reader`.
    pub fn new(reader: impl Fn(Option<&EnvName>, Event) + Send + Sync + 'static) -> Self {
        Self {
            reader: Arc::new(reader),
            env: None,
        }
    }

    /// Nobody reads.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_, _| {})
    }

    /// The same reader, told that what comes is about `env`.
    #[must_use]
    pub fn about(&self, env: &EnvName) -> Self {
        Self {
            reader: Arc::clone(&self.reader),
            env: Some(env.clone()),
        }
    }

    /// The environment that they are about, where there are several; empty otherwise.
    #[must_use]
    pub fn env(&self) -> &str {
        self.env.as_ref().map_or("", EnvName::as_str)
    }

    /// Send one event.
    pub fn send(&self, event: Event) {
        (self.reader)(self.env.as_ref(), event);
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

    /// Say that a part of `stage` ended.
    pub fn step(&self, stage: Stage, elapsed: Duration, what: impl Into<String>) {
        self.send(Event::Step {
            stage,
            what: what.into(),
            elapsed,
        });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("env", &self.env).finish_non_exhaustive()
    }
}
