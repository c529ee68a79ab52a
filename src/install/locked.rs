//! A lab's lock in the place of the sources.

use std::collections::BTreeSet;

use super::{InstallError, Request};
use crate::{
    context::Context,
    files::layout,
    install::relock,
    lock::{LabEntry, LabLock, Lock},
    names::{Backend, ProfileName},
    plan::{Choice, Plan},
    store::Generation,
};

/// How a lab's lock is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LockMode {
    /// If there is one and it holds what is asked for.
    #[default]
    IfItHolds,
    /// It has to be there and to hold (`--locked`).
    Locked,
    /// It has to be there, and is not compared (`--frozen`).
    Frozen,
    /// The sources are asked (`--upgrade`).
    Ignored,
}

/// Why a lock cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockedError {
    /// There is none.
    #[error("there is no matenv.lock here")]
    None {
        /// Whether there is a lab to make one in.
        lab: bool,
    },
    /// No combination of environment, profile, backend and platform is asked for.
    #[error("nothing is asked for")]
    Nothing,
    /// A package that is to move is nowhere.
    #[error("matenv.lock has no package `{package}`")]
    NoPackage {
        /// What was typed.
        package: String,
        /// The closest that it has.
        similar: Option<String>,
        /// It is an environment's name.
        is_env: bool,
    },
    /// It lacks what is asked for.
    #[error("matenv.lock has no {name} for {platform}; it has {}", .there.join(", "))]
    Missing {
        /// The environment's name in the lock.
        name: String,
        /// The options that lock it.
        options: String,
        /// The conda subdir.
        platform: String,
        /// What it has for that environment.
        there: Vec<String>,
    },
    /// It no longer holds.
    #[error("matenv.lock is stale: {}", .unmet.join("; "))]
    Stale {
        /// What does not hold.
        unmet: Vec<String>,
    },
}

/// A lab's lock, read once for each environment.
#[derive(Debug, Clone, Default)]
pub(super) struct LabLocks {
    lock: Option<LabLock>,
}

impl LabLocks {
    pub(super) fn read(request: &Request) -> Result<Self, InstallError> {
        let lab = request.lab.as_ref().filter(|_| request.lock != LockMode::Ignored);
        let lock = match lab {
            Some(lab) => LabLock::read(&lab.root)?,
            None => None,
        };
        let must = matches!(request.lock, LockMode::Locked | LockMode::Frozen);
        if lock.is_none() && must {
            let lab = request.lab.is_some();
            return Err(LockedError::None { lab }.into());
        }
        Ok(Self { lock })
    }

    /// The profiles and backends that an environment was locked for on a platform; `None` if there is no lock.
    pub(super) fn levels(&self, env: &str, platform: &str) -> Option<BTreeSet<(ProfileName, Backend)>> {
        let entries = &self.lock.as_ref()?.entries;
        let of_env = entries
            .iter()
            .filter(|entry| entry.env.as_str() == env && entry.platform == platform);
        let levels: BTreeSet<_> = of_env.map(|entry| (entry.profile, entry.backend.clone())).collect();
        (!levels.is_empty()).then_some(levels)
    }

    /// The entry that `plan` is installed from; `None` if the sources are asked.
    pub(super) fn entry(
        &self,
        ctx: &Context,
        plan: &mut Plan,
        mode: LockMode,
    ) -> Result<Option<LabEntry>, InstallError> {
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
                        LockMode::Frozen => "--frozen: it is not compared with what is asked for",
                        LockMode::IfItHolds | LockMode::Locked | LockMode::Ignored => "it holds what is asked for",
                    }
                    .to_owned(),
                    rejected: Vec::new(),
                });
                Ok(Some(entry))
            }
            Err(error) if mode == LockMode::IfItHolds => {
                let options = match &error {
                    LockedError::Missing { options, .. } => options.clone(),
                    LockedError::None { .. }
                    | LockedError::Nothing
                    | LockedError::NoPackage { .. }
                    | LockedError::Stale { .. } => plan.env.to_string(),
                };
                ctx.events.warn(format!(
                    "{error}: the sources are asked; to mend it: matenv lock {options}"
                ));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn find(lock: &LabLock, plan: &Plan, mode: LockMode) -> Result<LabEntry, LockedError> {
    let name = LabEntry::name_of(&plan.env, plan.profile, &plan.backend);
    let Some(entry) = lock.get(&name, &plan.subdir) else {
        let mut there: Vec<String> = lock
            .of(&plan.env)
            .map(|entry| format!("{} for {}", entry.name, entry.platform))
            .collect();
        if there.is_empty() {
            there.push("none of this environment".to_owned());
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
        let unmet = relock::unmet(plan, entry);
        if !unmet.is_empty() {
            return Err(LockedError::Stale { unmet });
        }
    }
    Ok(entry.clone())
}

/// Whether a generation holds what an entry names, file for file.
pub(super) fn is_of(entry: &LabEntry, generation: &Generation) -> bool {
    let Ok(lock) = Lock::read(&layout::records(&generation.prefix)) else {
        return false;
    };
    let conda = |lock: &Lock| -> BTreeSet<_> { lock.conda.iter().map(|record| record.package_record.sha256).collect() };
    let wheels = |lock: &Lock| -> BTreeSet<_> { lock.pypi.wheels.iter().map(|wheel| wheel.sha256.clone()).collect() };
    conda(&lock) == conda(&entry.lock) && wheels(&lock) == wheels(&entry.lock)
}
