use std::{
    path::{Path, PathBuf},
    process::Command,
};

use matenv::packages::conda::pack::{self, PackageBuilder};
use rattler_conda_types::subdir::Subdir;

use super::TestEnv;

/// A real conda channel in a folder. Its Python is a copy of this machine's interpreter.
pub(crate) struct Channel {
    pub(crate) folder: PathBuf,
}

impl Channel {
    pub(crate) fn new(env: &TestEnv, packages: &[PackageBuilder]) -> Self {
        Self::with_python(env, &python(), packages)
    }

    /// Like [`Self::new`], with another package as its Python.
    pub(crate) fn with_python(env: &TestEnv, python: &PackageBuilder, packages: &[PackageBuilder]) -> Self {
        let folder = env.path("channel");
        for package in packages.iter().chain([python]) {
            package.write(&folder).unwrap();
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(pack::index(&folder)).unwrap();
        Self { folder }
    }

    /// Returns the real conda channel in `../shared`, which contains a complete Python; skips the test if it is
    /// missing.
    #[cfg(target_os = "linux")]
    pub(crate) fn shared() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/channel");
        let exists = folder.join(platform()).join("repodata.json").is_file();
        if !exists {
            super::skip("../shared/channel is missing");
            return None;
        }
        fs_err::canonicalize(folder).ok().map(|folder| Self { folder })
    }

    /// Returns the value of `--mirror` that replaces conda-forge with this channel.
    pub(crate) fn mirror(&self) -> String {
        format!("conda-forge=file://{}", self.folder.display())
    }
}

/// Returns this machine's Python as a conda package with a copy of its interpreter. A link to it would leave the
/// environment, and matenv refuses such packages.
pub(crate) fn python() -> PackageBuilder {
    let (executable, version) = host();
    let (minor, home) = (minor_of(&version), folder_of(&executable));
    PackageBuilder::new("python", &version, "0_demo", platform())
        .executable(format!("bin/python{minor}"), fs_err::read(&executable).unwrap())
        .symlink("bin/python", format!("python{minor}"))
        .file("pyvenv.cfg", format!("home = {home}\nversion = {version}\n"))
}

/// Returns a Python package whose interpreter does not run, for packages that are refused before.
pub(crate) fn idle_python() -> PackageBuilder {
    let (_, version) = host();
    let minor = minor_of(&version);
    PackageBuilder::new("python", &version, "0_demo", platform())
        .executable(format!("bin/python{minor}"), "#!/bin/false\n")
}

fn platform() -> &'static str {
    Subdir::current().unwrap().as_str()
}

/// Returns the interpreter itself, not a shim, and its version.
fn host() -> (String, String) {
    let code = "import json, sys; print(json.dumps([sys._base_executable, '%d.%d.%d' % sys.version_info[:3]]))";
    let output = Command::new("python3").args(["-c", code]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn minor_of(version: &str) -> &str {
    version.rsplit_once('.').unwrap().0
}

fn folder_of(executable: &str) -> &str {
    executable.rsplit_once('/').unwrap().0
}
