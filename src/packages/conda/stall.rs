//! Notices that a channel stops sending its package records.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rattler_repodata_gateway::{DownloadReporter, Reporter};
use url::Url;

use crate::{
    context::{Context, sources::SourceName},
    net::STALLED_AFTER,
};

/// The interval at which the downloads are checked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the downloads of package records.
#[derive(Debug, Clone, Default)]
pub(super) struct Stall {
    downloads: Arc<Mutex<Downloads>>,
}

#[derive(Debug, Default)]
struct Downloads {
    /// Number of downloads that have begun and not ended.
    running: usize,
    /// The time of the last byte, unless the stall was reported.
    last: Option<Instant>,
}

impl Stall {
    fn change(&self, running: impl Fn(usize) -> usize) {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        downloads.running = running(downloads.running);
        downloads.last = Some(Instant::now());
    }

    /// Warns each time that the downloads have stalled. Never returns.
    pub(super) async fn report(&self, ctx: &Context) -> Infallible {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
            let has_stalled = |last: Instant| downloads.running > 0 && last.elapsed() + INTERVAL >= STALLED_AFTER;
            if downloads.last.is_some_and(has_stalled) {
                downloads.last = None;
                ctx.events.warn(format!(
                    "the channel `{}` sent nothing for {} s",
                    SourceName::CondaForge,
                    STALLED_AFTER.as_secs()
                ));
            }
        }
    }
}

impl Reporter for Stall {
    fn download_reporter(&self) -> Option<&dyn DownloadReporter> {
        Some(self)
    }
}

impl DownloadReporter for Stall {
    fn on_download_start(&self, _url: &Url) -> usize {
        self.change(|running| running + 1);
        0
    }

    fn on_download_progress(&self, _url: &Url, _index: usize, _bytes: usize, _total: Option<usize>) {
        self.change(|running| running);
    }

    fn on_download_complete(&self, _url: &Url, _index: usize) {
        self.change(|running| running.saturating_sub(1));
    }
}
