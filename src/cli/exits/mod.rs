//! Maps every error to its exit code and its help line. The submodules hold the errors of labs, packages, the local
//! system and exports. There is no `_` arm, so each new variant needs an exit code and a help line.

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
    install::{InstallError, SafeguardError},
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
            DoctorError::Records(error) => error.into(),
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
            RepairError::Install(error) => error.into(),
            RepairError::Store(error) => error.into(),
            // The lock of a generation is not under version control, so it cannot be restored.
            RepairError::Lock { ref typed, .. } => Self::new(
                &error,
                "repair::lock",
                Exit::Integrity,
                format!("install it again: matenv install {typed} --force"),
            ),
            RepairError::Certificate(error) => error.into(),
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
            BenchError::Work(_) => (
                "bench::temp_files",
                Exit::Machine,
                "free disk space in the temporary folder, or use another: TMPDIR=DIR".to_owned(),
            ),
            BenchError::Start(_) => ("bench::start", Exit::Machine, "run the command again".to_owned()),
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
                "show the plan for it: matenv plan ENV --hardware FILE; install it on a machine of that platform"
                    .to_owned(),
            ),
            InstallError::Checkout(error) => error.into(),
            InstallError::DiskSpace(error) => error.into(),
            InstallError::Conda(error) => error.into(),
            InstallError::Uv(error) => error.into(),
            InstallError::Pypi(error) => error.into(),
            InstallError::Lock(error) => error.into(),
            InstallError::Locked(error) => error.into(),
            InstallError::Safeguard(error) => error.into(),
            InstallError::Store(error) => error.into(),
            InstallError::Audit(error) => error.into(),
            error @ InstallError::Preload(_) => Self::new(&error, "preload::write", Exit::Machine, DISK.to_owned()),
            InstallError::Verify(error) => error.into(),
            InstallError::Bench(error) => error.into(),
            InstallError::Certificate(error) => error.into(),
            InstallError::ReadRecord { ref typed, .. } => Self::new(
                &error,
                "install::plan_record",
                Exit::Integrity,
                format!("install it again: matenv install {typed} --force"),
            ),
            InstallError::Records(_) => Self::new(&error, "install::records", Exit::Machine, DISK.to_owned()),
        }
    }
}
