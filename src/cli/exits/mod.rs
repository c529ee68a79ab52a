//! The one place where errors meet exit codes and help lines, with rooms for those of packages, of the machine, and of
//! what is written for other tools. No `_` arm: a new variant has to choose.

mod elsewhere;
mod lab;
mod machine;
mod packages;

use super::{Exit, Failure, error::DISK};
use crate::{
    audit::AuditError,
    bench::BenchError,
    context::settings::SettingsError,
    doctor::{DoctorError, repair::RepairError},
    files::toml_file::TomlFile,
    hardware::HardwareFileError,
    install::{InstallError, MeantError},
    manifest::ManifestError,
    plan::PlanError,
    verify::VerifyError,
};

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let (code, exit, help) = match error {
            SettingsError::NoHome => (
                "settings::no_home",
                Exit::Machine,
                "set HOME to a folder that you may write to".to_owned(),
            ),
            SettingsError::Read(_) => (
                "settings::read",
                Exit::Machine,
                "make the file readable, or remove it".to_owned(),
            ),
            SettingsError::Syntax {
                ref path,
                ref text,
                ref source,
            } => {
                let toml = TomlFile::new(path, text).error(source.span(), source.message());
                return Self::toml(&toml, "settings::syntax");
            }
            SettingsError::Mirror { ref path, .. } => (
                "settings::mirror",
                Exit::Usage,
                format!("mend [mirrors] in {}: SOURCE = \"TARGET\"", path.display()),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<DoctorError> for Failure {
    fn from(error: DoctorError) -> Self {
        match error {
            DoctorError::Store(error) => error.into(),
            DoctorError::Records(error) => error.into(),
            DoctorError::Audit(error) => error.into(),
            DoctorError::Verify(error) => error.into(),
            DoctorError::NoEnvironment { .. } => Self::new(
                &error,
                "doctor::no_environment",
                Exit::Usage,
                "name the folder that has `conda-meta` or `pyvenv.cfg` in it: --prefix PATH".to_owned(),
            ),
            DoctorError::Trial(_) => Self::new(&error, "doctor::trial", Exit::Machine, DISK.to_owned()),
        }
    }
}

impl From<RepairError> for Failure {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Doctor(error) => error.into(),
            RepairError::Install(error) => error.into(),
            RepairError::Store(error) => error.into(),
            // The lock of a generation lies in no version control.
            RepairError::Lock { ref typed, .. } => Self::new(
                &error,
                "repair::lock",
                Exit::Integrity,
                format!("make it again: matenv install {typed} --force"),
            ),
            RepairError::Certificate(error) => error.into(),
            RepairError::ChangedMeanwhile { ref env } => Self::new(
                &error,
                "repair::changed",
                Exit::Machine,
                format!("look at what is there now: matenv doctor {env}"),
            ),
        }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let (code, help) = match &error {
            ManifestError::Toml(toml) => return Self::toml(toml, "manifest::syntax"),
            ManifestError::Read(_) => (
                "manifest::read",
                "name a folder of manifests: --manifest-dir DIR".to_owned(),
            ),
            ManifestError::Unknown { similar, known, .. } => {
                let known = known.join(", ");
                let help = match similar {
                    Some(similar) => format!("did you mean `{similar}`? There are: {known}"),
                    None => format!("there are: {known}"),
                };
                ("environment::unknown", help)
            }
        };
        Self::new(&error, code, Exit::Usage, help)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let (code, help) = match &error {
            PlanError::Unsupported(refused) => {
                let help = match refused.instead {
                    Some(instead) => format!(
                        "take what runs here: --profile {instead}; for another machine, with what `matenv hardware --json` wrote there: --hardware FILE --cross"
                    ),
                    None => format!("what was looked at: matenv plan {}, matenv hardware", refused.env),
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

impl From<MeantError> for Failure {
    fn from(error: MeantError) -> Self {
        let (code, exit, help) = match &error {
            MeantError::NeedsCross { .. } => (
                "install::needs_cross",
                Exit::Unsupported,
                "if that is meant, type the same command with --cross: what needs the GPU is skipped here".to_owned(),
            ),
            MeantError::Replaces { env, profile, .. } => (
                "install::replaces",
                Exit::Usage,
                format!("keep both: --name {env}-{profile}; take its place: --profile {profile} --force"),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<HardwareFileError> for Failure {
    fn from(error: HardwareFileError) -> Self {
        let code = match &error {
            HardwareFileError::Read(_) => "hardware_file::read",
            HardwareFileError::Syntax { .. } => "hardware_file::syntax",
            HardwareFileError::Schema { .. } => "hardware_file::schema",
            HardwareFileError::Triple { .. } => "hardware_file::triple",
            HardwareFileError::CudaDriver { .. } => "hardware_file::cuda_driver",
        };
        let help = "make one on the machine that is meant: matenv hardware --json > FILE";
        Self::new(&error, code, Exit::Usage, help.to_owned())
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let (code, exit, help) = match &error {
            VerifyError::Io(_) => ("verify::io", Exit::Machine, DISK),
            VerifyError::NoModel { below: Some(below), .. } => {
                let help = format!("did you mean: --model-dir {}", below.display());
                return Self::new(&error, "verify::no_model", Exit::Usage, help);
            }
            VerifyError::NoModel { below: None, .. } | VerifyError::Model(_) => (
                "verify::model",
                Exit::Usage,
                "name a folder with best.ckpt and training_config.yaml: --model-dir DIR",
            ),
        };
        Self::new(&error, code, exit, help.to_owned())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        let (code, exit) = match &error {
            AuditError::NoPython { .. } => ("audit::no_python", Exit::Faulty),
            AuditError::Io(_) => ("audit::io", Exit::Machine),
        };
        let help = "make the environment again: matenv install ENV --force".to_owned();
        Self::new(&error, code, exit, help)
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let (code, exit, help) = match &error {
            BenchError::UnknownProvider { .. } => (
                "bench::provider",
                Exit::Usage,
                "name a known execution provider in the profile".to_owned(),
            ),
            BenchError::Batch => (
                "bench::batch",
                Exit::Usage,
                "name batch sizes: --batch 1,4,8".to_owned(),
            ),
            BenchError::Model(_) => (
                "bench::model",
                Exit::Usage,
                "name an ONNX file: --model FILE".to_owned(),
            ),
            BenchError::ShapeMissing { input, .. } => (
                "bench::shape_missing",
                Exit::Usage,
                format!("say how large: --shape {input}=1x1x384x384, with a size for each axis"),
            ),
            BenchError::ShapeWrong { input, axes, .. } => (
                "bench::shape_wrong",
                Exit::Usage,
                format!("say how large: --shape {input}=…, to fit {axes}"),
            ),
            BenchError::NoSuchInput { inputs, .. } => (
                "bench::no_such_input",
                Exit::Usage,
                format!("name an input: --shape NAME=…, with one of {inputs}"),
            ),
            BenchError::InputType { .. } => (
                "bench::input_type",
                Exit::Usage,
                "only models whose inputs are numbers can be timed".to_owned(),
            ),
            BenchError::Work(_) => (
                "bench::work",
                Exit::Machine,
                "make room in the temporary folder, or name another: TMPDIR=DIR".to_owned(),
            ),
            BenchError::Start(_) => ("bench::start", Exit::Machine, "type the same command again".to_owned()),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Profile(error) => Self::toml(&error, "profile::syntax"),
            InstallError::Plan(error) => error.into(),
            InstallError::Menu(error) => error.into(),
            error @ InstallError::OtherPlatform { .. } => Self::new(
                &error,
                "install::other_platform",
                Exit::Unsupported,
                "see what it would be: matenv plan ENV --hardware FILE; install it on a machine of that platform"
                    .to_owned(),
            ),
            InstallError::Checkout(error) => error.into(),
            InstallError::Room(error) => error.into(),
            InstallError::Conda(error) => error.into(),
            InstallError::Uv(error) => error.into(),
            InstallError::Pypi(error) => error.into(),
            InstallError::Lock(error) => error.into(),
            InstallError::Locked(error) => error.into(),
            InstallError::Meant(error) => error.into(),
            InstallError::Store(error) => error.into(),
            InstallError::Audit(error) => error.into(),
            error @ InstallError::Reach(_) => Self::new(&error, "reach::write", Exit::Machine, DISK.to_owned()),
            InstallError::Verify(error) => error.into(),
            InstallError::Bench(error) => error.into(),
            InstallError::Certificate(error) => error.into(),
            InstallError::Kept { ref typed, .. } => Self::new(
                &error,
                "install::kept",
                Exit::Integrity,
                format!("make it again: matenv install {typed} --force"),
            ),
            InstallError::Records(_) => Self::new(&error, "install::records", Exit::Machine, DISK.to_owned()),
        }
    }
}
