use std::time::Instant;

use crate::{
    certificate::Timing,
    context::{
        Context,
        event::{Event, Stage},
    },
};

/// Measures how long each stage takes and sends progress events.
pub(crate) struct Clock {
    ctx: Context,
    since: Instant,
    timings: Vec<Timing>,
    /// The tracing span of the running stage, for `-vv` and `--timings`.
    span: Option<tracing::Span>,
}

impl Clock {
    /// Returns a clock that starts now.
    #[must_use]
    pub(crate) fn new(ctx: &Context) -> Self {
        Self {
            ctx: ctx.clone(),
            since: Instant::now(),
            timings: Vec::new(),
            span: None,
        }
    }

    /// Returns the time that each stage took.
    #[must_use]
    pub(crate) fn timings(&self) -> Vec<Timing> {
        self.timings.clone()
    }

    pub(super) fn start(&mut self, stage: Stage) {
        self.since = Instant::now();
        self.span = Some(stage.span(self.ctx.events.env()));
        self.ctx.events.send(Event::Started { stage });
    }

    pub(super) fn finish(&mut self, stage: Stage, summary: String) {
        let elapsed = self.since.elapsed();
        self.span = None;
        self.timings.push(Timing {
            stage,
            ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        });
        self.ctx.events.send(Event::Finished {
            stage,
            elapsed,
            summary,
        });
        self.since = Instant::now();
    }
}
