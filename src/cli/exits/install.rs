//! Errors of plans and installations.

use super::{
    super::{Exit, Failure, error::DISK},
    TEMPORARY,
};
use crate::{
    install::{
        BuildError, DryRunError, InstallError, PackagesError, PlanningError, PlatformError, ProveAgainError,
        ProveError, RecordsError, SafeguardError, SourceError, WriteRecordsError,
    },
    plan::PlanError,
};

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Model(error) => error.into(),
            InstallError::Platform(error) => error.into(),
            InstallError::Source(error) => error.into(),
            InstallError::Safeguard(error) => error.into(),
            InstallError::Locked(error) => error.into(),
            InstallError::DiskSpace(error) => error.into(),
            InstallError::Store(error) => error.into(),
            InstallError::Records(error) => error.into(),
            InstallError::Prove(error) => error.into(),
            InstallError::WriteRecords(error) => error.into(),
            InstallError::Certificate(error) => error.into(),
            InstallError::Build(error) => error.into(),
            InstallError::Menu(error) => error.into(),
        }
    }
}

impl From<DryRunError> for Failure {
    fn from(error: DryRunError) -> Self {
        match error {
            DryRunError::Platform(error) => error.into(),
            DryRunError::Source(error) => error.into(),
            DryRunError::Locked(error) => error.into(),
            DryRunError::DiskSpace(error) => error.into(),
            DryRunError::Store(error) => error.into(),
            DryRunError::Packages(error) => error.into(),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Planning(error) => error.into(),
            SourceError::Checkout(error) => error.into(),
            SourceError::Store(error) => error.into(),
        }
    }
}

impl From<PlanningError> for Failure {
    fn from(error: PlanningError) -> Self {
        match error {
            PlanningError::Profile(error) => Self::toml(&error, "profile::syntax"),
            PlanningError::Plan(error) => error.into(),
            PlanningError::Locked(error) => error.into(),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let (code, help) = match &error {
            PlanError::Unsupported(refused) => {
                let help = match refused.instead {
                    Some(instead) => format!(
                        "use a profile that runs here: --profile {instead}; to install for another machine, run `matenv hardware --json > FILE` there, then add here: --hardware FILE --cross"
                    ),
                    None => format!("see what was checked: matenv plan {}; matenv hardware", refused.env),
                };
                ("plan::unsupported", help)
            }
            PlanError::Platform(_) => (
                "plan::platform",
                "use Linux, macOS or Windows on x86-64 or arm64".to_owned(),
            ),
        };
        Self::new(&error, code, Exit::Unsupported, help)
    }
}

impl From<SafeguardError> for Failure {
    fn from(error: SafeguardError) -> Self {
        let (code, exit, help) = match &error {
            SafeguardError::NeedsCross { .. } => (
                "install::needs_cross",
                Exit::Unsupported,
                "if that is intended, run the command again with --cross: steps that need the GPU are skipped here"
                    .to_owned(),
            ),
            SafeguardError::Replaces { env, profile, .. } => (
                "install::replaces",
                Exit::Usage,
                format!("to keep both: --name {env}-{profile}; to replace it: --profile {profile} --force"),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Unsupported(error) => PlanError::from(error).into(),
            PlatformError::Other { .. } => Self::new(
                &error,
                "install::other_platform",
                Exit::Unsupported,
                "show the plan for it: matenv plan ENV --hardware FILE; install it on a machine of that platform"
                    .to_owned(),
            ),
        }
    }
}

impl From<PackagesError> for Failure {
    fn from(error: PackagesError) -> Self {
        match error {
            PackagesError::Store(error) => error.into(),
            PackagesError::DiskSpace(error) => error.into(),
            PackagesError::Conda(error) => error.into(),
            PackagesError::Uv(error) => error.into(),
            PackagesError::Pypi(error) => error.into(),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Store(error) => error.into(),
            BuildError::Packages(error) => error.into(),
            BuildError::Preload(_) => Self::new(&error, "preload::write", Exit::Machine, DISK.to_owned()),
            BuildError::WriteRecords(error) => error.into(),
            BuildError::Prove(error) => error.into(),
            BuildError::Certificate(error) => error.into(),
        }
    }
}

impl From<ProveError> for Failure {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Audit(error) => error.into(),
            ProveError::AuditThread(_) => Self::new(
                &error,
                "audit::thread",
                Exit::Machine,
                "run the command again with -vv, and report the output".to_owned(),
            ),
            ProveError::Verify(error) => error.into(),
            ProveError::TemporaryFolder(_) => {
                Self::new(&error, "verify::temp_folder", Exit::Machine, TEMPORARY.to_owned())
            }
            ProveError::Bench(error) => error.into(),
        }
    }
}

impl From<ProveAgainError> for Failure {
    fn from(error: ProveAgainError) -> Self {
        match error {
            ProveAgainError::Records(error) => error.into(),
            ProveAgainError::Prove(error) => error.into(),
            ProveAgainError::Certificate(error) => error.into(),
        }
    }
}

impl From<RecordsError> for Failure {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Plan { ref typed, .. } => Self::new(
                &error,
                "install::plan_record",
                Exit::Integrity,
                format!("write it again: matenv install {typed}"),
            ),
            RecordsError::Lock(error) => error.into(),
            RecordsError::Certificate(error) => error.into(),
        }
    }
}

impl From<WriteRecordsError> for Failure {
    fn from(error: WriteRecordsError) -> Self {
        match error {
            WriteRecordsError::Lock(error) => error.into(),
            WriteRecordsError::Write(_) => Self::new(&error, "install::records", Exit::Machine, DISK.to_owned()),
        }
    }
}
