//! Runs of uv, watched: what it says, and how far its downloads are.
//!
//! In: a job. Out: how it ended, and events on the way. uv draws bars for terminals only, so the bytes are reckoned:
//! wheels that it says are there count whole, what it has written to the disk tells of the others.

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
    lock::{LockedWheel, growth},
    process::{Ended, Job},
};

/// Run uv and show what it says as it says it.
#[tracing::instrument(name = "uv", skip_all, fields(%stage))]
pub(super) async fn watched(ctx: &Context, stage: Stage, job: Job) -> Result<Ended, PypiError> {
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

/// Run an installation that may fetch `wheels`, and show how many bytes are there.
#[tracing::instrument(name = "uv", skip_all)]
pub(super) async fn watched_downloads(ctx: &Context, job: Job, wheels: &[LockedWheel]) -> Result<Ended, PypiError> {
    let downloads = std::cell::RefCell::new(Downloads::of(wheels));
    let show = |downloads: &Downloads| {
        let (total, at) = (downloads.total, downloads.at());
        ctx.events
            .progress(Stage::Wheels, downloads.done(), total, Unit::Bytes, at);
    };
    let mut system = System::new().ok();
    let watched = job.run_watched(
        |line| {
            let line = line.trim();
            tracing::debug!(target: "uv", "{line}");
            let mut downloads = downloads.borrow_mut();
            if let Some((name, took)) = downloads.said(line) {
                ctx.events.step(Stage::Wheels, took, format!("fetching {name}"));
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

/// Bytes that a process has written to disks so far; 0 where the system does not tell.
fn written_by(system: &mut System, pid: u32) -> u64 {
    let pid = Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing().with_disk_usage();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    system
        .process(pid)
        .map_or(0, |process| process.disk_usage().total_written_bytes)
}

/// Downloads of one run of uv.
struct Downloads {
    /// Bytes by name.
    sizes: BTreeMap<String, u64>,
    /// Bytes of all; `None` if an index told no sizes.
    total: Option<u64>,
    /// Those under way, with the time of their start.
    running: BTreeMap<String, Instant>,
    /// Bytes of those that are there.
    there: u64,
    /// Bytes that uv has written, unpacked.
    written: u64,
    /// What it says it is busy with.
    last: String,
}

impl Downloads {
    fn of(wheels: &[LockedWheel]) -> Self {
        let sizes: BTreeMap<String, u64> = wheels
            .iter()
            .filter_map(|wheel| Some((wheel.name.clone(), wheel.size?)))
            .collect();
        let total = sizes.values().sum();
        Self {
            total: (sizes.len() == wheels.len() && total > 0).then_some(total),
            sizes,
            running: BTreeMap::new(),
            there: 0,
            written: 0,
            last: String::new(),
        }
    }

    /// Take in a line; a download that ended comes back with the time that it took.
    fn said(&mut self, line: &str) -> Option<(String, Duration)> {
        if let Some(rest) = line.strip_prefix("Downloading ") {
            let name = rest.split(' ').next().unwrap_or(rest);
            self.running.insert(name.to_owned(), Instant::now());
            return None;
        }
        if let Some(name) = line.strip_prefix("Downloaded ") {
            self.there += self.sizes.get(name).copied().unwrap_or_default();
            let began = self.running.remove(name)?;
            return Some((name.to_owned(), began.elapsed()));
        }
        // `Prepared 223 packages in 20s`: all are there, what follows is linking.
        if line.starts_with("Prepared ") {
            self.there = self.total.unwrap_or_default();
            self.running.clear();
        }
        if !line.is_empty() {
            line.clone_into(&mut self.last);
        }
        None
    }

    /// Bytes that are there, as far as can be told.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes divided by a positive number"
    )]
    fn done(&self) -> u64 {
        // Most of the bytes are those of large wheels, where there are such.
        let growth = growth();
        let largest = self.sizes.values().max().copied();
        let reckoned = (self.written as f64 / growth.wheel(largest).unpacked_per_byte) as u64;
        // What still runs is not there, whatever the reckoning says.
        let open: u64 = self.running.keys().filter_map(|name| self.sizes.get(name)).sum();
        let most = self.total.unwrap_or(u64::MAX).saturating_sub(open / 50);
        reckoned.max(self.there).min(most)
    }

    /// What is under way, the largest first.
    fn at(&self) -> String {
        let mut running: Vec<&String> = self.running.keys().collect();
        running.sort_by_key(|name| std::cmp::Reverse(self.sizes.get(*name)));
        match running.as_slice() {
            [] => self.last.clone(),
            [one] => (*one).clone(),
            [first, second] => format!("{first}, {second}"),
            [first, second, more @ ..] => format!("{first}, {second} and {} more", more.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::sources::SourceName;

    fn wheel(name: &str, size: Option<u64>) -> LockedWheel {
        LockedWheel {
            name: name.to_owned(),
            version: "1".to_owned(),
            file: format!("{name}-1-py3-none-any.whl"),
            source: SourceName::Pypi,
            url: None,
            sha256: "0".repeat(64),
            size,
        }
    }

    #[test]
    fn finished_downloads_count_whole_and_running_ones_never_quite() {
        let mut downloads = Downloads::of(&[wheel("torch", Some(1000)), wheel("numpy", Some(100))]);
        assert_eq!(downloads.said("Downloading torch (1000.0B)"), None);
        assert_eq!(downloads.said("Downloading numpy (100.0B)"), None);
        assert!(
            downloads
                .said("Downloaded numpy")
                .is_some_and(|(name, _)| name == "numpy")
        );
        assert_eq!((downloads.done(), downloads.at()), (100, "torch".to_owned()));
        downloads.written = 1_000_000;
        assert_eq!(downloads.done(), 1080);
        downloads.said("Downloaded torch");
        downloads.said("Prepared 2 packages in 1s");
        assert_eq!((downloads.done(), downloads.total), (1100, Some(1100)));
    }

    #[test]
    fn without_sizes_there_is_no_total() {
        assert_eq!(Downloads::of(&[wheel("torch", None)]).total, None);
    }
}
