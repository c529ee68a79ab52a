//! Where packages and programs come from.

use super::super::{Exit, Failure, error::DISK};
use crate::{
    context::sources::SourceName,
    lock::{Disagreement, Fault},
    manifest::checkout::CheckoutError,
    packages::{
        conda::{CondaError, host_python::HostPythonError},
        pypi::{PypiError, UvError},
    },
};

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
                format!("name a URL: --mirror {source_name}=https://…"),
            ),
            PypiError::Conflict { .. } => (
                "pypi::conflict",
                Exit::Unresolvable,
                "change the requirement that is named above, in matenv.toml or in the manifest: --manifest-dir DIR"
                    .to_owned(),
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
            PypiError::Disagree(error) => {
                let (code, help) = disagreement(error);
                (code, Exit::Unresolvable, help)
            }
            PypiError::TorchUnfit { .. } => (
                "pypi::torch_unfit",
                Exit::Unresolvable,
                "reach the torch index, or a mirror of it: --mirror torch=URL; or take the processor: --profile cpu"
                    .to_owned(),
            ),
            PypiError::Integrity { source_name, .. } => (
                "pypi::integrity",
                Exit::Integrity,
                format!(
                    "the index serves another file than it lists or the lock names: name another mirror: --mirror {source_name}=URL"
                ),
            ),
            PypiError::Fetch { source_name, .. } => (
                "pypi::fetch",
                Exit::Unreachable,
                format!("try again: what arrived whole is kept; or name a mirror: --mirror {source_name}=URL"),
            ),
            PypiError::Damaged { source_name, .. } => (
                "pypi::damaged",
                Exit::Integrity,
                format!(
                    "the index or the way to it cuts files: try again, or name another mirror: --mirror {source_name}=URL"
                ),
            ),
            PypiError::AlteredOffline { .. } => (
                "pypi::altered_offline",
                Exit::Integrity,
                "the same command without --offline".to_owned(),
            ),
            PypiError::AlteredKept { .. } => (
                "pypi::altered_kept",
                Exit::Machine,
                "make the folder writable, or take another: UV_CACHE_DIR=DIR".to_owned(),
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

/// Code and help of an index that does not answer, or may not be asked.
fn unreachable(source: SourceName, offline: bool) -> (&'static str, String) {
    if offline {
        let help = "once without --offline fills uv's cache; or name a cache that has it: UV_CACHE_DIR=FOLDER";
        return ("pypi::not_cached", help.to_owned());
    }
    let more = match source {
        SourceName::Nvidia => "or do without TensorRT: --profile gpu, in a lab without gpu-trt in its profiles",
        SourceName::Torch => {
            "and one of the host of its files: --mirror https://HOST=URL; behind a proxy set HTTPS_PROXY"
        }
        SourceName::Pypi | SourceName::CondaForge => "behind a proxy set HTTPS_PROXY or PIP_INDEX_URL",
    };
    let joint = if source == SourceName::Torch { "," } else { ";" };
    (
        "pypi::unreachable",
        format!("name a mirror: --mirror {source}=URL{joint} {more}"),
    )
}

/// Code and help of wheels that contradict each other.
fn disagreement(error: &Disagreement) -> (&'static str, String) {
    let code = match error.fault {
        Fault::TwoOnnxRuntimes => "pypi::two_onnxruntimes",
        Fault::TwoNccl => "pypi::two_nccl",
        Fault::OtherNccl => "pypi::other_nccl",
        Fault::TwoCudaMajors => "pypi::two_cuda_majors",
        Fault::OtherTensorRt { .. } => "pypi::other_tensorrt",
        Fault::TorchPair => {
            let help = "name a torch index that has both: --mirror torch=URL";
            return ("pypi::torch_pair", help.to_owned());
        }
    };
    let (first, second) = (&error.first.name, &error.second.name);
    let help = format!("take what asks for {first} or for {second} out of the manifest: --manifest-dir DIR");
    (code, help)
}
