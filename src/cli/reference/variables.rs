//! The variables that matenv reads, sets and keeps away, and their page.

use crate::{
    packages::pypi::environment::ALLOWED,
    process::{FOREIGN, FOREIGN_PREFIXES},
};

/// A variable that matenv reads or sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What for.
    pub group: Group,
    /// What it does, a sentence.
    pub does: &'static str,
}

/// What a variable is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// matenv's own.
    Matenv,
    /// Where things lie.
    Places,
    /// How sources are reached.
    Sources,
    /// What the machine is.
    Machine,
    /// Where conda and other Pythons are looked for.
    Neighbours,
    /// What may come between a shell and an environment.
    Suspected,
    /// Set for programs of an environment.
    Inside,
}

use Group::{Inside, Machine, Matenv, Neighbours, Places, Sources, Suspected};

const fn variable(name: &'static str, group: Group, does: &'static str) -> Variable {
    Variable { name, group, does }
}

/// Every variable by name. What is passed to uv and kept from programs stands beside the code that does it.
pub const VARIABLES: &[Variable] = &[
    variable(
        "MATENV_HOME",
        Matenv,
        "Folder of the store, links, state and tools; `~/.matenv` if unset.",
    ),
    variable(
        "MATENV_UV",
        Matenv,
        "The uv to use, instead of one on PATH or the pinned one.",
    ),
    variable(
        "CUDA_VISIBLE_DEVICES",
        Machine,
        "The NVIDIA GPUs that CUDA programs see; an empty one hides all.",
    ),
    variable(
        "CONDA_OVERRIDE_CUDA",
        Machine,
        "The CUDA version to plan for, whatever the driver says; an empty one means no CUDA.",
    ),
    variable(
        "SLURM_*",
        Machine,
        "A job of that batch system; PBS_*, LSB_* and SGE_* likewise.",
    ),
    variable(
        "container",
        Machine,
        "The kind of container, where an engine says it; APPTAINER_* and SINGULARITY_* likewise.",
    ),
    variable("KUBERNETES_SERVICE_HOST", Machine, "Set in containers of Kubernetes."),
    variable("ProgramFiles", Machine, "`nvidia-smi` is looked for in it on Windows."),
    variable(
        "SOURCE_DATE_EPOCH",
        Matenv,
        "Seconds since 1970: the time that `matenv export --format cyclonedx` writes down; none if unset.",
    ),
    variable("NO_COLOR", Matenv, "No colour, as with `--color never`."),
    variable(
        "HOME",
        Places,
        "The user's home: the conda door and `~/.matenv` lie below it.",
    ),
    variable("USERPROFILE", Places, "The same on Windows, where HOME is unset."),
    variable(
        "RATTLER_CACHE_DIR",
        Places,
        "Cache of conda packages, shared with pixi and others.",
    ),
    variable("UV_CACHE_DIR", Places, "Cache of wheels, shared with uv."),
    variable(
        "XDG_CACHE_HOME",
        Places,
        "Folder of both caches, where they have no variable of their own.",
    ),
    variable(
        "XDG_CONFIG_HOME",
        Places,
        "Folder of the configuration of pip, uv and conda; `~/.config` if unset.",
    ),
    variable(
        "XDG_DATA_HOME",
        Places,
        "Folder of menu entries on Linux; `~/.local/share` if unset.",
    ),
    variable(
        "LOCALAPPDATA",
        Places,
        "Folder of the caches on Windows; Pythons and condas are looked for in it.",
    ),
    variable(
        "APPDATA",
        Places,
        "Folder of pip's configuration and of the Start menu on Windows.",
    ),
    variable("UV_DEFAULT_INDEX", Sources, "The machine's PyPI, read first."),
    variable("UV_INDEX_URL", Sources, "The machine's PyPI, read second."),
    variable("PIP_INDEX_URL", Sources, "The machine's PyPI, read third."),
    variable(
        "PIP_CONFIG_FILE",
        Sources,
        "pip's configuration, which may name the machine's PyPI.",
    ),
    variable(
        "HTTPS_PROXY",
        Sources,
        "Proxy for `https://`; HTTP_PROXY and ALL_PROXY likewise.",
    ),
    variable("NO_PROXY", Sources, "Hosts that are asked without a proxy."),
    variable(
        "SSL_CERT_FILE",
        Sources,
        "Certificates to trust; SSL_CERT_DIR for a folder of them.",
    ),
    variable(
        "PIP_CERT",
        Sources,
        "Certificates to trust where SSL_CERT_FILE is unset, for wheels.",
    ),
    variable(
        "RATTLER_AUTH_FILE",
        Sources,
        "Credentials of conda channels; `~/.netrc` counts as well.",
    ),
    variable("PATH", Neighbours, "uv, CPythons and conda are looked for in it."),
    variable("PYENV_ROOT", Neighbours, "pyenv's CPythons are looked for in it."),
    variable(
        "CONDA_ENVS_DIRS",
        Neighbours,
        "Folders in which conda looks for environments by name.",
    ),
    variable("CONDA_ENVS_PATH", Neighbours, "The same, an older name."),
    variable(
        "PYTHONUSERBASE",
        Neighbours,
        "Where the user's own Python packages lie; `doctor` looks whether they come before an environment's.",
    ),
    variable(
        "CONDARC",
        Neighbours,
        "conda's configuration, which may name such folders.",
    ),
    variable(
        "CONDA_EXE",
        Neighbours,
        "Names a conda whose environments may have the same name.",
    ),
    variable("MAMBA_EXE", Neighbours, "The same for mamba."),
    variable("CONDA_ROOT", Neighbours, "The base of a conda."),
    variable("_CONDA_ROOT", Neighbours, "The base of a conda."),
    variable("MAMBA_ROOT_PREFIX", Neighbours, "The base of a mamba or micromamba."),
    variable(
        "CONDA_OVERRIDE_*",
        Neighbours,
        "Versions of virtual packages that replace the detected ones.",
    ),
    variable(
        "LD_LIBRARY_PATH",
        Suspected,
        "Folders of libraries that come before an environment's; on a Mac `DYLD_LIBRARY_PATH` and `DYLD_FALLBACK_LIBRARY_PATH`.",
    ),
    variable(
        "LD_PRELOAD",
        Suspected,
        "Libraries that every program loads first; on a Mac `DYLD_INSERT_LIBRARIES`.",
    ),
    variable(
        "PYTHONPATH",
        Suspected,
        "Folders of packages that come before an environment's.",
    ),
    variable("PYTHONHOME", Suspected, "Another place for Python's own library."),
    variable("QT_PLUGIN_PATH", Suspected, "Plugins of another Qt."),
    variable("QT_QPA_PLATFORM_PLUGIN_PATH", Suspected, "Its platform plugins."),
    variable("VIRTUAL_ENV", Suspected, "A virtual environment that is activated."),
    variable(
        "ORT_DISABLE_TELEMETRY",
        Inside,
        "1: ONNX Runtime sends and writes no telemetry.",
    ),
    variable(
        "PYTHONNOUSERSITE",
        Inside,
        "1: Python leaves the user's own packages aside.",
    ),
    variable("CONDA_PREFIX", Inside, "The generation's folder."),
    variable("CONDA_DEFAULT_ENV", Inside, "Name of the environment."),
    variable(
        "CONDA_SHLVL",
        Inside,
        "1, so that `conda deactivate` finds its way back.",
    ),
    variable(
        "MATENV_MODEL_DIR",
        Inside,
        "For smoke tests: the trained model of `--model-dir`.",
    ),
    variable(
        "MATENV_WORK_DIR",
        Inside,
        "For probes and smoke tests: a folder that is removed afterwards.",
    ),
];

pub(super) fn page() -> String {
    let mut page = vec![
        "# Environment variables\n\nVariables are read once, when matenv starts; an empty one counts as unset, where \
         nothing else is said.\n"
            .to_owned(),
    ];
    for (group, heading) in [
        (Matenv, "matenv's own"),
        (Places, "Where things lie"),
        (Sources, "How sources are reached"),
        (Machine, "What this machine is"),
        (Neighbours, "Where other Pythons and condas are looked for"),
        (Suspected, "Looked at by `matenv doctor`, which tries what they do"),
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
        "\n## Kept from programs of an environment\n\nThey belong to other programs, and are unset in `run`, `launch`, \
         probes and benchmarks: {}, and all that begin with one of {}.\n",
        listed(FOREIGN),
        listed(FOREIGN_PREFIXES),
    ));
    page.push(format!(
        "\n## Passed to uv\n\nOf the `UV_*` and `PIP_*` variables uv gets these, and `UV_INDEX_*_USERNAME` and \
         `UV_INDEX_*_PASSWORD`; every other would change what is resolved: {}.\n",
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

    /// Names that are read in a text of Rust: `.path("NAME")`, `.text("NAME")`, `.get("NAME")`, `.as_set("NAME")`.
    fn read_in(text: &str) -> Vec<&str> {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        [".path(\"", ".text(\"", ".get(\"", ".as_set(\""]
            .iter()
            .flat_map(|call| code.split(call).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|name| name.len() > 3 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
            .collect()
    }

    fn sources_below(folder: &Path, texts: &mut Vec<String>) {
        for entry in fs_err::read_dir(folder).expect("read").flatten() {
            let path = entry.path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                sources_below(&path, texts);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                texts.push(fs_err::read_to_string(&path).expect("read"));
            }
        }
    }

    #[test]
    fn every_variable_that_is_read_by_name_is_in_the_table() {
        let mut texts = Vec::new();
        sources_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
        let read: Vec<&str> = texts.iter().flat_map(|text| read_in(text)).collect();
        assert!(
            read.contains(&"MATENV_HOME") && read.contains(&"PYENV_ROOT"),
            "{read:?}"
        );
        for name in read {
            assert!(
                VARIABLES.iter().any(|variable| variable.name == name),
                "{name} is read: add it to src/reference/variables.rs"
            );
        }
    }
}
