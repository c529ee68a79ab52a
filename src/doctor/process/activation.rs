//! Two environments in one shell: `CONDA_PREFIX` and `PATH` disagree.

use std::path::{Path, PathBuf};

use crate::{doctor::examined::ExaminedPrefix, files::layout, process::Variables};

/// A shell that is half in one environment and half in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MixedActivation {
    /// `CONDA_PREFIX`, or `VIRTUAL_ENV`.
    pub(crate) variable: &'static str,
    /// The environment that the variable names.
    pub(crate) active: PathBuf,
    /// The `python` that the shell would start.
    pub(crate) python: PathBuf,
}

/// Checks whether one half of this shell uses the examined environment and the other half another one. A shell that is
/// fully in another environment is not a problem: programs that matenv starts do not get its variables.
pub(crate) fn inspect(variables: &Variables, examined: &ExaminedPrefix) -> Option<MixedActivation> {
    let search = variables.get("PATH")?;
    let name = if cfg!(windows) { "python.exe" } else { "python" };
    let python = std::env::split_paths(search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())?;
    let runs_ours = in_prefix(&python, &examined.prefix);
    // Many people activate a virtual environment inside a conda environment: the innermost one counts.
    let (variable, active) = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .into_iter()
        .find_map(|name| Some((name, variables.path(name)?)))?;
    let active_is_ours = same(&active, &examined.prefix);
    (runs_ours != active_is_ours).then_some(MixedActivation {
        variable,
        active,
        python,
    })
}

fn same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(a) == real(b)
}

/// Returns whether a program is in a prefix's own folders, even if it is a link to somewhere else.
fn in_prefix(program: &Path, prefix: &Path) -> bool {
    let folders = layout::executable_dirs(prefix);
    program
        .parent()
        .is_some_and(|parent| folders.iter().any(|folder| same(parent, folder)))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_a_shell_that_is_half_in_two_environments_is_mixed() {
        let root = tempfile::tempdir().expect("a folder");
        let of = |name: &str| root.path().join(name);
        for name in ["base", "ours"] {
            fs_err::create_dir_all(of(name).join("bin")).expect("made");
            fs_err::write(of(name).join("bin/python"), "").expect("written");
        }
        // The path of a conda link.
        fs_err::os::unix::fs::symlink(of("ours"), of("link")).expect("linked");
        let examined = ExaminedPrefix::foreign(&of("ours"));
        let mixed = |active: Option<&str>, first: &str| {
            let path = of(first).join("bin").display().to_string();
            let mut pairs = vec![("PATH", path)];
            pairs.extend(active.map(|name| ("CONDA_PREFIX", of(name).display().to_string())));
            inspect(&Variables::from_pairs(pairs), &examined).is_some()
        };
        assert!(!mixed(None, "base") && !mixed(None, "ours"));
        assert!(!mixed(Some("base"), "base"), "base as a whole");
        assert!(!mixed(Some("ours"), "ours") && !mixed(Some("link"), "link") && !mixed(Some("ours"), "link"));
        assert!(mixed(Some("ours"), "base"), "the shell starts base's Python");
        assert!(mixed(Some("base"), "ours"), "conda would install into base");
    }
}
