//! The machine, the store, and what is written there.

use super::super::{Exit, Failure, error::DISK};
use crate::{
    certificate::CertificateError,
    install::{LockedError, RoomError},
    lock::{CONFLICT, LAB_BESIDE, LAB_LOCK, LockError},
    run::{launch::LaunchError, menu::MenuError},
    store::StoreError,
};

impl From<RoomError> for Failure {
    fn from(error: RoomError) -> Self {
        let (code, help) = match &error {
            RoomError::NotWritable { folder, variable, .. } => (
                "room::not_writable",
                format!(
                    "make {} a folder that you may write to, or name another: {variable}=DIR",
                    folder.display()
                ),
            ),
            RoomError::NoExec { .. } => (
                "room::noexec",
                "name a folder on a filesystem that may run programs: MATENV_HOME=DIR".to_owned(),
            ),
            RoomError::NoLocks { variable, .. } => (
                "room::no_locks",
                format!("name a folder on a local disk: {variable}=DIR"),
            ),
            RoomError::Space { variables, .. } => (
                "room::space",
                format!("make room (df -h), or name folders on another disk: {variables}"),
            ),
            RoomError::Inodes { variables, .. } => (
                "room::inodes",
                format!("remove files (df -i), or name folders on another disk: {variables}"),
            ),
        };
        Self::new(&error, code, Exit::Machine, help)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let (code, exit, help) = match &error {
            LockError::Io(_) => ("lock::io", Exit::Machine, DISK),
            LockError::Folder { .. } => (
                "lock::folder",
                Exit::Machine,
                "make the lab's folder one that you may write to, or work in a copy of it",
            ),
            LockError::Newer { .. } => (
                "lock::newer",
                Exit::Integrity,
                "take a newer matenv; or remove matenv.lock and matenv-lock.json, then: matenv lock (versions may move)",
            ),
            LockError::Damaged { because, .. } if because.ends_with(CONFLICT) => (
                "lock::conflict",
                Exit::Integrity,
                "take both files of one side, then resolve what the other asked for: git checkout --ours matenv.lock matenv-lock.json, then: matenv lock",
            ),
            LockError::Damaged { path, .. } if path.ends_with(LAB_LOCK) || path.ends_with(LAB_BESIDE) => (
                "lock::damaged",
                Exit::Integrity,
                "take both files from version control again: git checkout -- matenv.lock matenv-lock.json; or remove both, then: matenv lock (versions may move)",
            ),
            LockError::Damaged { .. } => (
                "lock::damaged",
                Exit::Integrity,
                "make the environment again: matenv install ENV --force",
            ),
        };
        Self::new(&error, code, exit, help.to_owned())
    }
}

impl From<LockedError> for Failure {
    fn from(error: LockedError) -> Self {
        let (code, help) = match &error {
            LockedError::None { lab: true } => ("lock::none", "make one: matenv lock".to_owned()),
            LockedError::None { lab: false } => (
                "lock::none",
                "change to the lab's folder; or make one: matenv init, then matenv lock".to_owned(),
            ),
            LockedError::Missing { options, .. } => (
                "lock::missing",
                format!("name it in matenv.toml, then: matenv lock; or for now: matenv lock {options}"),
            ),
            LockedError::Nothing => {
                let help = "name profiles, backends and platforms in matenv.toml, or leave the options out";
                return Self::new(&error, "lock::nothing", Exit::Usage, help.to_owned());
            }
            LockedError::NoPackage {
                package,
                similar,
                is_env,
            } => {
                let help = match similar {
                    _ if *is_env => format!("it is an environment: matenv lock {package} --upgrade"),
                    Some(similar) => format!("did you mean: matenv lock --upgrade {similar}"),
                    None => "name packages after --upgrade, and environments before it".to_owned(),
                };
                return Self::new(&error, "lock::no_package", Exit::Usage, help);
            }
            LockedError::Stale { .. } => ("lock::stale", "make it hold again: matenv lock".to_owned()),
        };
        Self::new(&error, code, Exit::Unresolvable, help)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (code, exit, help) = match &error {
            StoreError::Read(_) | StoreError::Write(_) => ("store::io", Exit::Machine, DISK.to_owned()),
            StoreError::Damaged { .. } => (
                "store::damaged",
                Exit::Integrity,
                "remove that folder, then make the environment again: matenv install ENV".to_owned(),
            ),
            StoreError::Lock { .. } => (
                "store::lock",
                Exit::Machine,
                "this filesystem cannot lock files: choose another: MATENV_HOME=DIR".to_owned(),
            ),
            StoreError::NotALink { .. } => (
                "store::not_a_link",
                Exit::Machine,
                "matenv keeps a link there: move what is there away".to_owned(),
            ),
            StoreError::TooLong { .. } => (
                "store::too_long",
                Exit::Machine,
                "choose a shorter path: MATENV_HOME=DIR".to_owned(),
            ),
            StoreError::InUse { env, .. } => (
                "store::in_use",
                Exit::Machine,
                format!("end that program, or remove the environment all the same: matenv remove {env} --force"),
            ),
            StoreError::Door { .. } => (
                "store::door",
                Exit::Machine,
                "conda looks in ~/.conda/envs: make it a folder that you may write to".to_owned(),
            ),
            StoreError::NoCommand { env, .. } => (
                "run::no_command",
                Exit::Usage,
                format!("look what there is: matenv run {env} -- python -m pip list"),
            ),
            StoreError::NoPython { env } => (
                "run::no_python",
                Exit::Faulty,
                format!("build it again: matenv repair {env}"),
            ),
            StoreError::Start { .. } => (
                "run::start",
                Exit::Machine,
                "is the store on a filesystem that may execute (no noexec)?".to_owned(),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        let (code, exit, help) = match &error {
            CertificateError::Read { env, .. } => (
                "certificate::read",
                Exit::Integrity,
                format!("make the environment again: matenv install {env} --force"),
            ),
            CertificateError::Damaged { env, .. } => (
                "certificate::damaged",
                Exit::Integrity,
                format!("make the environment again: matenv install {env} --force"),
            ),
            CertificateError::Write(_) => ("certificate::write", Exit::Machine, DISK.to_owned()),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<MenuError> for Failure {
    fn from(error: MenuError) -> Self {
        let (code, help) = match &error {
            MenuError::NotText(_) => (
                "menu::not_text",
                "move it to a folder whose name is Unicode, or start the program by: matenv launch ENV",
            ),
            MenuError::Program(_) => ("menu::program", "start matenv by its path"),
            MenuError::Write(_) => (
                "menu::write",
                "make that folder one that you may write to; the environment itself is in place",
            ),
            MenuError::Remove(_) => (
                "menu::remove",
                "remove that file yourself; the environment itself is gone",
            ),
        };
        Self::new(&error, code, Exit::Machine, help.to_owned())
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let (code, exit, help) = match error {
            LaunchError::Store(error) => return error.into(),
            LaunchError::NoProgram { ref env } => (
                "launch::no_program",
                Exit::Usage,
                format!("run a command of it: matenv run {env} -- CMD; a manifest names its program: launch = \"CMD\""),
            ),
            LaunchError::Log(_) => ("launch::log", Exit::Machine, DISK.to_owned()),
            LaunchError::Died { ref env, ref log, .. } => (
                "launch::died",
                Exit::Machine,
                format!(
                    "see it in this terminal: matenv launch {env} --wait; the whole log: {}",
                    log.display()
                ),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}
