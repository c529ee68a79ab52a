//! The one place where errors meet exit codes and help lines. No `_` arm: a new variant has to choose.

use super::{Exit, Failure, error::DISK};
use crate::{
    audit::AuditError,
    bench::BenchError,
    checkout::CheckoutError,
    conda::{CondaError, host_python::HostPythonError},
    install::{InstallError, RoomError},
    launch::LaunchError,
    lock::LockError,
    manifest::ManifestError,
    menu::MenuError,
    plan::PlanError,
    pypi::{PypiError, UvError},
    report::CertificateError,
    settings::SettingsError,
    store::StoreError,
    toml_file::TomlFile,
    verify::VerifyError,
};

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let (code, exit, help) = match &error {
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
            SettingsError::Syntax { path, text, source } => {
                let toml = TomlFile::new(path, text).error(source.span(), source.message());
                return Self::toml(&toml, "settings::syntax");
            }
            SettingsError::Mirror { path, .. } => (
                "settings::mirror",
                Exit::Usage,
                format!("mend [mirrors] in {}: SOURCE = \"TARGET\"", path.display()),
            ),
        };
        Self::new(&error, code, exit, help)
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
            PlanError::Unsupported { .. } => ("plan::unsupported", "take the one that runs everywhere: --profile cpu"),
            PlanError::Platform { .. } => ("plan::platform", "use Linux, macOS or Windows on x86-64 or arm64"),
        };
        Self::new(&error, code, Exit::Unsupported, help.to_owned())
    }
}

impl From<CondaError> for Failure {
    fn from(error: CondaError) -> Self {
        let (code, exit, help) = match &error {
            CondaError::Unreachable { channel, .. } => (
                "conda::unreachable",
                Exit::Unreachable,
                format!("name a mirror: --mirror {channel}=URL; or let this machine's Python stand in: leave --strict and --no-host-python out"),
            ),
            CondaError::Unauthorized { channel } => (
                "conda::unauthorized",
                Exit::Unreachable,
                format!("put the credentials for {channel} into ~/.netrc, or: rattler auth login HOST"),
            ),
            CondaError::Url { channel, .. } => (
                "conda::url",
                Exit::Usage,
                format!("name a URL: --mirror {channel}=https://…"),
            ),
            CondaError::Records { channel, .. } => (
                "conda::records",
                Exit::Unreachable,
                format!("try again, or name a mirror: --mirror {channel}=URL"),
            ),
            CondaError::Unsolvable { .. } => (
                "conda::unsolvable",
                Exit::Unresolvable,
                "loosen the manifest's conda packages or its Python, then type the same command again".to_owned(),
            ),
            CondaError::Spec { .. } => (
                "conda::spec",
                Exit::Usage,
                "mend the manifest's conda packages".to_owned(),
            ),
            CondaError::Date { .. } => (
                "conda::date",
                Exit::Usage,
                "write a date: --exclude-newer 2026-11-01".to_owned(),
            ),
            CondaError::VirtualPackages(_) => (
                "conda::virtual_packages",
                Exit::Machine,
                "look at the CONDA_OVERRIDE_* variables: each holds a version".to_owned(),
            ),
            CondaError::HostPython(HostPythonError::None { supported, .. }) => (
                "conda::no_python",
                Exit::Machine,
                format!("install a CPython {supported}, or name a channel that answers: --mirror conda-forge=URL"),
            ),
            CondaError::OnlyInChannel { .. } => (
                "conda::only_in_channel",
                Exit::Unreachable,
                "name a channel that answers: --mirror conda-forge=URL".to_owned(),
            ),
            CondaError::Damaged { .. } => (
                "conda::damaged",
                Exit::Integrity,
                "the channel or the way to it changes files: try again, or name another mirror: --mirror conda-forge=URL"
                    .to_owned(),
            ),
            CondaError::Fetch { .. } => (
                "conda::fetch",
                Exit::Unreachable,
                "try again: what arrived is kept; or name a mirror: --mirror conda-forge=URL".to_owned(),
            ),
            CondaError::Cache { .. } => ("conda::cache", Exit::Machine, DISK.to_owned()),
            CondaError::Link { .. } | CondaError::Io(_) | CondaError::Pack(_) => {
                ("conda::link", Exit::Machine, DISK.to_owned())
            }
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<UvError> for Failure {
    fn from(error: UvError) -> Self {
        let (code, exit, help) = match &error {
            UvError::OutOfRange { .. } | UvError::NotUv { .. } => (
                "uv::out_of_range",
                Exit::Usage,
                "unset MATENV_UV: matenv fetches the uv that it needs",
            ),
            UvError::Fetch { .. } => (
                "uv::fetch",
                Exit::Unreachable,
                "install uv yourself and name it: MATENV_UV=/path/to/uv",
            ),
            UvError::Disk { .. } | UvError::Io(_) => ("uv::io", Exit::Machine, DISK),
        };
        Self::new(&error, code, exit, help.to_owned())
    }
}

impl From<PypiError> for Failure {
    fn from(error: PypiError) -> Self {
        let (code, exit, help) = match &error {
            PypiError::Unreachable { source_name, .. } => (
                "pypi::unreachable",
                Exit::Unreachable,
                format!("name a mirror: --mirror {source_name}=URL; behind a proxy set HTTPS_PROXY or PIP_INDEX_URL"),
            ),
            PypiError::Unauthorized { source_name } => (
                "pypi::unauthorized",
                Exit::Unreachable,
                format!("put the credentials for {source_name} into ~/.netrc"),
            ),
            PypiError::Url { source_name, .. } => (
                "pypi::url",
                Exit::Usage,
                format!("name a URL: --mirror {source_name}=https://…"),
            ),
            PypiError::Conflict { .. } => (
                "pypi::conflict",
                Exit::Unresolvable,
                "change the requirement that is named above in the manifest: --manifest-dir DIR".to_owned(),
            ),
            PypiError::ExtraMissing { package, extra, .. } => (
                "pypi::extra_missing",
                Exit::Unresolvable,
                format!("raise the floor of `{package}` in the manifest to a release that has `{extra}`"),
            ),
            PypiError::FloorUndercut { .. } | PypiError::Absent { .. } => (
                "pypi::floor",
                Exit::Unresolvable,
                "the index lacks releases that the manifest needs: name another: --mirror pypi=URL".to_owned(),
            ),
            PypiError::WrongBackend { source_name, .. } => (
                "pypi::wrong_backend",
                Exit::Unresolvable,
                format!("the mirror of `{source_name}` serves another build: mend it, or: --mirror torch=pypi"),
            ),
            PypiError::TwoOnnxRuntimes { first, second } => (
                "pypi::two_onnxruntimes",
                Exit::Unresolvable,
                format!("take `{first}` or `{second}` out of the manifest"),
            ),
            PypiError::Integrity { .. } => (
                "pypi::integrity",
                Exit::Integrity,
                "the index lists another file than it serves: name another mirror: --mirror pypi=URL".to_owned(),
            ),
            PypiError::Fetch { .. } => (
                "pypi::fetch",
                Exit::Unreachable,
                "try again: what arrived whole is kept; or name a mirror: --mirror pypi=URL".to_owned(),
            ),
            PypiError::Damaged { .. } => (
                "pypi::damaged",
                Exit::Integrity,
                "the index or the way to it cuts files: try again, or name another mirror: --mirror pypi=URL"
                    .to_owned(),
            ),
            PypiError::Disk { .. } => ("pypi::disk", Exit::Machine, DISK.to_owned()),
            PypiError::NotStartable { prefix, .. } => (
                "pypi::not_startable",
                Exit::Machine,
                format!(
                    "is its disk mounted noexec? findmnt --target '{}'; choose one that may execute: MATENV_HOME=DIR",
                    prefix.parent().unwrap_or(prefix).display()
                ),
            ),
            PypiError::Answer(_) | PypiError::Uv { .. } => (
                "pypi::uv",
                Exit::Unresolvable,
                "see what uv says: the same command with -vv".to_owned(),
            ),
            PypiError::Io(_) => ("pypi::io", Exit::Machine, DISK.to_owned()),
        };
        Self::new(&error, code, exit, help)
    }
}

impl From<CheckoutError> for Failure {
    fn from(error: CheckoutError) -> Self {
        let (code, exit, help) = match &error {
            CheckoutError::NotAsked { env } => (
                "source::not_asked",
                Exit::Usage,
                format!("make it too: matenv install {env} --source {env}=…"),
            ),
            CheckoutError::NotDeclared { .. } => (
                "source::not_declared",
                Exit::Usage,
                "add a [source] table to the manifest: --manifest-dir DIR".to_owned(),
            ),
            CheckoutError::NoFolder { .. } => (
                "source::no_folder",
                Exit::Usage,
                "name a folder, or a URL that git clones; a revision goes with a URL: --source ENV=file:///FOLDER@REV"
                    .to_owned(),
            ),
            CheckoutError::NotTheProgram { package, .. } => (
                "source::not_the_program",
                Exit::Usage,
                format!("name the top folder of a clone of {package}: --source ENV=FOLDER"),
            ),
            CheckoutError::Requirements { path, .. } => (
                "source::requirements",
                Exit::Usage,
                format!("mend {}, then type the same command again", path.display()),
            ),
            CheckoutError::Credentials { .. } => (
                "source::credentials",
                Exit::Usage,
                "leave it out and put it into ~/.netrc, or into git's own credential helper".to_owned(),
            ),
            CheckoutError::Twice { env } => ("source::twice", Exit::Usage, format!("name one: --source {env}=…")),
            CheckoutError::NoGit => (
                "source::no_git",
                Exit::Machine,
                "install git, or clone it elsewhere and name the folder: --source ENV=FOLDER".to_owned(),
            ),
            CheckoutError::Git { .. } => (
                "source::git",
                Exit::Unreachable,
                "try it by hand (git ls-remote URL), or name a folder: --source ENV=FOLDER".to_owned(),
            ),
            CheckoutError::Io(_) => ("source::io", Exit::Machine, DISK.to_owned()),
        };
        Self::new(&error, code, exit, help)
    }
}

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
            LockError::Damaged { .. } => (
                "lock::damaged",
                Exit::Integrity,
                "make the environment again: matenv install ENV --force",
            ),
        };
        Self::new(&error, code, exit, help.to_owned())
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
            StoreError::Start { .. } => (
                "run::start",
                Exit::Machine,
                "is the store on a filesystem that may execute (no noexec)?".to_owned(),
            ),
        };
        Self::new(&error, code, exit, help)
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
            InstallError::Checkout(error) => error.into(),
            InstallError::Room(error) => error.into(),
            InstallError::Conda(error) => error.into(),
            InstallError::Uv(error) => error.into(),
            InstallError::Pypi(error) => error.into(),
            InstallError::Lock(error) => error.into(),
            InstallError::Store(error) => error.into(),
            InstallError::Audit(error) => error.into(),
            InstallError::Verify(error) => error.into(),
            InstallError::Bench(error) => error.into(),
            InstallError::Certificate(error) => error.into(),
            InstallError::Records(_) => Self::new(&error, "install::records", Exit::Machine, DISK.to_owned()),
        }
    }
}
