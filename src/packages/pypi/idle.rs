//! Notices that uv waits for an index: it prints nothing, writes nothing and uses no processor time.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::context::{Context, event::Events, sources::SourceName};

/// A process that is idle for this long waits for an index. uv sends a request again after 30 seconds, and must not do
/// that before.
const IDLE_AFTER: Duration = Duration::from_secs(25);
/// An idle process uses less processor time than this in [`IDLE_AFTER`].
const IDLE_CPU: Duration = Duration::from_millis(500);

/// Watches one process.
pub(super) struct Idle {
    events: Events,
    /// The indexes that the process may wait for. If there are none, nothing is reported.
    sources: BTreeSet<SourceName>,
    /// Reads the numbers of the process; `None` if the system does not report them.
    system: Option<System>,
    activity: Activity,
}

/// The numbers of a process when it was last seen active.
#[derive(Debug)]
struct Activity {
    since: Instant,
    /// Bytes written to disk.
    written: u64,
    /// Processor time.
    cpu: Duration,
    reported: bool,
}

impl Activity {
    /// Takes new numbers, and returns whether the process has just been idle for [`IDLE_AFTER`].
    fn update(&mut self, now: Instant, written: u64, cpu: Duration) -> bool {
        if written != self.written || cpu.abs_diff(self.cpu) >= IDLE_CPU {
            *self = Self {
                since: now,
                written,
                cpu,
                reported: false,
            };
        }
        let stalled = !self.reported && now.duration_since(self.since) >= IDLE_AFTER;
        self.reported |= stalled;
        stalled
    }
}

impl Idle {
    pub(super) fn new(ctx: &Context, sources: &[SourceName]) -> Self {
        Self {
            events: ctx.events.clone(),
            sources: sources
                .iter()
                .map(|name| ctx.settings.sources.effective(*name))
                .collect(),
            system: System::new().ok(),
            activity: Activity {
                since: Instant::now(),
                written: 0,
                cpu: Duration::ZERO,
                reported: false,
            },
        }
    }

    /// The process printed a line.
    pub(super) fn line(&mut self) {
        self.activity.since = Instant::now();
        self.activity.reported = false;
    }

    /// Reads the numbers of the process, warns if it is idle, and returns the number of bytes that it has written to
    /// disk so far.
    pub(super) fn tick(&mut self, pid: u32) -> u64 {
        let Some((written, cpu)) = self.system.as_mut().and_then(|system| numbers(system, pid)) else {
            return 0;
        };
        if self.activity.update(Instant::now(), written, cpu)
            && let Some(who) = describe(&self.sources)
        {
            self.events.warn(format!(
                "{who} sent nothing for {} s: uv tries again, and gives up after about two minutes",
                IDLE_AFTER.as_secs()
            ));
        }
        written
    }
}

/// Returns the bytes that a process has written to disk so far, and its processor time.
fn numbers(system: &mut System, pid: u32) -> Option<(u64, Duration)> {
    let pid = Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing().with_disk_usage().with_cpu();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    let process = system.process(pid)?;
    let cpu = Duration::from_millis(process.accumulated_cpu_time());
    Some((process.disk_usage().total_written_bytes, cpu))
}

/// Returns the names of the indexes: ``the index `pypi` ``, or ``one of the indexes `pypi` and `torch` ``.
fn describe(sources: &BTreeSet<SourceName>) -> Option<String> {
    let names: Vec<String> = sources.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("the index {one}")),
        more => Some(format!("one of the indexes {}", more.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_stalled_once_until_it_works_again() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut activity = Activity {
            since: start,
            written: 0,
            cpu: Duration::ZERO,
            reported: false,
        };
        let ms = Duration::from_millis;
        let stalled = [
            (10, 100, ms(0)),
            // Its timers use a little processor time.
            (30, 100, ms(5)),
            (35, 100, ms(10)),
            (50, 100, ms(15)),
            (55, 200, ms(15)),
            (79, 200, ms(600)),
            (103, 200, ms(600)),
            (104, 200, ms(600)),
        ]
        .map(|(seconds, written, cpu)| activity.update(at(seconds), written, cpu));
        assert_eq!(stalled, [false, false, true, false, false, false, false, true]);
    }
}
