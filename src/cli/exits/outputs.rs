//! Errors of exports for other tools and of CI workflows.

use super::super::{Exit, Failure};
use crate::{
    export::{ExportError, ci::CiError},
    names::install_arguments,
};

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let (code, exit, help) = match error {
            ExportError::Lock(error) => return error.into(),
            ExportError::Records(error) => return error.into(),
            ExportError::Uv(error) => return error.into(),
            ExportError::Pypi(error) => return error.into(),
            ExportError::MachineBound { ref env } => (
                "export::machine_bound",
                Exit::Usage,
                format!(
                    "install it again with Python from a conda channel, then export it: matenv install {env} --no-host-python --force"
                ),
            ),
            ExportError::OwnSource {
                ref env, ref manifest, ..
            } => (
                "export::own_source",
                Exit::Usage,
                format!(
                    "install it again from a release, then export it: matenv install {}",
                    install_arguments(manifest, env)
                ),
            ),
            ExportError::NoSuch { ref env, .. } => (
                "export::no_such",
                Exit::Usage,
                format!(
                    "omit --platform, --profile and --backend; or install it: matenv install {env} --profile PROFILE; for other platforms in a lab: matenv lock {env} --platform PLATFORM"
                ),
            ),
            ExportError::Ambiguous { .. } => (
                "export::ambiguous",
                Exit::Usage,
                "choose one: --profile PROFILE, --backend BACKEND, --platform PLATFORM".to_owned(),
            ),
            ExportError::NoContainer { .. } => (
                "export::no_container",
                Exit::Usage,
                "export an environment for linux-64 or linux-aarch64".to_owned(),
            ),
            ExportError::NotListed { .. } => (
                "export::not_listed",
                Exit::Unresolvable,
                "use the index that had the file: --mirror pypi=URL; or use another format: --format requirements"
                    .to_owned(),
            ),
            ExportError::Epoch { .. } => (
                "export::epoch",
                Exit::Usage,
                "unset SOURCE_DATE_EPOCH, or set it to seconds since 1970".to_owned(),
            ),
            ExportError::Form(_) => (
                "export::serialize",
                Exit::Integrity,
                "install the environment again: matenv install ENV --force".to_owned(),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<CiError> for Failure {
    fn from(error: CiError) -> Self {
        let wheel = "build one with scripts/wheel.sh of matenv's repository, copy it into your repository, and pass it: \
                     --wheel tools/matenv-VERSION-….whl, or --wheel URL#sha256=HEX";
        let (code, help) = match &error {
            CiError::NoWheel { .. } => ("ci::no_wheel", wheel),
            CiError::Wheel { .. } | CiError::Read { .. } => ("ci::wheel", wheel),
            CiError::NoRunner { .. } => (
                "ci::no_runner",
                "write the job yourself, for your own runner: see docs/guides/ci.md",
            ),
            CiError::Form(_) => ("ci::serialize", "run the command again with -vv, and report the output"),
        };
        Self::new(&error, code, Exit::Usage, help.to_owned())
    }
}
