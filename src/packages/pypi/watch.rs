//! Runs uv and reports its output and the progress of its downloads.
//!
//! Input: a job. Output: its result, and events while it runs. uv shows progress bars only in terminals, so the number
//! of bytes is estimated: wheels that uv reports as downloaded count in full, and the bytes that uv has written to
//! disk are used for the others.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::PypiError;
use crate::{
    context::{
        Context,
        event::{Stage, Unit},
    },
    files::growth,
    lock::LockedWheel,
    process::{Ended, Job},
};

/// Runs uv and reports its output line by line.
#[tracing::instrument(name = "uv", skip_all, fields(%stage))]
pub(super) async fn run_and_report(ctx: &Context, stage: Stage, job: Job) -> Result<Ended, PypiError> {
    let events = ctx.events.clone();
    let mut ended = job
        .run_with(|line| {
            let line = line.trim();
            tracing::debug!(target: "uv", "{line}");
            if !line.is_empty() {
                events.progress(stage, 0, None, Unit::Items, line);
            }
        })
        .await
        .map_err(PypiError::Io)?;
    ended.stderr = ctx.settings.sources.hide(&ended.stderr);
    Ok(ended)
}

/// Runs an installation that may download `wheels`, and reports how many bytes are downloaded.
#[tracing::instrument(name = "uv", skip_all)]
pub(super) async fn watched_downloads(ctx: &Context, job: Job, wheels: &[LockedWheel]) -> Result<Ended, PypiError> {
    let downloads = std::cell::RefCell::new(Downloads::new(wheels));
    let show = |downloads: &Downloads| {
        let (total, at) = (downloads.total, downloads.describe());
        ctx.events
            .progress(Stage::Wheels, downloads.done(), total, Unit::Bytes, at);
    };
    let mut system = System::new().ok();
    let watched = job.run_watched(
        |line| {
            let line = line.trim();
            tracing::debug!(target: "uv", "{line}");
            let mut downloads = downloads.borrow_mut();
            if let Some((name, took)) = downloads.update(line) {
                ctx.events.step(Stage::Wheels, took, format!("downloading {name}"));
            }
            show(&downloads);
        },
        |pid| {
            let mut downloads = downloads.borrow_mut();
            downloads.written = system.as_mut().map_or(0, |system| written_by(system, pid));
            show(&downloads);
        },
    );
    let mut ended = watched.await.map_err(PypiError::Io)?;
    ended.stderr = ctx.settings.sources.hide(&ended.stderr);
    Ok(ended)
}

/// Returns the number of bytes that a process has written to disk so far; 0 if the system does not report it.
fn written_by(system: &mut System, pid: u32) -> u64 {
    let pid = Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing().with_disk_usage();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    system
        .process(pid)
        .map_or(0, |process| process.disk_usage().total_written_bytes)
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
    fn without_sizes_there_is_no_total() {
        assert_eq!(Downloads::new(&[wheel("torch", None)]).total, None);
    }
}
