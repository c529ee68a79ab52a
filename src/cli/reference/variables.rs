//! The environment variables that matenv reads, sets or unsets, and their page.

use crate::{
    packages::pypi::environment::ALLOWED,
    process::{FOREIGN, FOREIGN_PREFIXES},
};

/// A variable that matenv reads or sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// The section of the page.
    pub group: Group,
    /// The effect, as a sentence.
    pub does: &'static str,
}

/// A section of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Settings of matenv itself.
    Matenv,
    /// Files and folders.
    Folders,
    /// Package sources: indexes, proxies, certificates.
    Sources,
    /// Facts about the machine.
    Machine,
    /// Other installations of conda and Python.
    OtherPythons,
    /// Variables that can break an environment, checked by `matenv doctor`.
    Checked,
    /// Variables that matenv sets for programs of an environment.
    Inside,
}

use Group::{Checked, Folders, Inside, Machine, Matenv, OtherPythons, Sources};

const fn variable(name: &'static str, group: Group, does: &'static str) -> Variable {
    Variable { name, group, does }
}

/// All variables except those that are passed to uv or unset for programs: the code that does so lists them.
pub const VARIABLES: &[Variable] = &[
    variable(
        "MATENV_HOME",
        Matenv,
        "Folder of the store, links, state and tools. Default: `~/.matenv`.",
    ),
    variable(
        "MATENV_UV",
        Matenv,
        "The uv program to use, instead of uv on PATH or the pinned one.",
    ),
    variable(
        "CUDA_VISIBLE_DEVICES",
        Machine,
        "The NVIDIA GPUs that CUDA programs see. An empty value hides all of them.",
    ),
    variable(
        "CONDA_OVERRIDE_CUDA",
        Machine,
        "The CUDA version to plan for, instead of the driver's version. An empty value means no CUDA.",
    ),
    variable(
        "SLURM_*",
        Machine,
        "Shows that matenv runs in a job of that batch system. The same goes for PBS_*, LSB_* and SGE_*.",
    ),
    variable(
        "container",
        Machine,
        "The kind of container, if the container engine sets it. APPTAINER_* and SINGULARITY_* also show a container.",
    ),
    variable(
        "KUBERNETES_SERVICE_HOST",
        Machine,
        "Shows that matenv runs in a Kubernetes container.",
    ),
    variable(
        "ProgramFiles",
        Machine,
        "Folder in which matenv searches for `nvidia-smi` on Windows.",
    ),
    variable(
        "SOURCE_DATE_EPOCH",
        Matenv,
        "Seconds since 1970: the timestamp that `matenv export --format cyclonedx` writes. If unset, no timestamp is written.",
    ),
    variable("NO_COLOR", Matenv, "Turns colors off, like `--color never`."),
    variable(
        "HOME",
        Folders,
        "The user's home folder. It contains the conda link and `~/.matenv`.",
    ),
    variable(
        "USERPROFILE",
        Folders,
        "The user's home folder on Windows, if HOME is unset.",
    ),
    variable(
        "RATTLER_CACHE_DIR",
        Folders,
        "Cache of conda packages, shared with pixi and others.",
    ),
    variable("UV_CACHE_DIR", Folders, "Cache of wheels, shared with uv."),
    variable(
        "XDG_CACHE_HOME",
        Folders,
        "Folder of both caches, unless their own variables are set.",
    ),
    variable(
        "XDG_CONFIG_HOME",
        Folders,
        "Folder of the configuration of pip, uv and conda. Default: `~/.config`.",
    ),
    variable(
        "XDG_DATA_HOME",
        Folders,
        "Folder of menu entries on Linux. Default: `~/.local/share`.",
    ),
    variable(
        "LOCALAPPDATA",
        Folders,
        "Folder of the caches on Windows. matenv also searches it for Python and conda.",
    ),
    variable(
        "APPDATA",
        Folders,
        "Folder of pip's configuration and of the Start menu on Windows.",
    ),
    variable("UV_DEFAULT_INDEX", Sources, "The machine's PyPI index; first choice."),
    variable("UV_INDEX_URL", Sources, "The machine's PyPI index; second choice."),
    variable("PIP_INDEX_URL", Sources, "The machine's PyPI index; third choice."),
    variable(
        "PIP_CONFIG_FILE",
        Sources,
        "pip's configuration file, which can set the machine's PyPI index.",
    ),
    variable(
        "HTTPS_PROXY",
        Sources,
        "Proxy for `https://` addresses. HTTP_PROXY and ALL_PROXY work as well.",
    ),
    variable("NO_PROXY", Sources, "Hosts to contact without a proxy."),
    variable(
        "SSL_CERT_FILE",
        Sources,
        "File of certificates to trust. SSL_CERT_DIR is a folder of them.",
    ),
    variable(
        "PIP_CERT",
        Sources,
        "Certificates to trust for wheels, if SSL_CERT_FILE is unset.",
    ),
    variable(
        "RATTLER_AUTH_FILE",
        Sources,
        "Credentials for conda channels. `~/.netrc` is read as well.",
    ),
    variable(
        "PATH",
        OtherPythons,
        "Folders in which matenv searches for uv, Python and conda.",
    ),
    variable(
        "PYENV_ROOT",
        OtherPythons,
        "Folder in which matenv searches for Pythons of pyenv.",
    ),
    variable(
        "CONDA_ENVS_DIRS",
        OtherPythons,
        "Folders in which conda searches for environments by name.",
    ),
    variable("CONDA_ENVS_PATH", OtherPythons, "Older name of CONDA_ENVS_DIRS."),
    variable(
        "PYTHONUSERBASE",
        OtherPythons,
        "Folder of the user's own Python packages. `doctor` checks whether they override an environment's packages.",
    ),
    variable(
        "CONDARC",
        OtherPythons,
        "conda's configuration file, which can set such folders.",
    ),
    variable(
        "CONDA_EXE",
        OtherPythons,
        "Path of a conda program whose environments can have the same names.",
    ),
    variable(
        "MAMBA_EXE",
        OtherPythons,
        "Path of a mamba program, read like CONDA_EXE.",
    ),
    variable("CONDA_ROOT", OtherPythons, "Base folder of a conda installation."),
    variable("_CONDA_ROOT", OtherPythons, "Base folder of a conda installation."),
    variable(
        "MAMBA_ROOT_PREFIX",
        OtherPythons,
        "Base folder of a mamba or micromamba installation.",
    ),
    variable(
        "CONDA_OVERRIDE_*",
        OtherPythons,
        "Versions of conda's virtual packages, used instead of the detected ones.",
    ),
    variable(
        "LD_LIBRARY_PATH",
        Checked,
        "Folders of libraries that can override an environment's. On a Mac: `DYLD_LIBRARY_PATH` and `DYLD_FALLBACK_LIBRARY_PATH`.",
    ),
    variable(
        "LD_PRELOAD",
        Checked,
        "Libraries that every program loads first. On a Mac: `DYLD_INSERT_LIBRARIES`.",
    ),
    variable(
        "PYTHONPATH",
        Checked,
        "Folders of packages that override an environment's packages.",
    ),
    variable("PYTHONHOME", Checked, "Another folder for Python's standard library."),
    variable(
        "QT_PLUGIN_PATH",
        Checked,
        "Folders of Qt plugins, which can belong to another Qt.",
    ),
    variable(
        "QT_QPA_PLATFORM_PLUGIN_PATH",
        Checked,
        "Folders of Qt platform plugins, which can belong to another Qt.",
    ),
    variable("VIRTUAL_ENV", Checked, "The active virtual environment."),
    variable(
        "ORT_DISABLE_TELEMETRY",
        Inside,
        "Set to 1: ONNX Runtime sends and writes no telemetry.",
    ),
    variable(
        "PYTHONNOUSERSITE",
        Inside,
        "Set to 1: Python ignores the user's own packages.",
    ),
    variable("CONDA_PREFIX", Inside, "The folder of the generation."),
    variable("CONDA_DEFAULT_ENV", Inside, "The name of the environment."),
    variable("CONDA_SHLVL", Inside, "Set to 1, so that `conda deactivate` works."),
    variable(
        "MATENV_MODEL_DIR",
        Inside,
        "For smoke tests: the folder of the trained model, from `--model-dir`.",
    ),
    variable(
        "MATENV_WORK_DIR",
        Inside,
        "For probes and smoke tests: a temporary folder that is removed afterwards.",
    ),
];

pub(super) fn page() -> String {
    let mut page = vec![
        "# Environment variables\n\nmatenv reads these variables once, when it starts. An empty variable counts as unset, \
         unless this page says otherwise.\n"
            .to_owned(),
    ];
    for (group, heading) in [
        (Matenv, "Settings of matenv"),
        (Folders, "Files and folders"),
        (Sources, "Package sources"),
        (Machine, "This machine"),
        (OtherPythons, "Other installations of Python and conda"),
        (Checked, "Checked by `matenv doctor`, which tests their effect"),
        (Inside, "Set for programs of an environment"),
    ] {
        page.push(format!("\n## {heading}\n\n| variable | what it does |\n|---|---|\n"));
        page.extend(
            VARIABLES
                .iter()
                .filter(|variable| variable.group == group)
                .map(|variable| format!("| `{}` | {} |\n", variable.name, variable.does)),
        );
    }
    page.push(format!(
        "\n## Unset for programs of an environment\n\nThese variables belong to other programs. matenv unsets them in `run`, \
         `launch`, probes and benchmarks: {}, and all that start with one of {}.\n",
        listed(FOREIGN),
        listed(FOREIGN_PREFIXES),
    ));
    page.push(format!(
        "\n## Passed to uv\n\nOf the `UV_*` and `PIP_*` variables, matenv passes only these to uv, with `UV_INDEX_*_USERNAME` and \
         `UV_INDEX_*_PASSWORD`. All others could change what is resolved. Passed variables: {}.\n",
        listed(ALLOWED),
    ));
    page.concat()
}

fn listed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Returns the names that Rust source code reads: `.path("NAME")`, `.text("NAME")`, `.get("NAME")`, `.as_set("NAME")`.
    fn read_in(text: &str) -> Vec<&str> {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        [".path(\"", ".text(\"", ".get(\"", ".as_set(\""]
            .iter()
            .flat_map(|call| code.split(call).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|name| name.len() > 3 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
            .collect()
    }

    fn read_sources(folder: &Path, texts: &mut Vec<String>) {
        for entry in fs_err::read_dir(folder).expect("read").flatten() {
            let path = entry.path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                read_sources(&path, texts);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                texts.push(fs_err::read_to_string(&path).expect("read"));
            }
        }
    }

    #[test]
    fn every_variable_that_is_read_is_listed() {
        let mut texts = Vec::new();
        read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
        let read: Vec<&str> = texts.iter().flat_map(|text| read_in(text)).collect();
        assert!(
            read.contains(&"MATENV_HOME") && read.contains(&"PYENV_ROOT"),
            "{read:?}"
        );
        for name in read {
            assert!(
                VARIABLES.iter().any(|variable| variable.name == name),
                "{name} is read but not listed: add it to src/reference/variables.rs"
            );
        }
    }
}
