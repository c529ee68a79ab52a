//! Installs from a lab lock instead of the package sources.

use std::collections::BTreeSet;

use super::Request;
use crate::{
    context::Context,
    files::layout,
    lock::{LabEntry, LabLock, Lock, LockError},
    names::{Backend, ProfileName},
    plan::{Choice, Plan},
    store::Generation,
};

/// How to use a lab lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// Use the lock if it exists and satisfies the plan.
    #[default]
    IfSatisfied,
    /// The lock must exist and satisfy the plan (`--locked`).
    Locked,
    /// The lock must exist, but is not compared with the plan (`--frozen`).
    Frozen,
    /// Ignore the lock and use the package sources (`--upgrade`).
    Ignored,
}

/// Why a lab lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockedError {
    /// The lock could not be read.
    #[error(transparent)]
    Read(#[from] LockError),
    /// There is no lock.
    #[error("there is no matenv.lock here")]
    None {
        /// Whether there is a lab to create one in.
        lab: bool,
    },
    /// The requested combination is not in the lock.
    #[error("matenv.lock has no {name} for {platform}; it has {}", .there.join(", "))]
    Missing {
        /// The environment's name in the lock.
        name: String,
        /// The options of `matenv lock` that add it.
        options: String,
        /// The conda subdir.
        platform: String,
        /// The combinations that the lock has for that environment.
        there: Vec<String>,
    },
    /// The lock does not satisfy the plan any more.
    #[error("matenv.lock is stale: {}", .unmet.join("; "))]
    Stale {
        /// The requirements that it does not satisfy.
        unmet: Vec<String>,
    },
}

/// A lab lock, read once for each environment.
#[derive(Debug, Clone, Default)]
pub(super) struct LabLocks {
    lock: Option<LabLock>,
}

impl LabLocks {
    pub(super) fn read(request: &Request) -> Result<Self, LockedError> {
        let lab = request.lab.as_ref().filter(|_| request.lock != LockMode::Ignored);
        let lock = match lab {
            Some(lab) => LabLock::read(&lab.root)?,
            None => None,
        };
        let must = matches!(request.lock, LockMode::Locked | LockMode::Frozen);
        if lock.is_none() && must {
            let lab = request.lab.is_some();
            return Err(LockedError::None { lab });
        }
        Ok(Self { lock })
    }

    /// Returns the profiles and backends that an environment is locked for on a platform, or `None` if there are none.
    pub(super) fn levels(&self, env: &str, platform: &str) -> Option<BTreeSet<(ProfileName, Backend)>> {
        let entries = &self.lock.as_ref()?.entries;
        let of_env = entries
            .iter()
            .filter(|entry| entry.env.as_str() == env && entry.platform == platform);
        let levels: BTreeSet<_> = of_env.map(|entry| (entry.profile, entry.backend.clone())).collect();
        (!levels.is_empty()).then_some(levels)
    }

    /// Returns the entry to install `plan` from, or `None` to use the package sources.
    pub(super) fn entry(
        &self,
        ctx: &Context,
        plan: &mut Plan,
        mode: LockMode,
    ) -> Result<Option<LabEntry>, LockedError> {
        let Some(lock) = &self.lock else {
            return Ok(None);
        };
        let found = find(lock, plan, mode);
        match found {
            Ok(entry) => {
                plan.choices.push(Choice {
                    what: "versions".to_owned(),
                    chosen: format!("matenv.lock, {}", entry.name),
                    because: match mode {
                        LockMode::Frozen => "--frozen: not compared with the requirements",
                        LockMode::IfSatisfied | LockMode::Locked | LockMode::Ignored => "it satisfies the requirements",
                    }
                    .to_owned(),
                    rejected: Vec::new(),
                });
                Ok(Some(entry))
            }
            Err(error) if mode == LockMode::IfSatisfied => {
                let options = match &error {
                    LockedError::Missing { options, .. } => options.clone(),
                    LockedError::Read(_) | LockedError::None { .. } | LockedError::Stale { .. } => plan.env.to_string(),
                };
                ctx.events.warn(format!(
                    "{error}; using the package sources instead; to fix it: matenv lock {options}"
                ));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn find(lock: &LabLock, plan: &Plan, mode: LockMode) -> Result<LabEntry, LockedError> {
    let name = LabEntry::name_of(&plan.env, plan.profile, &plan.backend);
    let Some(entry) = lock.get(&name, &plan.subdir) else {
        let mut there: Vec<String> = lock
            .entries_of(&plan.env)
            .map(|entry| format!("{} for {}", entry.name, entry.platform))
            .collect();
        if there.is_empty() {
            there.push("nothing for this environment".to_owned());
        }
        let backend = plan
            .backend
            .cuda_major()
            .map(|_| format!(" --backend {}", plan.backend));
        let options = format!(
            "{} --profile {}{} --platform {}",
            plan.env,
            plan.profile,
            backend.unwrap_or_default(),
            plan.subdir
        );
        return Err(LockedError::Missing {
            name,
            options,
            platform: plan.subdir.clone(),
            there,
        });
    };
    if mode != LockMode::Frozen {
        let unmet = crate::lock::unmet(plan, entry);
        if !unmet.is_empty() {
            return Err(LockedError::Stale { unmet });
        }
    }
    Ok(entry.clone())
}

/// Returns whether a generation contains exactly the files of an entry.
pub(super) fn is_of(entry: &LabEntry, generation: &Generation) -> bool {
    let Ok(lock) = Lock::read(&layout::records(&generation.prefix)) else {
        return false;
    };
    let conda = |lock: &Lock| -> BTreeSet<_> { lock.conda.iter().map(|record| record.package_record.sha256).collect() };
    let wheels = |lock: &Lock| -> BTreeSet<_> { lock.pypi.wheels.iter().map(|wheel| wheel.sha256.clone()).collect() };
    conda(&lock) == conda(&entry.lock) && wheels(&lock) == wheels(&entry.lock)
}
