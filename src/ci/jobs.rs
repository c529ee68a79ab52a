use rattler_conda_types::subdir::Subdir;

use super::Job;
use crate::{
    lock::{LabEntry, LabLock},
    manifest::Manifests,
    names::{Backend, ProfileName},
};

/// The jobs of this folder: one for each entry of the lab's lock, or without a lock the default environments on the processor, on
/// this machine's platform.
pub fn jobs(lock: Option<&LabLock>, manifests: &Manifests) -> Vec<Job> {
    if let Some(lock) = lock {
        let of_entry = |entry: &LabEntry| Job {
            env: entry.env.clone(),
            profile: entry.profile,
            backend: entry.backend.clone(),
            platform: entry.platform.clone(),
        };
        return lock.entries.iter().map(of_entry).collect();
    }
    // Where matenv runs, conda has packages.
    let platform = Subdir::current().map_or_else(|| "noarch".to_owned(), |subdir| subdir.to_string());
    let defaults = manifests.select(&[]).unwrap_or_default();
    defaults
        .into_iter()
        .map(|manifest| Job {
            env: manifest.name.clone(),
            profile: ProfileName::Cpu,
            backend: Backend::cpu(),
            platform: platform.clone(),
        })
        .collect()
}
