//! A lab's lock: `matenv.lock`, every environment for every profile, backend and platform that the lab asks for.

use super::Lock;
use crate::names::{Backend, EnvName, ProfileName};

/// One environment of a lab's lock.
#[derive(Debug, Clone, PartialEq)]
pub struct LabEntry {
    /// Its name in the lock: `sleap-cpu`, `sleap-gpu-cu130`, `sleap-gpu-trt-cu130`.
    pub name: String,
    /// The environment.
    pub env: EnvName,
    /// The accelerator level.
    pub profile: ProfileName,
    /// torch's backend.
    pub backend: Backend,
    /// The conda subdir, such as `linux-64`.
    pub platform: String,
    /// Python's version, such as `3.13.5`.
    pub python: String,
    /// Its packages.
    pub lock: Lock,
}

/// A lab's lock.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabLock {
    /// By name, then platform.
    pub entries: Vec<LabEntry>,
}

impl LabLock {
    /// The entries of an environment, of every profile, backend and platform.
    pub fn of<'a>(&'a self, env: &'a EnvName) -> impl Iterator<Item = &'a LabEntry> {
        self.entries.iter().filter(move |entry| entry.env == *env)
    }
}

impl LabEntry {
    /// The name of an environment in the lock.
    #[must_use]
    pub fn name_of(env: &EnvName, profile: ProfileName, backend: &Backend) -> String {
        match profile {
            ProfileName::Cpu => format!("{env}-{profile}"),
            ProfileName::Gpu | ProfileName::GpuTrt => format!("{env}-{profile}-{backend}"),
        }
    }
}
