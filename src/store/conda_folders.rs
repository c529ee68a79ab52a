//! The folders other than `~/.conda/envs` in which conda looks for environments by name.
//!
//! Input: the user's condarc files and variables, and the usual folders of conda installations. Output: a list of
//! folders, each with whether conda searches it before `~/.conda/envs`. This module does not run `conda info`, which
//! takes a second or more.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::context::settings::Settings;
use crate::input::{self, Input};

/// A folder whose environments conda finds by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EnvsFolder {
    /// The folder.
    pub(super) path: PathBuf,
    /// Whether `-n NAME` prefers an environment in this folder to one in `~/.conda/envs`.
    pub(super) asked_first: bool,
}

/// Returns every such folder that may exist, in conda's search order.
pub(super) fn all(settings: &Settings) -> Vec<EnvsFolder> {
    let home = &settings.user_home;
    let bases = bases(settings);
    let mut folders = Vec::new();
    let mut add = |path: PathBuf, asked_first: bool| {
        if !folders.iter().any(|known: &EnvsFolder| known.path == path) {
            folders.push(EnvsFolder { path, asked_first });
        }
    };
    for name in ["CONDA_ENVS_DIRS", "CONDA_ENVS_PATH"] {
        if let Some(value) = settings.variables.get(name) {
            std::env::split_paths(value).for_each(|path| add(path, true));
        }
    }
    for file in condarcs(settings, &bases) {
        // Invalid YAML is ignored here: conda itself reports it.
        let text = input::read_text(&file, Input::Definition).unwrap_or_default();
        for folder in envs_dirs(&text) {
            let path = match folder.strip_prefix('~') {
                Some(rest) => home.join(rest.trim_start_matches(['/', '\\'])),
                None => PathBuf::from(folder),
            };
            add(path, true);
        }
    }
    for base in bases {
        // conda searches its own folder first if the user may write there. A shared one comes after the user's.
        let asked_first = may_write(&base);
        add(base.join("envs"), asked_first);
    }
    if let Some(folder) = settings.variables.path("LOCALAPPDATA") {
        add(folder.join("conda").join("conda").join("envs"), false);
    }
    folders
}

/// Returns the folders where conda, mamba and micromamba may be installed, from this user's variables and the usual
/// locations.
fn bases(settings: &Settings) -> Vec<PathBuf> {
    let mut bases = Vec::new();
    for name in ["CONDA_EXE", "MAMBA_EXE"] {
        // BASE/bin/conda or BASE\Scripts\conda.exe
        let program = settings.variables.path(name);
        bases.extend(program.and_then(|path| path.parent()?.parent().map(Path::to_owned)));
    }
    for name in ["CONDA_ROOT", "_CONDA_ROOT", "MAMBA_ROOT_PREFIX"] {
        bases.extend(settings.variables.path(name));
    }
    if let Some(search) = settings.variables.get("PATH") {
        let with_conda = std::env::split_paths(search).filter(|folder| folder.join("conda").is_file());
        bases.extend(with_conda.filter_map(|folder| folder.parent().map(Path::to_owned)));
    }
    for name in ["miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba"] {
        bases.push(settings.user_home.join(name));
        bases.push(Path::new("/opt").join(name));
    }
    bases.push(PathBuf::from("/opt/conda"));
    bases
}

/// Returns the configuration files that this user's conda reads.
fn condarcs(settings: &Settings, bases: &[PathBuf]) -> Vec<PathBuf> {
    let home = &settings.user_home;
    let config = settings
        .variables
        .path("XDG_CONFIG_HOME")
        .unwrap_or_else(|| home.join(".config"));
    let mut files: Vec<PathBuf> = settings.variables.path("CONDARC").into_iter().collect();
    files.push(home.join(".condarc"));
    let folders = [home.join(".conda"), config.join("conda")];
    let system = ["/etc/conda", "/var/lib/conda"].map(PathBuf::from);
    for folder in folders.iter().chain(bases).chain(&system) {
        files.extend([folder.join("condarc"), folder.join(".condarc")]);
        if let Ok(parts) = fs_err::read_dir(folder.join("condarc.d")) {
            let is_yaml = |path: &PathBuf| {
                path.extension()
                    .is_some_and(|ending| ending == "yml" || ending == "yaml")
            };
            files.extend(parts.flatten().map(|part| part.path()).filter(is_yaml));
        }
    }
    files
}

/// A conda installation of this user, and its configuration files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaInstallation {
    /// The installation's folder.
    pub base: PathBuf,
    /// The configuration files that it would read. Some may not exist.
    pub condarcs: Vec<PathBuf>,
}

impl CondaInstallation {
    /// Returns the installation that this user's shell would find first.
    #[must_use]
    pub fn find(settings: &Settings) -> Option<Self> {
        let program = if cfg!(windows) {
            "Scripts/conda.exe"
        } else {
            "bin/conda"
        };
        let is_conda = |base: &PathBuf| base.join("conda-meta").is_dir() && base.join(program).is_file();
        let base = bases(settings).into_iter().find(is_conda)?;
        let condarcs = condarcs(settings, std::slice::from_ref(&base));
        Some(Self { base, condarcs })
    }
}

/// Returns `envs_dirs` of a condarc, which is a list or one folder.
fn envs_dirs(text: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Condarc {
        #[serde(default, alias = "envs_path")]
        envs_dirs: Option<Dirs>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Dirs {
        One(String),
        Many(Vec<String>),
    }
    match serde_yaml::from_str::<Condarc>(text)
        .ok()
        .and_then(|condarc| condarc.envs_dirs)
    {
        None => Vec::new(),
        Some(Dirs::One(folder)) => vec![folder],
        Some(Dirs::Many(folders)) => folders,
    }
}

#[cfg(unix)]
fn may_write(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn may_write(folder: &Path) -> bool {
    fs_err::metadata(folder).is_ok_and(|metadata| !metadata.permissions().readonly())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envs_dirs_are_read_from_typical_condarcs() {
        for (text, expected) in [
            ("envs_dirs:\n  - ~/a\n  - /b c\n", vec!["~/a", "/b c"]),
            ("channels: [conda-forge]\nenvs_dirs: [/a] #!final\n", vec!["/a"]),
            ("envs_path: /a\n", vec!["/a"]),
            ("envs_dirs:\n", vec![]),
            ("channels:\n  - conda-forge\n", vec![]),
            ("\t: {no yaml", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(envs_dirs(text), expected, "{text:?}");
        }
    }
}
