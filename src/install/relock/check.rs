use serde::Serialize;

use super::{CombinationsError, Wanted, jobs::jobs};
use crate::{
    context::Context,
    lock::{LabLock, unmet},
};

/// The unmet requirements of one environment and platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StaleEntry {
    /// The environment's name in the lock.
    pub name: String,
    /// The conda subdir.
    pub platform: String,
    /// One message for each unmet requirement.
    pub unmet: Vec<String>,
}

/// Checks whether a lock satisfies all `wanted` environments. Returns those that it does not. Opens no connection.
pub(crate) fn check(ctx: &Context, wanted: &Wanted<'_>, lock: &LabLock) -> Result<Vec<StaleEntry>, CombinationsError> {
    let (jobs, _) = jobs(ctx, wanted)?;
    let mut found = Vec::new();
    for job in jobs {
        let platform = job.target.subdir.as_str();
        let sentences = match lock.get(&job.name, platform) {
            Some(entry) => unmet(&job.plan, entry),
            None => vec!["it is not in the lock".to_owned()],
        };
        if !sentences.is_empty() {
            found.push(StaleEntry {
                name: job.name,
                platform: platform.to_owned(),
                unmet: sentences,
            });
        }
    }
    Ok(found)
}
