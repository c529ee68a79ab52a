//! Errors of a lab's `matenv.toml`, of the targets that it asks to lock, and of locking them.

use super::{
    super::{Exit, Failure},
    TEMPORARY,
};
use crate::{
    install::relock::{CombinationsError, InterpreterError, RelockError, WantedError},
    manifest::lab::LabError,
};

impl From<CombinationsError> for Failure {
    fn from(error: CombinationsError) -> Self {
        match error {
            CombinationsError::Profile(error) => Self::toml(&error, "profile::syntax"),
            CombinationsError::Plan(error) => error.into(),
        }
    }
}

impl From<InterpreterError> for Failure {
    fn from(error: InterpreterError) -> Self {
        match error {
            InterpreterError::TemporaryFolder(_) => {
                Self::new(&error, "lock::temp_folder", Exit::Machine, TEMPORARY.to_owned())
            }
            InterpreterError::Conda(error) => error.into(),
        }
    }
}

impl From<RelockError> for Failure {
    fn from(error: RelockError) -> Self {
        match error {
            RelockError::Combinations(error) => error.into(),
            RelockError::NothingSelected => Self::new(
                &error,
                "lock::nothing_selected",
                Exit::Usage,
                "set profiles, backends and platforms in matenv.toml, or omit the options".to_owned(),
            ),
            RelockError::NoPackage {
                ref package,
                ref similar,
                is_env,
            } => {
                let help = match similar {
                    _ if is_env => format!("to upgrade the environment: matenv lock {package} --upgrade"),
                    Some(similar) => format!("did you mean: matenv lock --upgrade {similar}"),
                    None => "write packages after --upgrade, and environments before it".to_owned(),
                };
                Self::new(&error, "lock::no_package", Exit::Usage, help)
            }
            RelockError::Interpreter(error) => error.into(),
            RelockError::Conda(error) => error.into(),
            RelockError::Uv(error) => error.into(),
            RelockError::Pypi(error) => error.into(),
        }
    }
}

impl From<WantedError> for Failure {
    fn from(error: WantedError) -> Self {
        match error {
            WantedError::Lab(error) => (*error).into(),
            error @ WantedError::Backend(_) => Self::new(
                &error,
                "lock::backend",
                Exit::Usage,
                "use a backend of the torch index, such as cu130 or cu128".to_owned(),
            ),
            WantedError::Target(error) => Self::new(
                &error,
                "lock::target",
                Exit::Usage,
                "use conda's platform names in matenv.toml, or: matenv lock --platform linux-64".to_owned(),
            ),
        }
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let (code, exit, help) = match error {
            LabError::Toml(toml) => return Self::toml(&toml, "lab::syntax"),
            LabError::Manifest(error) => return error.into(),
            LabError::Read(_) => (
                "lab::read",
                Exit::Machine,
                "make the file readable, or change to another folder".to_owned(),
            ),
            LabError::Write(_) => (
                "lab::write",
                Exit::Machine,
                "choose a folder that you can write to: matenv init DIR".to_owned(),
            ),
            LabError::Missing => (
                "lab::missing",
                Exit::Usage,
                "create one here: matenv init; or change to the lab's folder".to_owned(),
            ),
            LabError::Exists { .. } => (
                "lab::exists",
                Exit::Usage,
                "edit it, or add packages to it: matenv add ENV PKG; for another lab: matenv init DIR".to_owned(),
            ),
            LabError::NoManifest {
                ref env,
                ref similar,
                ref known,
                ..
            } => (
                "lab::no_manifest",
                Exit::Usage,
                format!(
                    "set one in [environments.{env}]: manifest = \"{}\"; known manifests: {}",
                    similar.as_ref().or(known.first()).map_or("NAME", String::as_str),
                    known.join(", ")
                ),
            ),
            LabError::Package { .. } => (
                "lab::package",
                Exit::Usage,
                "write the package's name, with version bounds in quotes: matenv add ENV \"ipykernel>=6\"".to_owned(),
            ),
            LabError::NotThere {
                ref env,
                ref similar,
                ref known,
                ..
            } => (
                "lab::not_added",
                Exit::Usage,
                match similar {
                    Some(similar) => format!("did you mean: matenv remove-package {env} {similar}"),
                    None if known.is_empty() => {
                        "it adds no packages; show what the environment requires: matenv plan ".to_owned()
                            + env.as_str()
                    }
                    None => format!("it adds: {}", known.join(", ")),
                },
            ),
        };
        Self::new(&error, code, exit, help)
    }
}
