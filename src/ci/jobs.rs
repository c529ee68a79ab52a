use rattler_conda_types::subdir::Subdir;

use super::Job;
use crate::{
    manifest::Manifests,
    names::{Backend, ProfileName},
};

/// The jobs of this folder: the default environments on the processor, on this machine's platform.
pub fn jobs(manifests: &Manifests) -> Vec<Job> {
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
