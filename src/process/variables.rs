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

/// The variables that programs get which matenv itself starts: probes, benchmarks, builds and tools. They find the user,
/// the display, the GPU and the compiler with them. Access tokens and other settings of the shell stay out.
const NEEDED: &[&str] = &[
    "AR",
    "CC",
    "CFLAGS",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "COLUMNS",
    "DBUS_SESSION_BUS_ADDRESS",
    "DEVELOPER_DIR",
    "DISPLAY",
    "HDF5_USE_FILE_LOCKING",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LD",
    "LDFLAGS",
    "LOGNAME",
    "MACOSX_DEPLOYMENT_TARGET",
    "MAKEFLAGS",
    "MPLBACKEND",
    "MPLCONFIGDIR",
    "PATH",
    "PKG_CONFIG",
    "PKG_CONFIG_PATH",
    "PYENV_ROOT",
    "SDKROOT",
    "SHELL",
    "SOURCE_DATE_EPOCH",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    // Windows does not start programs without some of these. Their names have no case there.
    "ALLUSERSPROFILE",
    "APPDATA",
    "COMSPEC",
    "COMPUTERNAME",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROCESSOR_IDENTIFIER",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "PROGRAMW6432",
    "COMMONPROGRAMFILES",
    "PUBLIC",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "USERDOMAIN",
    "USERNAME",
    "USERPROFILE",
    "WINDIR",
];
const NEEDED_PREFIXES: &[&str] = &[
    "CMAKE_",
    "CUDA_",
    "EGL_",
    "GALLIUM_",
    "GOMP_",
    "HIP_",
    "KMP_",
    "LC_",
    "LIBGL_",
    "MALLOC_",
    "MESA_",
    "MKL_",
    "NCCL_",
    "NUMBA_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "ORT_",
    "QT_",
    "ROCR_",
    "SETUPTOOLS_",
    "TENSORRT_",
    "TORCH_",
    "VK_",
    "XDG_",
    "__GL",
    "__EGL",
    "__NV",
];

/// The variables that programs need to reach an index, as uv, pip and git do.
pub(crate) const NETWORK: &[&str] = &[
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NETRC",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// The ends of names of variables that hold secrets.
const SECRET_ENDS: &[&str] = &["_TOKEN", "_PASSWORD", "_PASSWD", "_SECRET", "_KEY", "_CREDENTIALS"];

/// The environment variables, read once when matenv starts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(Arc<BTreeMap<OsString, OsString>>);

impl std::fmt::Debug for Variables {
    /// Prints the names only: values may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

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

    /// Returns the variables for a program of the user: all but the foreign ones, and variables that disable ONNX
    /// Runtime's telemetry and Python's user site-packages.
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

    /// Returns the variables for a program that matenv itself starts: of [`Self::clean`] only those that it needs.
    pub fn needed(&self) -> BTreeMap<OsString, OsString> {
        let mut needed = self.clean();
        needed.retain(|name, _| name == "PYTHONNOUSERSITE" || is_needed(name));
        needed
    }

    /// Like [`Self::needed`], with the variables that reach an index through a proxy.
    pub fn needed_with_network(&self) -> BTreeMap<OsString, OsString> {
        let mut needed = self.needed();
        let network = self.iter().filter(|(name, _)| {
            name.to_str()
                .is_some_and(|name| NETWORK.contains(&name.to_ascii_uppercase().as_str()))
        });
        needed.extend(network.map(|(name, value)| (name.to_owned(), value.to_owned())));
        needed
    }

    /// Like [`Self::inside`], with the variables of [`Self::needed`].
    pub fn needed_inside(&self, prefix: &Path) -> BTreeMap<OsString, OsString> {
        self.placed(self.needed(), prefix)
    }

    /// Like [`Self::clean`], with the environment at `prefix` first in PATH and as `CONDA_PREFIX`.
    pub fn inside(&self, prefix: &Path) -> BTreeMap<OsString, OsString> {
        self.placed(self.clean(), prefix)
    }

    fn placed(&self, mut inside: BTreeMap<OsString, OsString>, prefix: &Path) -> BTreeMap<OsString, OsString> {
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

fn is_needed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let name = name.to_ascii_uppercase();
    let is_secret = SECRET_ENDS.iter().any(|end| name.ends_with(end));
    !is_secret && (NEEDED.contains(&name.as_str()) || NEEDED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
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

    #[test]
    fn programs_of_matenv_get_no_secrets() {
        let variables = Variables::from_pairs([
            ("PATH", "/usr/bin"),
            ("SystemRoot", "C:\\Windows"),
            ("CUDA_VISIBLE_DEVICES", "0"),
            ("https_proxy", "http://127.0.0.1:1"),
            ("GITHUB_TOKEN", "x"),
            ("TORCH_TOKEN", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("PIP_INDEX_URL", "https://u:p@example.org"),
        ]);
        let names = |map: BTreeMap<OsString, OsString>| -> Vec<String> {
            map.into_keys().filter_map(|name| name.into_string().ok()).collect()
        };
        let needed = [
            "CUDA_VISIBLE_DEVICES",
            "ORT_DISABLE_TELEMETRY",
            "PATH",
            "PYTHONNOUSERSITE",
            "SystemRoot",
        ];
        assert_eq!(names(variables.needed()), needed);
        assert_eq!(
            names(variables.needed_with_network()),
            [&needed[..], &["https_proxy"]].concat()
        );
        assert!(!format!("{variables:?}").contains("example.org"));
    }
}
