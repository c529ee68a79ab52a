//! Maps every error to its exit code and its help line. The submodules hold the errors of installations, labs, packages,
//! the local system and exports. There is no `_` arm, so each new variant needs an exit code and a help line.

mod generations;
mod install;
mod lab;
mod machine;
mod outputs;
mod packages;

use super::{Exit, Failure, error::DISK};
use crate::{
    audit::AuditError,
    bench::BenchError,
    context::settings::SettingsError,
    doctor::{DoctorError, repair::RepairError},
    files::toml_file::TomlFile,
    hardware::HardwareFileError,
    manifest::ManifestError,
    verify::VerifyError,
};

/// The help line of an error when a temporary folder is created.
const TEMPORARY: &str = "free disk space, or use a folder on another disk: MATENV_HOME=DIR";

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let (code, exit, help) = match error {
            SettingsError::NoHome => (
                "settings::no_home",
                Exit::Machine,
                "set HOME to the absolute path of a folder that you can write to".to_owned(),
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
                format!("fix [mirrors] in {}: SOURCE = \"TARGET\"", path.display()),
            ),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<DoctorError> for Failure {
    fn from(error: DoctorError) -> Self {
        match error {
            DoctorError::Store(error) => error.into(),
            DoctorError::Platform(error) => error.into(),
            DoctorError::Audit(error) => error.into(),
            DoctorError::Verify(error) => error.into(),
            DoctorError::NoEnvironment { .. } => Self::new(
                &error,
                "doctor::no_environment",
                Exit::Usage,
                "pass the folder that contains `conda-meta` or `pyvenv.cfg`: --prefix PATH".to_owned(),
            ),
            DoctorError::Trial(_) => Self::new(&error, "doctor::trial", Exit::Machine, DISK.to_owned()),
        }
    }
}

impl From<RepairError> for Failure {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Doctor(error) => error.into(),
            RepairError::Install(error) => (*error).into(),
            RepairError::DiskSpace(error) => error.into(),
            RepairError::Build(error) => error.into(),
            RepairError::Store(error) => error.into(),
            RepairError::NoPlan { ref typed, .. } => Self::new(
                &error,
                "repair::no_plan",
                Exit::Integrity,
                format!("install it again, from the folder of its manifest: matenv install {typed} --manifest-dir DIR"),
            ),
            // A known manifest would have been installed.
            RepairError::Lost(lost) => Self::lost(&lost, false),
            RepairError::ChangedMeanwhile { ref env } => Self::new(
                &error,
                "repair::changed",
                Exit::Machine,
                format!("check the environment as it is now: matenv doctor {env}"),
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
                "pass a folder of manifests: --manifest-dir DIR".to_owned(),
            ),
            ManifestError::Unknown { similar, known, .. } => {
                let known = known.join(", ");
                let help = match similar {
                    Some(similar) => format!("did you mean `{similar}`? Known environments: {known}"),
                    None => format!("known environments: {known}"),
                };
                ("environment::unknown", help)
            }
        };
        Self::new(&error, code, Exit::Usage, help)
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
        let help = "create the file on the intended machine: matenv hardware --json > FILE";
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
                "pass a folder that contains best.ckpt and training_config.yaml: --model-dir DIR",
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
        let help = "install the environment again: matenv install ENV --force".to_owned();
        Self::new(&error, code, exit, help)
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let (code, exit, help) = match &error {
            BenchError::NoProvider => (
                "bench::provider",
                Exit::Usage,
                "set `providers` in the profile".to_owned(),
            ),
            BenchError::Batch => (
                "bench::batch",
                Exit::Usage,
                "pass batch sizes: --batch 1,4,8".to_owned(),
            ),
            BenchError::Model(_) => (
                "bench::model",
                Exit::Usage,
                "pass an ONNX file: --model FILE".to_owned(),
            ),
            BenchError::ShapeMissing { input, .. } => (
                "bench::shape_missing",
                Exit::Usage,
                format!("pass a size for each axis: --shape {input}=1x1x384x384"),
            ),
            BenchError::ShapeWrong { input, axes, .. } => (
                "bench::shape_wrong",
                Exit::Usage,
                format!("pass a shape that fits {axes}: --shape {input}=…"),
            ),
            BenchError::NoSuchInput { inputs, .. } => (
                "bench::no_such_input",
                Exit::Usage,
                format!("use an input of the model: --shape NAME=…, where NAME is one of {inputs}"),
            ),
            BenchError::InputType { .. } => (
                "bench::input_type",
                Exit::Usage,
                "use a model whose inputs are numbers: --model FILE".to_owned(),
            ),
            BenchError::Work(_) => ("bench::temp_files", Exit::Machine, TEMPORARY.to_owned()),
            BenchError::Start(_) => ("bench::start", Exit::Machine, "run the command again".to_owned()),
        };
        Self::new(&error, code, exit, help)
    }
}
