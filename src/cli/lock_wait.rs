use std::time::Duration;

/// Options of commands that change an environment.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct LockWait {
    /// Wait at most SECONDS for another matenv process that changes the same environment. Without this option, wait
    /// until it has finished
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    wait: Option<u64>,
    /// Fail at once if another matenv process changes the same environment
    #[arg(long)]
    no_wait: bool,
}

impl LockWait {
    /// Returns the longest time to wait, or `None` if there is no limit.
    pub(super) fn limit(self) -> Option<Duration> {
        if self.no_wait {
            Some(Duration::ZERO)
        } else {
            self.wait.map(Duration::from_secs)
        }
    }
}
