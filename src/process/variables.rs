use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Variables of other programs, conda environments or Pythons that must not be passed to a child.
pub(crate) const FOREIGN: &[&str] = &[
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_AUDIT",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "__PYVENV_LAUNCHER__",
];
pub(crate) const FOREIGN_PREFIXES: &[&str] = &["DYLD_", "PYTHON", "CONDA_", "_CE_", "MAMBA_", "PIXI_", "PYENV_VERSION"];

/// The environment variables, read once when matenv starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Arc<BTreeMap<OsString, OsString>>);

impl Variables {
    /// Returns the variables of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(Arc::new(std::env::vars_os().collect()))
    }

    /// Creates variables from pairs, for tests.
    #[must_use]
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(Arc::new(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
    }

    /// Returns a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Returns a variable as text. `None` if it is unset, empty or not Unicode.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// Returns a variable as text, which may be empty. `None` if it is unset or not Unicode.
    #[must_use]
    pub fn as_set(&self, name: &str) -> Option<&str> {
        self.0.get(OsStr::new(name)).and_then(|value| value.to_str())
    }

    /// Returns a variable as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// Returns all variables.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }

    /// Returns the variables for a program inside an environment: without the foreign ones, and with variables
    /// that disable ONNX Runtime's telemetry and Python's user site-packages.
    pub fn clean(&self) -> BTreeMap<OsString, OsString> {
        let mut clean: BTreeMap<_, _> = self
            .iter()
            .filter(|(name, _)| !is_foreign(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        clean.insert("ORT_DISABLE_TELEMETRY".into(), "1".into());
        clean.insert("PYTHONNOUSERSITE".into(), "1".into());
        clean
    }

    /// Like [`Self::clean`], with the environment at `prefix` first in PATH and as `CONDA_PREFIX`.
    pub fn inside(&self, prefix: &Path) -> BTreeMap<OsString, OsString> {
        let mut inside = self.clean();
        let mut search = crate::files::layout::executable_dirs(prefix);
        if let Some(path) = self.get("PATH") {
            search.extend(std::env::split_paths(path));
        }
        // A folder whose name contains the separator cannot be in PATH. The environment still works with full paths.
        if let Ok(joined) = std::env::join_paths(search) {
            inside.insert("PATH".into(), joined);
        }
        inside.insert("CONDA_PREFIX".into(), prefix.as_os_str().to_owned());
        inside
    }
}

fn is_foreign(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    FOREIGN.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_variables_do_not_reach_a_child() {
        let variables = Variables::from_pairs([
            ("PATH", "/usr/bin"),
            ("LD_LIBRARY_PATH", "/bad"),
            ("PYTHONPATH", "/bad"),
            ("CONDA_PREFIX", "/bad"),
            ("HOME", "/home/u"),
        ]);
        let clean = variables.clean();
        assert!(clean.contains_key(OsStr::new("PATH")) && clean.contains_key(OsStr::new("HOME")));
        for gone in ["LD_LIBRARY_PATH", "PYTHONPATH", "CONDA_PREFIX"] {
            assert!(!clean.contains_key(OsStr::new(gone)), "{gone} is still there");
        }
        assert_eq!(clean.get(OsStr::new("ORT_DISABLE_TELEMETRY")), Some(&"1".into()));
    }
}
