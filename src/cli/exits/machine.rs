//! Errors of the local system, of the store, and of the files that matenv writes.

use super::super::{Exit, Failure, error::DISK};
use crate::{
    certificate::CertificateError,
    files::trust::TrustError,
    install::{DiskSpaceError, LockedError},
    lock::{CONFLICT, LAB_SIDECAR, LockError},
    manifest::lab::LAB_LOCK,
    run::{command::RunError, launch::LaunchError, menu::MenuError},
    store::StoreError,
};

impl From<DiskSpaceError> for Failure {
    fn from(error: DiskSpaceError) -> Self {
        let (code, help) = match &error {
            DiskSpaceError::NotWritable { folder, variable, .. } => (
                "disk::not_writable",
                format!(
                    "get write permission for {}, or use another folder: {variable}=DIR",
                    folder.display()
                ),
            ),
            DiskSpaceError::NoExec { .. } => (
                "disk::noexec",
                "use a folder on a file system that is not mounted noexec: MATENV_HOME=DIR".to_owned(),
            ),
            DiskSpaceError::NoLocks { variable, .. } => (
                "disk::no_locks",
                format!("use a folder on a local disk: {variable}=DIR"),
            ),
            DiskSpaceError::Space { variables, .. } => (
                "disk::space",
                format!("free disk space (df -h), or use folders on another disk: {variables}"),
            ),
            DiskSpaceError::Inodes { variables, .. } => (
                "disk::inodes",
                format!("remove files (df -i), or use folders on another disk: {variables}"),
            ),
        };
        Self::new(&error, code, Exit::Machine, help)
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        let (code, help) = match &error {
            TrustError::WorldWritable { path } => {
                let path = path.display();
                (
                    "machine::world_writable",
                    format!("if you trust its files, take the right from other users: chmod -R o-w '{path}'"),
                )
            }
            TrustError::Foreign {
                path, user, variable, ..
            } => {
                let sudo = if *user == 0 { "" } else { "sudo " };
                let path = path.display();
                (
                    "machine::foreign_folder",
                    format!(
                        "use a folder of your own: {variable}=DIR; or, if you trust its files, take it over: {sudo}chown -R {user} '{path}'"
                    ),
                )
            }
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
                "get write permission for the lab's folder, or work in a copy of it",
            ),
            LockError::Newer { .. } => (
                "lock::newer",
                Exit::Integrity,
                "update matenv; or remove matenv.lock and matenv-lock.json, then: matenv lock (versions may change)",
            ),
            LockError::Damaged { because, .. } if because.ends_with(CONFLICT) => (
                "lock::conflict",
                Exit::Integrity,
                "keep both files of one side, then lock again: git checkout --ours matenv.lock matenv-lock.json, then: matenv lock",
            ),
            LockError::Damaged { path, .. } if path.ends_with(LAB_LOCK) || path.ends_with(LAB_SIDECAR) => (
                "lock::damaged",
                Exit::Integrity,
                "restore both files from version control: git checkout -- matenv.lock matenv-lock.json; or remove both, then: matenv lock (versions may change)",
            ),
            LockError::Damaged { .. } => (
                "lock::damaged",
                Exit::Integrity,
                "install the environment again: matenv install ENV --force",
            ),
        };
        Self::new(&error, code, exit, help.to_owned())
    }
}

impl From<LockedError> for Failure {
    fn from(error: LockedError) -> Self {
        let (code, help) = match error {
            LockedError::Read(error) => return error.into(),
            LockedError::None { lab: true } => ("lock::no_lock_file", "create it: matenv lock".to_owned()),
            LockedError::None { lab: false } => (
                "lock::no_lock_file",
                "change to the lab's folder; or create a lab: matenv init, then: matenv lock".to_owned(),
            ),
            LockedError::Missing { ref options, .. } => (
                "lock::missing",
                format!("add it to matenv.toml, then: matenv lock; or lock it once: matenv lock {options}"),
            ),
            LockedError::Stale { .. } => ("lock::stale", "update it: matenv lock".to_owned()),
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
                "remove that folder, then install the environment again: matenv install ENV".to_owned(),
            ),
            StoreError::Lock { .. } => (
                "store::lock",
                Exit::Machine,
                "use a folder on a file system that can lock files: MATENV_HOME=DIR".to_owned(),
            ),
            StoreError::Busy { .. } => (
                "store::busy",
                Exit::Machine,
                "wait until it has finished: run the command again with --wait SECONDS, or without --no-wait"
                    .to_owned(),
            ),
            StoreError::NotALink { .. } => (
                "store::not_a_link",
                Exit::Machine,
                "move that file or folder away: matenv needs its path for a link".to_owned(),
            ),
            StoreError::TooLong { .. } => (
                "store::too_long",
                Exit::Machine,
                "use a shorter path: MATENV_HOME=DIR".to_owned(),
            ),
            StoreError::InUse { env, .. } => (
                "store::in_use",
                Exit::Machine,
                format!("end that program, or remove the environment anyway: matenv remove {env} --force"),
            ),
            StoreError::CondaLink { .. } => (
                "store::conda_link",
                Exit::Machine,
                "get write permission for ~/.conda/envs, where conda looks for environments".to_owned(),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let (code, exit, help) = match &error {
            RunError::NoCommand { env, .. } => (
                "run::no_command",
                Exit::Usage,
                format!("list the installed packages: matenv run {env} -- python -m pip list"),
            ),
            RunError::NoPython { env } => (
                "run::no_python",
                Exit::Faulty,
                format!("repair the environment: matenv repair {env}"),
            ),
            RunError::Start { .. } => (
                "run::start",
                Exit::Machine,
                "check that MATENV_HOME is on a file system that is not mounted noexec".to_owned(),
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
                format!("install the environment again: matenv install {env} --force"),
            ),
            CertificateError::Damaged { env, .. } => (
                "certificate::damaged",
                Exit::Integrity,
                format!("install the environment again: matenv install {env} --force"),
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
                "move it to a folder with a Unicode name, or start the program with: matenv launch ENV",
            ),
            MenuError::Program(_) => ("menu::program", "run matenv by its full path"),
            MenuError::Write(_) => (
                "menu::write",
                "get write permission for that folder; the environment itself is installed",
            ),
            MenuError::Remove(_) => ("menu::remove", "remove that file yourself, then run the command again"),
        };
        Self::new(&error, code, Exit::Machine, help.to_owned())
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let (code, exit, help) = match error {
            LaunchError::Store(error) => return error.into(),
            LaunchError::Run(error) => return error.into(),
            LaunchError::NoProgram { ref env } => (
                "launch::no_program",
                Exit::Usage,
                format!(
                    "run one of its commands: matenv run {env} -- CMD; or set its program in the manifest: launch = \"CMD\""
                ),
            ),
            LaunchError::Log(_) => ("launch::log", Exit::Machine, DISK.to_owned()),
            LaunchError::Died { ref env, ref log, .. } => (
                "launch::exited",
                Exit::Machine,
                format!(
                    "start it in this terminal: matenv launch {env} --wait; or read the whole log: {}",
                    log.display()
                ),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}
