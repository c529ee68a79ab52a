//! Settings: options, configuration files and environment variables, resolved once.
//!
//! Input: options, configuration files and environment variables. Output: [`Settings`], which all stages read.

use std::{
    path::{Component, Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use url::Url;

use crate::{
    context::sources::{MachinePypi, Mirror, MirrorError, Sources},
    files,
    net::{mask, split},
    process::Variables,
};

/// The default folder of `MATENV_HOME`, relative to the user's home folder.
pub(crate) const DEFAULT_HOME: &str = ".matenv";

/// The options of the command line that affect every stage.
#[derive(Debug, Clone, Default)]
pub struct GlobalOptions {
    /// `--mirror`, in order.
    pub mirrors: Vec<Mirror>,
    /// `--manifest-dir`.
    pub manifest_dir: Option<PathBuf>,
    /// `--offline`.
    pub offline: bool,
    /// `--no-host-python` or `--strict`.
    pub no_host_python: bool,
    /// `--no-torch-from-pypi` or `--strict`.
    pub no_torch_from_pypi: bool,
    /// `--exclude-newer DATE`, passed through to both resolvers.
    pub exclude_newer: Option<String>,
    /// How long to wait for another process that changes the same environment; `None` means without a limit.
    pub lock_wait: Option<Duration>,
    /// The lab's part.
    pub lab: LabSettings,
}

/// The settings in a lab's `matenv.toml`; what the command line asks for comes first.
#[derive(Debug, Clone, Default)]
pub struct LabSettings {
    /// The file.
    pub file: Option<PathBuf>,
    /// Its mirrors, in order.
    pub mirrors: Vec<Mirror>,
    /// The lab's folder of manifests.
    pub manifests: Option<PathBuf>,
    /// Its `exclude-newer` date.
    pub exclude_newer: Option<String>,
}

/// The settings of every stage.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `MATENV_HOME`: the store, links, state and tools.
    pub home: PathBuf,
    /// The current folder when the command started.
    pub cwd: PathBuf,
    /// The user's home folder, which contains the conda link.
    pub user_home: PathBuf,
    /// rattler's cache, which pixi and other tools share.
    pub rattler_cache: PathBuf,
    /// uv's cache.
    pub uv_cache: PathBuf,
    /// The sources of packages.
    pub sources: Sources,
    /// A folder of manifests that replaces the built-in ones.
    pub manifest_dir: Option<PathBuf>,
    /// Whether network connections are forbidden.
    pub offline: bool,
    /// Whether this machine's Python may be used if no conda channel answers.
    pub host_python: bool,
    /// Whether PyPI's torch may be used if the torch index does not answer.
    pub torch_from_pypi: bool,
    /// Packages that were published after this date are ignored.
    pub exclude_newer: Option<String>,
    /// Configuration files that were read. If several set the same value, the first one wins.
    pub configuration: Vec<PathBuf>,
    /// How long to wait for another process that changes the same environment; `None` means without a limit.
    pub lock_wait: Option<Duration>,
    /// `MATENV_UV`: the uv to use.
    pub uv: Option<PathBuf>,
    /// The process variables.
    pub variables: Variables,
}

/// Errors of settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Neither `HOME` nor `USERPROFILE` is an absolute path. It is required even if `MATENV_HOME` is set, for
    /// the conda link and the default caches.
    #[error("HOME is not set to an absolute path")]
    NoHome,
    /// A configuration file cannot be read.
    #[error("failed to read the configuration")]
    Read(#[source] std::io::Error),
    /// A configuration file is invalid.
    #[error("invalid configuration {}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Its text, for the message's excerpt.
        text: String,
        /// The error, with its position.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A mirror in a configuration file is invalid.
    #[error("invalid mirror in {}", path.display())]
    Mirror {
        /// The file.
        path: PathBuf,
        /// The error of the mirror.
        #[source]
        source: MirrorError,
    },
}

/// `MATENV_HOME/config.toml`: the mirrors of package sources.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    #[serde(default)]
    mirrors: std::collections::BTreeMap<String, String>,
}

impl Settings {
    /// Resolves the settings of a command that was started in `cwd`.
    ///
    /// # Errors
    /// Fails without a home folder or with an invalid configuration file.
    pub fn resolve(asked: GlobalOptions, variables: Variables, cwd: &Path) -> Result<Self, SettingsError> {
        let user_home = variables
            .path("HOME")
            .or_else(|| variables.path("USERPROFILE"))
            .filter(|path| path.is_absolute());
        let home = variables
            .path("MATENV_HOME")
            .map(|path| cwd.join(path))
            .or_else(|| user_home.as_ref().map(|path| path.join(DEFAULT_HOME)))
            .map(|path| without_parent_parts(&path))
            .ok_or(SettingsError::NoHome)?;
        let user_home = user_home.ok_or(SettingsError::NoHome)?;

        let mut mirrors = asked.mirrors;
        let mut configuration = Vec::new();
        let lab = asked.lab;
        configuration.extend(lab.file);
        mirrors.extend(lab.mirrors);
        let file = home.join("config.toml");
        if let Some(more) = mirrors_of(&file)? {
            mirrors.extend(more);
            configuration.push(file);
        }
        let manifest_dir = asked.manifest_dir.map(|path| cwd.join(path));
        let manifest_dir = manifest_dir.or(lab.manifests);
        let cache_home = variables
            .path("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| default_cache_home(&user_home, &variables));
        let rattler_cache = variables
            .path("RATTLER_CACHE_DIR")
            .map_or_else(|| cache_home.join("rattler").join("cache"), |path| cwd.join(path));
        let uv_cache = variables
            .path("UV_CACHE_DIR")
            .map_or_else(|| cache_home.join("uv"), |path| cwd.join(path));
        let machine_pypi = machine_pypi(&variables, &user_home);
        hide_secrets(&variables);
        Ok(Self {
            home,
            cwd: cwd.to_owned(),
            rattler_cache,
            uv_cache,
            sources: Sources::new(mirrors, machine_pypi),
            manifest_dir,
            exclude_newer: asked.exclude_newer.or(lab.exclude_newer),
            offline: asked.offline,
            host_python: !asked.no_host_python,
            torch_from_pypi: !asked.no_torch_from_pypi,
            configuration,
            lock_wait: asked.lock_wait,
            uv: variables.path("MATENV_UV").map(|path| cwd.join(path)),
            variables,
            user_home,
        })
    }
}

impl Settings {
    /// Returns every folder that matenv writes to, with the variable that moves it.
    #[must_use]
    pub fn folders(&self) -> [(PathBuf, &'static str); 4] {
        let temporary = if cfg!(windows) { "TEMP" } else { "TMPDIR" };
        [
            (self.home.clone(), "MATENV_HOME"),
            (self.uv_cache.clone(), "UV_CACHE_DIR"),
            (self.rattler_cache.clone(), "RATTLER_CACHE_DIR"),
            (std::env::temp_dir(), temporary),
        ]
    }
}

impl Settings {
    /// Returns the caches, with the variables that move them.
    #[must_use]
    pub fn caches(&self) -> [(PathBuf, &'static str); 2] {
        [
            (self.uv_cache.clone(), "UV_CACHE_DIR"),
            (self.rattler_cache.clone(), "RATTLER_CACHE_DIR"),
        ]
    }
}

/// Returns `/a/c` for `/a/b/../c`, because an environment's path is written into its files and compared as text.
fn without_parent_parts(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            // `..` of a symbolic link is the parent of its target.
            clean = fs_err::canonicalize(&clean).unwrap_or(clean);
            clean.pop();
        } else {
            clean.push(part);
        }
    }
    clean
}

fn default_cache_home(user_home: &Path, variables: &Variables) -> PathBuf {
    if cfg!(windows) {
        variables
            .path("LOCALAPPDATA")
            .unwrap_or_else(|| user_home.join("AppData").join("Local"))
    } else if cfg!(target_os = "macos") {
        user_home.join("Library").join("Caches")
    } else {
        user_home.join(".cache")
    }
}

/// Reads the mirrors of a configuration file, or returns `None` if the file does not exist.
fn mirrors_of(path: &Path) -> Result<Option<Vec<Mirror>>, SettingsError> {
    let Some(text) = files::read_if_exists(path).map_err(SettingsError::Read)? else {
        return Ok(None);
    };
    let configuration: Configuration = toml::from_str(&text).map_err(|source| SettingsError::Syntax {
        path: path.to_owned(),
        text: text.clone(),
        source: Box::new(source),
    })?;
    configuration
        .mirrors
        .iter()
        .map(|(from, to)| {
            format!("{from}={to}").parse().map_err(|source| SettingsError::Mirror {
                path: path.to_owned(),
                source,
            })
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The variables with the addresses of proxies.
pub(crate) const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

/// Hides the credentials of variables that only libraries and uv read in all later output.
fn hide_secrets(variables: &Variables) {
    for text in PROXIES.iter().filter_map(|name| variables.text(name)) {
        // The scheme may be missing.
        let url = Url::parse(text).ok().filter(Url::has_host);
        if let Some(url) = url.or_else(|| Url::parse(&format!("http://{text}")).ok()) {
            // The two parts are not needed: the secrets are known now.
            let _ = split(&url);
        }
        if let Some((user, _)) = text.rsplit_once('@')
            && let Some((_, password)) = user.rsplit_once("//").map_or(user, |(_, user)| user).split_once(':')
        {
            mask::hide(password);
        }
    }
    for (name, value) in variables.iter() {
        let is_secret = name
            .to_str()
            .is_some_and(|name| name.ends_with("_PASSWORD") || name.ends_with("_TOKEN") || name.ends_with("_SECRET"));
        if let Some(value) = value.to_str().filter(|_| is_secret) {
            mask::hide(value);
        }
    }
}

/// Finds the PyPI index in the configuration of uv or pip on this machine, where labs set their proxy.
fn machine_pypi(variables: &Variables, user_home: &Path) -> Option<MachinePypi> {
    for name in ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"] {
        if let Some(url) = variables.text(name).and_then(|text| Url::parse(text).ok()) {
            return Some(MachinePypi::new(&url, name));
        }
    }
    let config_home = variables
        .path("XDG_CONFIG_HOME")
        .unwrap_or_else(|| user_home.join(".config"));
    let uv_files = [config_home.join("uv/uv.toml"), PathBuf::from("/etc/uv/uv.toml")];
    let from_uv = uv_files.iter().find_map(|path| {
        let table: toml::Table = toml::from_str(&fs_err::read_to_string(path).ok()?).ok()?;
        Some((default_index_of(&table)?, path))
    });
    let mut pip_files: Vec<PathBuf> = variables.path("PIP_CONFIG_FILE").into_iter().collect();
    pip_files.extend([
        user_home.join(".pip/pip.conf"),
        config_home.join("pip/pip.conf"),
        PathBuf::from("/etc/pip.conf"),
    ]);
    if let Some(folder) = variables.path("APPDATA") {
        pip_files.push(folder.join("pip").join("pip.ini"));
    }
    let from_pip = || {
        pip_files.iter().find_map(|path| {
            let url = index_url_of(&fs_err::read_to_string(path).ok()?)?;
            Some((url, path))
        })
    };
    from_uv
        .or_else(from_pip)
        .map(|(url, path)| MachinePypi::new(&url, path.display().to_string()))
}

/// Returns `index-url`, or the `[[index]]` with `default = true`, of a `uv.toml`.
fn default_index_of(table: &toml::Table) -> Option<Url> {
    let named = table
        .get("index")
        .and_then(toml::Value::as_array)
        .and_then(|rows| {
            rows.iter()
                .find(|row| row.get("default").and_then(toml::Value::as_bool) == Some(true))
        })
        .and_then(|row| row.get("url"));
    let pip = table.get("pip").and_then(|pip| pip.get("index-url"));
    named
        .or_else(|| table.get("index-url"))
        .or(pip)
        .and_then(toml::Value::as_str)
        .and_then(|text| Url::parse(text).ok())
}

/// Returns `index-url` of the `[global]` or `[install]` section of a `pip.conf`.
fn index_url_of(text: &str) -> Option<Url> {
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(['=', ':'])
            && matches!(section.as_str(), "global" | "install")
            && matches!(key.trim(), "index-url" | "index_url" | "i")
        {
            return Url::parse(value.trim()).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_conf_names_the_machines_pypi() {
        let text = "# lab proxy\n[global]\ntimeout = 60\nindex-url = https://proxy.example.org/simple\n";
        let url = index_url_of(text).expect("found");
        assert_eq!(url.as_str(), "https://proxy.example.org/simple");
        assert_eq!(
            index_url_of("[freeze]\nindex-url = https://proxy.example.org/simple\n"),
            None
        );
    }

    #[test]
    fn uv_toml_names_the_machines_pypi() {
        let table = toml::from_str("no-deps = true\n[[index]]\nurl = 'https://a.example.org/simple'\ndefault = true\n")
            .expect("TOML");
        assert_eq!(
            default_index_of(&table).map(String::from),
            Some("https://a.example.org/simple".to_owned())
        );
    }

    #[test]
    fn a_home_of_matenv_has_no_parent_parts() {
        for (given, clean) in [("/a/b/../c", "/a/c"), ("/a", "/a"), ("/a/../../c/.", "/c")] {
            assert_eq!(without_parent_parts(Path::new(given)), Path::new(clean), "{given}");
        }
    }

    #[test]
    fn settings_require_a_home_folder() {
        let no_variables = Variables::default();
        let refused = Settings::resolve(GlobalOptions::default(), no_variables, Path::new("/"));
        assert!(matches!(refused, Err(SettingsError::NoHome)));
    }
}
