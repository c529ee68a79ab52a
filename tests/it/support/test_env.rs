use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// An isolated environment of one test: its own HOME, caches and variables.
pub(crate) struct TestEnv {
    folder: Option<tempfile::TempDir>,
    root: PathBuf,
    variables: Vec<(OsString, OsString)>,
    /// The command that starts each program, and the mounts that it needs.
    before: Vec<String>,
    #[cfg(target_os = "linux")]
    mounts: Option<super::Mounts>,
}

/// The state of the environment `demo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Demo {
    link: PathBuf,
    generations: Vec<OsString>,
}

/// The result of a run of matenv: exit code and output.
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
            "the output does not contain {text:?}: {self}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn says_one_of(self, texts: &[&str]) -> Self {
        let found = |text: &&str| self.stdout.contains(*text) || self.stderr.contains(*text);
        assert!(texts.iter().any(found), "the output contains none of {texts:?}: {self}");
        self
    }

    /// Returns the error as the terminal shows it, without the output before it.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().collect();
        // The code and an empty line are above the message. Errors of the command line have none.
        let message = lines.iter().position(|line| line.starts_with("  × "));
        let first = message.map(|line| line - 2);
        let first = first.or_else(|| lines.iter().position(|line| line.starts_with("error: ")));
        let Some(first) = first else {
            panic!("no error: {self}");
        };
        lines[first..].join("\n")
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

/// Variables that configure how this machine connects to an index.
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
            before: Vec::new(),
            #[cfg(target_os = "linux")]
            mounts: None,
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

    /// Passes the variables on that configure how this machine connects to an index.
    pub(crate) fn with_network(mut self) -> Self {
        for name in NETWORK {
            if let Some(value) = std::env::var_os(name) {
                self.set(name, value);
            }
        }
        self
    }

    /// Uses the uv that all tests share. The first test downloads it with pip.
    pub(crate) fn with_uv(mut self) -> Self {
        self.set("MATENV_UV", shared_uv());
        self
    }

    /// Removes the pages of indexes from uv's cache, and keeps the wheels.
    pub(crate) fn empty_index_cache(&self) {
        let mut removed = 0;
        for entry in fs_err::read_dir(self.path("uv-cache")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("simple-") {
                fs_err::remove_dir_all(entry.path()).unwrap();
                removed += 1;
            }
        }
        assert!(removed > 0, "uv's cache contains no pages of indexes");
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.unset(name);
        self.variables.push((name.into(), value.into()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// Mounts filesystems for all later commands; skips the test if this machine does not permit it.
    #[cfg(target_os = "linux")]
    pub(crate) fn with_mounts(mut self, mounts: impl FnOnce(&Self) -> Vec<super::Mount>) -> Option<Self> {
        let Some(mounts) = super::Mounts::new(&mounts(&self)) else {
            super::skip("mounts need root or a user namespace");
            return None;
        };
        self.before = mounts.enter();
        self.mounts = Some(mounts);
        Some(self)
    }

    /// Drops root's right to ignore file modes for all later commands; skips the test if that is not possible.
    #[cfg(target_os = "linux")]
    pub(crate) fn without_privileges(mut self) -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            let setpriv = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];
            let status = Command::new(setpriv[0]).args(&setpriv[1..]).arg("true").status();
            if !status.is_ok_and(|status| status.success()) {
                super::skip("root needs setpriv to drop its privileges");
                return None;
            }
            self.before.extend(setpriv.map(str::to_owned));
        }
        Some(self)
    }

    /// Returns the number of processes of this test, which all inherit its variables.
    #[cfg(target_os = "linux")]
    pub(crate) fn children(&self) -> usize {
        let folder = self.root.display().to_string();
        let processes = fs_err::read_dir("/proc").unwrap().flatten();
        processes
            .filter(|entry| {
                let variables = fs_err::read(entry.path().join("environ")).unwrap_or_default();
                String::from_utf8_lossy(&variables).contains(&folder)
            })
            .count()
    }

    /// Returns the path under which this process sees `path`, also if it is on a mount of the test.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        #[cfg(target_os = "linux")]
        if let Some(mounts) = &self.mounts {
            return mounts.seen(path);
        }
        path.to_owned()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Returns the folder to which the link of the environment `demo` points.
    pub(crate) fn prefix(&self) -> PathBuf {
        fs_err::read_link(self.home().join(".matenv/envs/demo")).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes the manifest of `demo`; `rest` follows the common head. Returns the folder.
    pub(crate) fn manifest(&self, rest: &str) -> PathBuf {
        self.manifest_for(&[], rest)
    }

    /// Like [`Self::manifest`], with `profiles`; an empty list omits the key.
    pub(crate) fn manifest_for(&self, profiles: &[&str], rest: &str) -> PathBuf {
        let folder = self.path("manifests");
        fs_err::create_dir_all(&folder).unwrap();
        let python = host_python();
        let profiles = match profiles {
            [] => String::new(),
            some => format!("profiles = {some:?}\n"),
        };
        let head = format!(
            "schema = 1\nname = \"demo\"\ndescription = \"a demo\"\ndefault = true\n{profiles}\
             [python]\npreferred = \"{python}\"\nsupported = \">={python}\"\n\
             [conda]\nchannels = [\"conda-forge\"]\n"
        );
        fs_err::write(folder.join("demo.toml"), head + rest).unwrap();
        folder
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_matenv");
        let mut command = match self.before.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                // `nsenter` changes the working folder to `/`.
                command.args(rest).args(["sh", "-c", "cd \"$0\" && exec \"$@\""]);
                command.arg(&self.root).arg(program);
                command
            }
        };
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    /// Runs uv like a user.
    #[must_use]
    pub(crate) fn uv(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(shared_uv());
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.root);
        command.output().unwrap().into()
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

    /// Runs `install demo` with the index `pypi`, on this machine's Python, without a benchmark.
    #[must_use]
    pub(crate) fn install_demo(&self, pypi: &str, more: &[&str]) -> Ran {
        self.install_demo_from(DEAD_CHANNEL, pypi, more)
    }

    /// Like [`Self::install_demo`], with a channel as the value of `--mirror`.
    #[must_use]
    pub(crate) fn install_demo_from(&self, channel: &str, pypi: &str, more: &[&str]) -> Ran {
        self.install_demo_with_bench(channel, pypi, &[&["--no-bench"], more].concat())
    }

    /// Like [`Self::install_demo_from`], with the benchmark.
    #[must_use]
    pub(crate) fn install_demo_with_bench(&self, channel: &str, pypi: &str, more: &[&str]) -> Ran {
        let arguments = self.demo_arguments(channel, pypi, more);
        self.matenv(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Like [`Self::install_demo_from`], but does not wait for its end.
    pub(crate) fn spawn_demo_from(&self, channel: &str, pypi: &str, more: &[&str]) -> Child {
        let arguments = self.demo_arguments(channel, pypi, &[&["--no-bench"], more].concat());
        self.spawn(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn demo_arguments(&self, channel: &str, pypi: &str, more: &[&str]) -> Vec<String> {
        let (mirror, folder) = (format!("pypi={pypi}"), self.path("manifests"));
        let mut arguments = vec!["install", "demo", "--profile", "cpu", "--mirror", &mirror];
        arguments.extend(["--mirror", channel, "--manifest-dir", folder.to_str().unwrap()]);
        arguments.extend(more);
        arguments.into_iter().map(ToOwned::to_owned).collect()
    }

    /// Checks that the environment `demo` works, and returns its state.
    #[track_caller]
    pub(crate) fn demo(&self) -> Demo {
        let code = "import demo_app; print('version', demo_app.__version__)";
        self.matenv(&["run", "demo", "--", "python", "-c", code])
            .exits(0)
            .says("version 1.0");
        let link = self.seen(&self.home().join(".matenv/envs/demo"));
        Demo {
            link: fs_err::read_link(link).unwrap(),
            generations: self.generations(),
        }
    }

    /// Returns the folders of the store that look like a generation. A generation that an interrupted run had no time
    /// to remove has another name.
    fn generations(&self) -> Vec<OsString> {
        let store = self.seen(&self.home().join(".matenv/store"));
        let mut names = self.names_in(".matenv/store");
        names.retain(|name| !name.to_string_lossy().starts_with('.') && store.join(name).is_dir());
        names
    }

    /// Checks that matenv sees no environment, although files may be left that the next run removes.
    #[track_caller]
    pub(crate) fn has_no_visible_environment(&self) {
        assert_eq!(self.generations(), Vec::<OsString>::new(), "left in the store");
        for folder in [".matenv/envs", ".conda/envs"] {
            assert_eq!(self.names_in(folder), Vec::<OsString>::new(), "left in {folder}");
        }
    }

    /// Checks that nothing below HOME looks like an environment or like a part of one.
    #[track_caller]
    pub(crate) fn has_no_environment(&self) {
        for folder in [".matenv/store", ".matenv/envs", ".conda/envs"] {
            assert_eq!(self.names_in(folder), Vec::<OsString>::new(), "left in {folder}");
        }
        self.has_no_unfinished_generation();
    }

    /// Checks that no generation is unfinished or waits for its removal.
    #[track_caller]
    pub(crate) fn has_no_unfinished_generation(&self) {
        for folder in [".matenv/store", ".matenv/envs", ".matenv/state"] {
            let names = self.names_in(folder);
            let unfinished = names.iter().filter(|name| {
                let name = name.to_string_lossy();
                name.starts_with('.') || name.ends_with(".unfinished")
            });
            assert_eq!(unfinished.count(), 0, "left in {folder}: {names:?}");
        }
    }

    /// Replaces the folders of the test by `$HOME` and `$ROOT`, and the folder of the checkout by `$CHECKOUT`.
    pub(crate) fn hide_folders(&self, text: &str) -> String {
        text.replace(&self.home().display().to_string(), "$HOME")
            .replace(&self.root.display().to_string(), "$ROOT")
            .replace(env!("CARGO_MANIFEST_DIR"), "$CHECKOUT")
    }

    /// Returns the names in a folder below HOME, or none if the folder does not exist.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<OsString> {
        let folder = self.seen(&self.home().join(folder));
        let entries = fs_err::read_dir(folder).into_iter().flatten();
        let mut names: Vec<OsString> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    /// Returns all files and links below HOME.
    pub(crate) fn files_in_home(&self) -> Vec<PathBuf> {
        files_below(&self.home())
    }
}

/// An index that does not answer.
pub(crate) const DEAD_INDEX: &str = "http://127.0.0.1:9/simple";

/// A mirror of conda-forge that does not answer.
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

/// Returns the version of `python3` on PATH, such as `3.13`. [`TestEnv::manifest`] requires it.
pub(crate) fn host_python() -> String {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION
        .get_or_init(|| {
            let code = "import sys; print('%d.%d' % sys.version_info[:2])";
            let output = Command::new("python3").args(["-c", code]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        })
        .clone()
}

/// Returns all files and links below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    fn list(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                list(&entry.path(), found);
            } else {
                found.push(entry.path());
            }
        }
    }
    let mut found = Vec::new();
    list(folder, &mut found);
    found.sort();
    found
}

/// Returns the path of the shared uv. The first call downloads the pinned version with pip.
pub(crate) fn shared_uv() -> PathBuf {
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
            assert!(status.success(), "pip failed to download uv {version}");
        }
        uv
    })
    .clone()
}

/// Returns the path of a file in `tests/hardware`.
pub(crate) fn hardware_file(name: &str) -> String {
    format!("{}/tests/hardware/{name}.json", env!("CARGO_MANIFEST_DIR"))
}
