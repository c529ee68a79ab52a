//! Runs uv and reports its output and the progress of its downloads.
//!
//! Input: a job. Output: its result, and events while it runs. uv shows progress bars only in terminals, so the number
//! of bytes is estimated: wheels that uv reports as downloaded count in full, and the bytes that uv has written to
//! disk are used for the others.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{PypiError, idle::Idle};
use crate::{
    context::{
        Context,
        event::{Events, Stage, Unit},
        sources::SourceName,
    },
    files::growth,
    lock::LockedWheel,
    process::{Ended, Job},
};

/// Number of times that uv is run again after a source that has too much to do.
const RUNS_AGAIN: u32 = 3;

/// Runs uv and reports its output line by line. `sources` are the indexes that it may use.
#[tracing::instrument(name = "uv", skip_all, fields(%stage))]
pub(super) async fn run_and_report(
    ctx: &Context,
    stage: Stage,
    job: Job,
    sources: &[SourceName],
) -> Result<Ended, PypiError> {
    let idle = RefCell::new(Idle::new(ctx, sources));
    let run = || {
        job.clone().run_watched(
            |line| {
                let line = line.trim();
                tracing::debug!(target: "uv", "{line}");
                idle.borrow_mut().line();
                if !line.is_empty() {
                    ctx.events.progress(stage, 0, None, Unit::Items, line);
                }
            },
            |pid| {
                idle.borrow_mut().tick(pid);
            },
        )
    };
    patiently(ctx, run).await
}

/// Runs an installation that may download `wheels`, and reports how many bytes are downloaded.
#[tracing::instrument(name = "uv", skip_all)]
pub(super) async fn watched_downloads(
    ctx: &Context,
    job: Job,
    wheels: &[LockedWheel],
    progress: &Progress,
) -> Result<Ended, PypiError> {
    // uv may run compilers for minutes, and the index is not to blame for that.
    let sources: Vec<SourceName> = if wheels.iter().any(LockedWheel::is_sdist) {
        Vec::new()
    } else {
        wheels.iter().map(|wheel| wheel.source).collect()
    };
    let idle = RefCell::new(Idle::new(ctx, &sources));
    let downloads = RefCell::new(Downloads::new(wheels));
    let run = || {
        job.clone().run_watched(
            |line| {
                let line = line.trim();
                tracing::debug!(target: "uv", "{line}");
                idle.borrow_mut().line();
                let mut downloads = downloads.borrow_mut();
                if let Some((name, took)) = downloads.update(line) {
                    ctx.events.step(Stage::Wheels, took, format!("downloading {name}"));
                }
                progress.by_uv(&downloads);
            },
            |pid| {
                let mut downloads = downloads.borrow_mut();
                downloads.written = idle.borrow_mut().tick(pid);
                progress.by_uv(&downloads);
            },
        )
    };
    patiently(ctx, run).await
}

/// Runs uv. If a source has too much to do (status 429 or 503), waits as long as it asks and runs uv again: uv itself
/// repeats such a request at once, and then fails.
async fn patiently<F>(ctx: &Context, run: impl Fn() -> F) -> Result<Ended, PypiError>
where
    F: Future<Output = std::io::Result<Ended>>,
{
    let mut again = 0;
    loop {
        let mut ended = run().await.map_err(PypiError::Io)?;
        if let Some(url) = busy(&ended.stderr).filter(|_| !ended.success() && again < RUNS_AGAIN)
            && ctx.client.wait_until_ready(&url).await
        {
            tracing::debug!("{url} was busy: running uv again");
            again += 1;
            continue;
        }
        ended.stderr = ctx.settings.sources.hide(&ended.stderr);
        return Ok(ended);
    }
}

/// Returns the URL of a source that had too much to do, from uv's message: `HTTP status client error (429 Too Many
/// Requests) for url (https://…)`.
fn busy(stderr: &str) -> Option<String> {
    ["(429 ", "(503 "].iter().find_map(|status| {
        let (_, rest) = stderr.split_once(status)?;
        let (_, rest) = rest.split_once("for url (")?;
        Some(rest.split_once(')')?.0.to_owned())
    })
}

/// The progress of all wheels of an installation: those that uv downloads, and those that matenv itself downloads.
pub(super) struct Progress {
    events: Events,
    /// Size of all wheels in bytes; `None` if the size of a wheel is unknown.
    total: Option<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes and running downloads of uv.
    by_uv: (u64, String),
    /// Downloaded bytes by wheel.
    by_us: BTreeMap<String, u64>,
    /// The wheels that matenv downloads now.
    running: Vec<String>,
}

impl Progress {
    pub(super) fn new(events: Events, wheels: &[LockedWheel]) -> Self {
        let total: Option<u64> = wheels.iter().map(|wheel| wheel.size).sum();
        Self {
            events,
            total: total.filter(|total| *total > 0),
            state: Mutex::default(),
        }
    }

    fn by_uv(&self, downloads: &Downloads) {
        self.change(|state| state.by_uv = (downloads.done(), downloads.describe()));
    }

    /// Reports the bytes of a wheel that matenv downloads.
    pub(super) fn downloaded(&self, name: &str, bytes: u64) {
        self.change(|state| {
            state.by_us.insert(name.to_owned(), bytes);
            if !state.running.iter().any(|running| running == name) {
                state.running.push(name.to_owned());
            }
        });
    }

    /// Reports that matenv has downloaded a wheel.
    pub(super) fn finished(&self, name: &str) {
        self.change(|state| state.running.retain(|running| running != name));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let done = state.by_uv.0 + state.by_us.values().sum::<u64>();
        let mut at = state.running.clone();
        if at.is_empty() || !state.by_uv.1.is_empty() {
            at.push(state.by_uv.1.clone());
        }
        let (total, at) = (self.total, at.join(", "));
        self.events.progress(Stage::Wheels, done, total, Unit::Bytes, at);
    }
}

/// The downloads of one run of uv.
struct Downloads {
    /// Size of each wheel in bytes, by name.
    sizes: BTreeMap<String, u64>,
    /// Size of all wheels in bytes; `None` if the size of a wheel is unknown.
    total: Option<u64>,
    /// The running downloads, with their start times.
    running: BTreeMap<String, Instant>,
    /// Bytes of the finished downloads.
    finished: u64,
    /// Bytes that uv has written to disk, unpacked.
    written: u64,
    /// The last other line of uv's output.
    last_line: String,
}

impl Downloads {
    fn new(wheels: &[LockedWheel]) -> Self {
        let sizes: BTreeMap<String, u64> = wheels
            .iter()
            .filter_map(|wheel| Some((wheel.name.clone(), wheel.size?)))
            .collect();
        let total = sizes.values().copied().fold(0, u64::saturating_add);
        Self {
            total: (sizes.len() == wheels.len() && total > 0).then_some(total),
            sizes,
            running: BTreeMap::new(),
            finished: 0,
            written: 0,
            last_line: String::new(),
        }
    }

    /// Reads a line of uv's output. Returns a download that has just finished, with its duration.
    fn update(&mut self, line: &str) -> Option<(String, Duration)> {
        if let Some(rest) = line.strip_prefix("Downloading ") {
            let name = rest.split(' ').next().unwrap_or(rest);
            self.running.insert(name.to_owned(), Instant::now());
            return None;
        }
        if let Some(name) = line.strip_prefix("Downloaded ") {
            self.finished += self.sizes.get(name).copied().unwrap_or_default();
            let began = self.running.remove(name)?;
            return Some((name.to_owned(), began.elapsed()));
        }
        // `Prepared 223 packages in 20s`: all downloads are finished, and linking starts.
        if line.starts_with("Prepared ") {
            self.finished = self.total.unwrap_or_default();
            self.running.clear();
        }
        if !line.is_empty() {
            line.clone_into(&mut self.last_line);
        }
        None
    }

    /// Returns the estimated number of downloaded bytes.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes divided by a positive number"
    )]
    fn done(&self) -> u64 {
        // If there are large wheels, most of the bytes are theirs.
        let growth = growth();
        let largest = self.sizes.values().max().copied();
        let estimated = (self.written as f64 / growth.wheel(largest).unpacked_per_byte) as u64;
        // A running download is not finished, whatever the estimate says.
        let open = self.running.keys().filter_map(|name| self.sizes.get(name));
        let open = open.copied().fold(0, u64::saturating_add);
        let most = self.total.unwrap_or(u64::MAX).saturating_sub(open / 50);
        estimated.max(self.finished).min(most)
    }

    /// Returns a short text about the running downloads, the largest first.
    fn describe(&self) -> String {
        let mut running: Vec<&String> = self.running.keys().collect();
        running.sort_by_key(|name| std::cmp::Reverse(self.sizes.get(*name)));
        match running.as_slice() {
            [] => self.last_line.clone(),
            [one] => (*one).clone(),
            [first, second] => format!("{first}, {second}"),
            [first, second, more @ ..] => format!("{first}, {second} and {} more", more.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::fixtures;

    fn wheel(name: &str, size: Option<u64>) -> LockedWheel {
        LockedWheel {
            size,
            ..fixtures::wheel(name, "1")
        }
    }

    #[test]
    fn finished_downloads_count_in_full_and_running_ones_do_not() {
        let mut downloads = Downloads::new(&[wheel("torch", Some(1000)), wheel("numpy", Some(100))]);
        assert_eq!(downloads.update("Downloading torch (1000.0B)"), None);
        assert_eq!(downloads.update("Downloading numpy (100.0B)"), None);
        assert!(
            downloads
                .update("Downloaded numpy")
                .is_some_and(|(name, _)| name == "numpy")
        );
        assert_eq!((downloads.done(), downloads.describe()), (100, "torch".to_owned()));
        downloads.written = 1_000_000;
        assert_eq!(downloads.done(), 1080);
        downloads.update("Downloaded torch");
        downloads.update("Prepared 2 packages in 1s");
        assert_eq!((downloads.done(), downloads.total), (1100, Some(1100)));
    }

    #[test]
    fn the_url_of_a_busy_source_is_found_in_uvs_message() {
        let text = "error: Failed to fetch: `http://a.b/simple/x/`\n  cause: HTTP status client error (429 Too Many \
                    Requests) for url (http://a.b/simple/x/)\n";
        assert_eq!(busy(text).as_deref(), Some("http://a.b/simple/x/"));
        assert_eq!(
            busy("HTTP status client error (404 Not Found) for url (http://a.b/)"),
            None
        );
    }

    #[test]
    fn without_sizes_there_is_no_total() {
        assert_eq!(Downloads::new(&[wheel("torch", None)]).total, None);
    }
}
