//! Errors of the sources that packages and programs come from.

use super::super::{Exit, Failure, error::DISK};
use crate::{
    context::sources::SourceName,
    lock::{Fault, WheelConflict},
    manifest::checkout::CheckoutError,
    packages::{
        conda::{CondaError, Problem, UnsafePackage, host_python::HostPythonError},
        pypi::{PypiError, UvError},
    },
};

impl From<CondaError> for Failure {
    fn from(error: CondaError) -> Self {
        let (code, exit, help) = match &error {
            CondaError::Unreachable { channel, .. } => (
                "conda::unreachable",
                Exit::Unreachable,
                format!(
                    "use a mirror: --mirror {channel}=URL; or use this machine's Python: omit --strict and --no-host-python"
                ),
            ),
            CondaError::Unauthorized { channel } => (
                "conda::unauthorized",
                Exit::Unreachable,
                format!("put the credentials for {channel} into ~/.netrc, or: rattler auth login HOST"),
            ),
            CondaError::Url { channel, .. } => (
                "conda::url",
                Exit::Usage,
                format!("pass a URL: --mirror {channel}=https://…"),
            ),
            CondaError::Records { channel, .. } => (
                "conda::records",
                Exit::Unreachable,
                format!("try again, or use a mirror: --mirror {channel}=URL"),
            ),
            CondaError::Unsolvable { .. } => (
                "conda::unsolvable",
                Exit::Unresolvable,
                "widen the version bounds of the manifest's conda packages or Python, then run the command again"
                    .to_owned(),
            ),
            CondaError::Spec { .. } => (
                "conda::spec",
                Exit::Usage,
                "fix the manifest's conda packages".to_owned(),
            ),
            CondaError::Date { .. } => (
                "conda::date",
                Exit::Usage,
                "write a date: --exclude-newer 2026-11-01".to_owned(),
            ),
            CondaError::VirtualPackages(_) => (
                "conda::virtual_packages",
                Exit::Machine,
                "check the CONDA_OVERRIDE_* variables: each must be a version".to_owned(),
            ),
            CondaError::HostPython(HostPythonError::None { supported, .. }) => (
                "conda::no_python",
                Exit::Machine,
                format!("install a CPython {supported}, or use a channel that answers: --mirror conda-forge=URL"),
            ),
            CondaError::OnlyInChannel { .. } => (
                "conda::only_in_channel",
                Exit::Unreachable,
                "use a channel that answers: --mirror conda-forge=URL".to_owned(),
            ),
            CondaError::UnsafePackage(UnsafePackage {
                problem: Problem::NoHash,
                ..
            }) => (
                "conda::unhashed",
                Exit::Integrity,
                "use a mirror that lists hashes: --mirror conda-forge=URL; or install it nevertheless: --allow-unhashed"
                    .to_owned(),
            ),
            CondaError::UnsafePackage(_) => (
                "conda::unsafe_package",
                Exit::Integrity,
                "use another mirror: --mirror conda-forge=URL; or exclude the release by its date: --exclude-newer \
                 DATE; and report the package to its channel. Nothing of it was linked"
                    .to_owned(),
            ),
            CondaError::Damaged { .. } => (
                "conda::damaged",
                Exit::Integrity,
                "try again, or use another mirror: --mirror conda-forge=URL; the channel or a proxy changes its files"
                    .to_owned(),
            ),
            CondaError::Fetch { .. } => (
                "conda::fetch",
                Exit::Unreachable,
                "try again: finished downloads are kept; or use a mirror: --mirror conda-forge=URL".to_owned(),
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
                "unset MATENV_UV: matenv then downloads the uv that it needs",
            ),
            UvError::Fetch { .. } => (
                "uv::fetch",
                Exit::Unreachable,
                "install uv yourself, then set: MATENV_UV=/path/to/uv",
            ),
            UvError::Disk { .. } | UvError::Io(_) => ("uv::io", Exit::Machine, DISK),
        };
        Self::new(&error, code, exit, help.to_owned())
    }
}

const KILLED: &str = "run the command again; if memory is low (free -h), end other programs first";
const UNSAFE: &str = "use another index: --mirror pypi=URL; or exclude the release by its date: --exclude-newer DATE; or \
                      by a bound in the manifest; and report the package to its index. Nothing of it was run";
const NOT_CACHED: &str = "run the command again: the wheels are then downloaded";

impl From<PypiError> for Failure {
    fn from(error: PypiError) -> Self {
        let (code, exit, help) = match &error {
            PypiError::Unreachable { source_name, .. } => {
                let (code, help) = unreachable(*source_name, error.is_offline());
                (code, Exit::Unreachable, help)
            }
            PypiError::Unauthorized { source_name } => (
                "pypi::unauthorized",
                Exit::Unreachable,
                format!("put the credentials for {source_name} into ~/.netrc"),
            ),
            PypiError::Url { source_name, .. } => (
                "pypi::url",
                Exit::Usage,
                format!("pass a URL: --mirror {source_name}=https://…"),
            ),
            PypiError::Conflict { .. } => (
                "pypi::conflict",
                Exit::Unresolvable,
                "change the requirement above, in matenv.toml or in the manifest: --manifest-dir DIR".to_owned(),
            ),
            PypiError::ExtraMissing { package, extra, .. } => (
                "pypi::extra_missing",
                Exit::Unresolvable,
                format!("raise the lower bound of `{package}` in the manifest to a release that has `{extra}`"),
            ),
            PypiError::FloorUndercut { .. } | PypiError::Absent { .. } => (
                "pypi::lower_bound",
                Exit::Unresolvable,
                "use an index that has the releases that the manifest requires: --mirror pypi=URL".to_owned(),
            ),
            PypiError::WrongBackend { source_name, .. } => (
                "pypi::wrong_backend",
                Exit::Unresolvable,
                format!(
                    "fix the mirror of `{source_name}`, which serves another build; or use PyPI: --mirror torch=pypi"
                ),
            ),
            PypiError::Disagree(error) => {
                let (code, help) = disagreement(error);
                (code, Exit::Unresolvable, help)
            }
            PypiError::TorchUnfit { .. } => (
                "pypi::torch_unfit",
                Exit::Unresolvable,
                "use the torch index or a mirror of it: --mirror torch=URL; or use the CPU: --profile cpu".to_owned(),
            ),
            PypiError::Integrity { source_name, .. } => (
                "pypi::integrity",
                Exit::Integrity,
                format!(
                    "use another mirror: --mirror {source_name}=URL; this index serves a file that differs from its listing or from the lock"
                ),
            ),
            PypiError::UnsafePackage(_) | PypiError::Refused { .. } => {
                ("pypi::unsafe_package", Exit::Integrity, UNSAFE.to_owned())
            }
            PypiError::Fetch { source_name, .. } => (
                "pypi::fetch",
                Exit::Unreachable,
                format!("try again: finished downloads are kept; or use a mirror: --mirror {source_name}=URL"),
            ),
            PypiError::Damaged { source_name, .. } => (
                "pypi::damaged",
                Exit::Integrity,
                format!(
                    "try again, or use another mirror: --mirror {source_name}=URL; the index or a proxy truncates its files"
                ),
            ),
            PypiError::AlteredOffline { .. } => (
                "pypi::altered_offline",
                Exit::Integrity,
                "run the command again without --offline".to_owned(),
            ),
            PypiError::AlteredKept { .. } => (
                "pypi::altered_kept",
                Exit::Machine,
                "make the folder writable, or use another: UV_CACHE_DIR=DIR".to_owned(),
            ),
            PypiError::Disk { .. } => ("pypi::disk", Exit::Machine, DISK.to_owned()),
            PypiError::NotStartable { prefix, .. } => (
                "pypi::not_startable",
                Exit::Machine,
                format!(
                    "check whether its disk is mounted noexec: findmnt --target '{}'; or use another disk: MATENV_HOME=DIR",
                    prefix.parent().unwrap_or(prefix).display()
                ),
            ),
            PypiError::Killed { .. } => ("pypi::killed", Exit::Machine, KILLED.to_owned()),
            PypiError::NotCached => ("pypi::not_cached", Exit::Unreachable, NOT_CACHED.to_owned()),
            PypiError::Answer(_) | PypiError::Uv { .. } => (
                "pypi::uv",
                Exit::Unresolvable,
                "see uv's output: run the command again with -vv".to_owned(),
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
                "source::not_selected",
                Exit::Usage,
                format!("install it too: matenv install {env} --source {env}=…"),
            ),
            CheckoutError::NotDeclared { .. } => (
                "source::not_declared",
                Exit::Usage,
                "add a [source] table to the manifest: --manifest-dir DIR".to_owned(),
            ),
            CheckoutError::NoFolder { .. } => (
                "source::no_folder",
                Exit::Usage,
                "pass a folder, or a URL that git can clone; only a URL can have a revision: --source ENV=file:///FOLDER@REV"
                    .to_owned(),
            ),
            CheckoutError::NotTheProgram { package, .. } => (
                "source::not_the_program",
                Exit::Usage,
                format!("pass the top folder of a clone of {package}: --source ENV=FOLDER"),
            ),
            CheckoutError::Requirements { path, .. } => (
                "source::requirements",
                Exit::Usage,
                format!("fix {}, then run the command again", path.display()),
            ),
            CheckoutError::Credentials { .. } => (
                "source::credentials",
                Exit::Usage,
                "remove it from the URL, and put it into ~/.netrc (machine HOST login USER password TOKEN) or into git's credential helper: git credential approve"
                    .to_owned(),
            ),
            CheckoutError::Twice { env } => ("source::twice", Exit::Usage, format!("pass one: --source {env}=…")),
            CheckoutError::NoGit => (
                "source::no_git",
                Exit::Machine,
                "install git, or clone it on another machine and pass the folder: --source ENV=FOLDER".to_owned(),
            ),
            CheckoutError::Git { .. } => (
                "source::git",
                Exit::Unreachable,
                "test the URL (git ls-remote URL), or pass a folder: --source ENV=FOLDER".to_owned(),
            ),
            CheckoutError::Io(_) => ("source::io", Exit::Machine, DISK.to_owned()),
        };
        Self::new(&error, code, exit, help)
    }
}

/// Returns the code and the help of an index that does not answer, or that `--offline` excludes.
fn unreachable(source: SourceName, offline: bool) -> (&'static str, String) {
    if offline {
        let help = "run the command once without --offline to fill uv's cache; or use a cache that has it: UV_CACHE_DIR=FOLDER";
        return ("pypi::not_cached", help.to_owned());
    }
    let more = match source {
        SourceName::Nvidia => "or omit TensorRT: --profile gpu, in a lab without gpu-trt in its profiles",
        SourceName::Torch => {
            "and a mirror for the host of its files: --mirror https://HOST=URL; behind a proxy set HTTPS_PROXY"
        }
        SourceName::Pypi | SourceName::CondaForge => "behind a proxy set HTTPS_PROXY or PIP_INDEX_URL",
    };
    let joint = if source == SourceName::Torch { "," } else { ";" };
    (
        "pypi::unreachable",
        format!("use a mirror: --mirror {source}=URL{joint} {more}"),
    )
}

/// Returns the code and the help of wheels that contradict each other.
fn disagreement(error: &WheelConflict) -> (&'static str, String) {
    let code = match error.fault {
        Fault::TwoOnnxRuntimes => "pypi::two_onnxruntimes",
        Fault::TwoNccl => "pypi::two_nccl",
        Fault::OtherNccl => "pypi::other_nccl",
        Fault::TwoCudaMajors => "pypi::two_cuda_majors",
        Fault::OtherTensorRt { .. } => "pypi::other_tensorrt",
        Fault::TorchPair => {
            let help = "use a torch index that has both: --mirror torch=URL";
            return ("pypi::torch_pair", help.to_owned());
        }
    };
    let (first, second) = (&error.first.name, &error.second.name);
    let help = format!("remove the requirement that needs {first} or {second} from the manifest: --manifest-dir DIR");
    (code, help)
}
