//! Progress as values: stages send [`Event`]s; bars, plain lines, logs and tests read them.
//!
//! This module knows nothing about terminals: [`crate::cli::terminal`] displays the events.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{names::EnvName, net::mask::masked};

/// A stage between a manifest and a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Choose profile, backend, Python and requirements.
    Plan,
    /// Solve the conda packages.
    Solve,
    /// Link the conda packages.
    Link,
    /// Resolve the wheels.
    Resolve,
    /// Install the wheels.
    Wheels,
    /// Audit the files.
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
    /// Returns the name that starts the stage's line.
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

/// The name of a span must be a literal, so each stage needs its own call.
macro_rules! spans {
    ($stage:expr, $env:expr; $($variant:ident = $name:literal,)*) => {
        match $stage { $(Stage::$variant => tracing::info_span!($name, env = $env),)* }
    };
}

impl Stage {
    /// Returns the tracing span of the stage, for logs and `--timings`.
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

/// The unit of a progress counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Packages, probes or other items.
    Items,
}

/// A progress report that a stage sends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A stage started.
    Started {
        /// The stage.
        stage: Stage,
    },
    /// A stage made progress: `done` of `total` units.
    Progress {
        /// The stage.
        stage: Stage,
        /// Units that are done.
        done: u64,
        /// Units in total, if known.
        total: Option<u64>,
        /// The unit.
        unit: Unit,
        /// The current file, package or probe.
        at: String,
    },
    /// A step of a stage ended, such as a probe or a download.
    Step {
        /// The stage.
        stage: Stage,
        /// Name of the step.
        what: String,
        /// Its duration.
        elapsed: Duration,
    },
    /// A stage succeeded.
    Finished {
        /// The stage.
        stage: Stage,
        /// Its duration.
        elapsed: Duration,
        /// The result, as a short phrase with numbers.
        summary: String,
    },
    /// A choice or a fact that the user should know.
    Note {
        /// One sentence.
        text: String,
    },
    /// Something that works, but not as requested.
    Warning {
        /// One sentence.
        text: String,
    },
}

/// Sends events to a reader, with the environment that they are about.
#[derive(Clone)]
pub struct Events {
    reader: Arc<Reader>,
    env: Option<EnvName>,
}

/// The reader of events. Any thread may call it. The name is set if several environments are installed at once.
type Reader = dyn Fn(Option<&EnvName>, Event) + Send + Sync;

impl Events {
    /// Creates a sender of events to `reader`.
    pub fn new(reader: impl Fn(Option<&EnvName>, Event) + Send + Sync + 'static) -> Self {
        Self {
            reader: Arc::new(reader),
            env: None,
        }
    }

    /// Creates a sender whose events are dropped.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_, _| {})
    }

    /// Returns a sender to the same reader, for events about `env`.
    #[must_use]
    pub fn about(&self, env: &EnvName) -> Self {
        Self {
            reader: Arc::clone(&self.reader),
            env: Some(env.clone()),
        }
    }

    /// Returns the environment that the events are about, or an empty text.
    #[must_use]
    pub fn env(&self) -> &str {
        self.env.as_ref().map_or("", EnvName::as_str)
    }

    /// Sends one event. Credentials in its texts are hidden.
    pub fn send(&self, mut event: Event) {
        match &mut event {
            Event::Started { .. } => {}
            Event::Progress { at: text, .. }
            | Event::Step { what: text, .. }
            | Event::Finished { summary: text, .. }
            | Event::Note { text }
            | Event::Warning { text } => {
                if let Cow::Owned(masked) = masked(text) {
                    *text = masked;
                }
            }
        }
        (self.reader)(self.env.as_ref(), event);
    }

    /// Sends a note.
    pub fn note(&self, text: impl Into<String>) {
        self.send(Event::Note { text: text.into() });
    }

    /// Sends a warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.send(Event::Warning { text: text.into() });
    }

    /// Reports the progress of `stage`.
    pub fn progress(&self, stage: Stage, done: u64, total: Option<u64>, unit: Unit, at: impl Into<String>) {
        self.send(Event::Progress {
            stage,
            done,
            total,
            unit,
            at: at.into(),
        });
    }

    /// Reports that a step of `stage` ended.
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
