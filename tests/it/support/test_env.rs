use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// A HOME, caches and a PATH of one test's own.
pub(crate) struct TestEnv {
    folder: Option<tempfile::TempDir>,
    root: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

/// How matenv ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exit code {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "it does not say {text:?}: {self}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON document ({error}): {self}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Variables that say how this machine reaches an index.
const NETWORK: [&str; 14] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "PIP_DEFAULT_TIMEOUT",
];

impl TestEnv {
    pub(crate) fn new() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs_err::create_dir_all(base).unwrap();
        let folder = tempfile::Builder::new().prefix("env ").tempdir_in(base).unwrap();
        let root = folder.path().to_owned();
        let mut variables = Vec::new();
        for name in ["PATH", "PYENV_ROOT"] {
            variables.extend(std::env::var_os(name).map(|value| (name.into(), value)));
        }
        let mut env = Self {
            folder: Some(folder),
            variables,
            root,
        };
        for (name, folder) in [
            ("HOME", "home"),
            ("RATTLER_CACHE_DIR", "rattler-cache"),
            ("UV_CACHE_DIR", "uv-cache"),
            ("TMPDIR", "tmp"),
        ] {
            let path = env.root.join(folder);
            fs_err::create_dir_all(&path).unwrap();
            env.set(name, path);
        }
        env
    }

    /// Let through what says how this machine reaches its index.
    pub(crate) fn with_network(mut self) -> Self {
        for name in NETWORK {
            if let Some(value) = std::env::var_os(name) {
                self.set(name, value);
            }
        }
        self
    }

    /// The uv that all tests share, fetched once by this machine's pip.
    pub(crate) fn with_uv(mut self) -> Self {
        self.set("MATENV_UV", shared_uv());
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.unset(name);
        self.variables.push((name.into(), value.into()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A manifest folder with one environment; `rest` comes after the head that all have.
    pub(crate) fn manifest(&self, rest: &str) -> PathBuf {
        let folder = self.path("manifests");
        fs_err::create_dir_all(&folder).unwrap();
        let python = host_python();
        let head = format!(
            "schema = 1\nname = \"demo\"\ndescription = \"a demo\"\ndefault = true\n\
             [python]\npreferred = \"{python}\"\nsupported = \">={python}\"\n\
             [conda]\nchannels = [\"conda-forge\"]\n"
        );
        fs_err::write(folder.join("demo.toml"), head + rest).unwrap();
        folder
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matenv"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    #[must_use]
    pub(crate) fn matenv(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// `install demo` from `manifest`, with the wheels of `pypi`, on this machine's Python, without a benchmark.
    #[must_use]
    pub(crate) fn install_demo(&self, pypi: &str, more: &[&str]) -> Ran {
        let (mirror, folder) = (format!("pypi={pypi}"), self.path("manifests"));
        let mut arguments = vec!["install", "demo", "--profile", "cpu", "--no-bench", "--mirror", &mirror];
        arguments.extend(["--mirror", DEAD_CHANNEL, "--manifest-dir", folder.to_str().unwrap()]);
        arguments.extend(more);
        self.matenv(&arguments)
    }

    /// Every file and link below HOME.
    pub(crate) fn files_in_home(&self) -> Vec<PathBuf> {
        fn below(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    below(&entry.path(), found);
                } else {
                    found.push(entry.path());
                }
            }
        }
        let mut found = Vec::new();
        below(&self.home(), &mut found);
        found
    }
}

/// Nothing listens there.
pub(crate) const DEAD_CHANNEL: &str = "conda-forge=http://127.0.0.1:9/conda-forge";

impl Drop for TestEnv {
    fn drop(&mut self) {
        if std::env::var_os("KEEP_TEMP").is_some()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("kept: {}", folder.keep().display());
        }
    }
}

/// The minor version of `python3` on PATH.
fn host_python() -> String {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION
        .get_or_init(|| {
            let code = "import sys; print('%d.%d' % sys.version_info[:2])";
            let output = Command::new("python3").args(["-c", code]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        })
        .clone()
}

/// Where the shared uv lies; the first test that wants it has pip fetch the pinned version.
fn shared_uv() -> PathBuf {
    static UV: OnceLock<PathBuf> = OnceLock::new();
    UV.get_or_init(|| {
        let tools: toml::Table = toml::from_str(include_str!("../../../profiles/tools.toml")).unwrap();
        let version = tools["uv"]["pinned"].as_str().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("uv-{version}"));
        let uv = folder.join("bin").join("uv");
        if !uv.is_file() {
            let status = Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
                .arg(&folder)
                .arg(format!("uv=={version}"))
                .status()
                .unwrap();
            assert!(status.success(), "pip could not fetch uv {version}");
        }
        uv
    })
    .clone()
}
