use super::Job;
use crate::lock::{LabEntry, LabLock};

/// Returns one job for each entry of the lab lock.
#[must_use]
pub(crate) fn jobs(lock: &LabLock) -> Vec<Job> {
    let of_entry = |entry: &LabEntry| Job {
        env: entry.env.clone(),
        profile: entry.profile,
        backend: entry.backend.clone(),
        platform: entry.platform.clone(),
    };
    lock.entries.iter().map(of_entry).collect()
}
