//! Faults that the audit finds in an environment with real wheels (20 MB from the machine's index).
//!
//! The tests write new files and rename them, so that the files in the caches do not change.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use matenv::{
    audit::{self, Depth, Subject},
    files::layout,
    finding::{Code, Finding, Severity},
};

use crate::support::{DEAD_CHANNEL, Ran, TestEnv, shared_uv};

const PACKAGES: &str = "[[pypi]]\nrequirement = \"numpy>=2\"\nbecause = \"arrays\"\n\
                        [[pypi]]\nrequirement = \"markupsafe>=3\"\nbecause = \"a small library\"\n";

/// The environment `demo` with numpy and markupsafe.
struct Fixture {
    env: TestEnv,
    prefix: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let env = TestEnv::new().with_network().with_uv();
        let folder = env.manifest(PACKAGES);
        let arguments = ["install", "demo", "--profile", "cpu", "--no-bench", "--json"];
        let places = ["--mirror", DEAD_CHANNEL, "--manifest-dir", folder.to_str().unwrap()];
        let certificate = env.matenv(&[&arguments[..], &places].concat()).exits(0).json();
        let prefix = PathBuf::from(certificate["prefix"].as_str().unwrap());
        let fixture = Self { env, prefix };
        assert_eq!(fixture.found(), [], "findings in an unchanged environment");
        assert_eq!(fixture.found_deep(), [], "findings in an unchanged environment");
        fixture
    }

    fn site(&self, path: &str) -> PathBuf {
        layout::site_packages_of(&self.prefix).unwrap().join(path)
    }

    /// Returns the compiled module in the folder of a package.
    fn module(&self, folder: &str, name: &str) -> PathBuf {
        let entries = fs_err::read_dir(self.site(folder)).unwrap().flatten();
        let is_it = |path: &PathBuf| {
            let file = path.file_name().unwrap().to_string_lossy();
            file.starts_with(name) && path.extension().is_some_and(|ending| ending == "so" || ending == "pyd")
        };
        entries.map(|entry| entry.path()).find(is_it).unwrap()
    }

    fn found(&self) -> Vec<Finding> {
        above_info(
            audit::audit(&self.prefix, "demo", &Subject::cpu(), Depth::Structure)
                .unwrap()
                .findings,
        )
    }

    fn found_deep(&self) -> Vec<Finding> {
        above_info(
            audit::audit(&self.prefix, "demo", &Subject::cpu(), Depth::Content)
                .unwrap()
                .findings,
        )
    }

    /// Returns the only finding, which must be an error with this code.
    #[track_caller]
    fn only(&self, code: Code) -> Finding {
        let mut found = self.found();
        assert_eq!(found.len(), 1, "{found:#?}");
        let one = found.remove(0);
        assert_eq!((one.code, one.severity), (code, Severity::Error), "{one:#?}");
        assert_eq!(one.remedy.as_deref(), Some("matenv repair demo"));
        one
    }

    /// Runs code in the environment's Python.
    fn python(&self, code: &str) -> Ran {
        self.env.matenv(&["run", "demo", "--", "python", "-c", code])
    }
}

fn above_info(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| finding.severity > Severity::Info);
    findings
}

/// Replaces the content of a file, and returns the old content.
fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let before = fs_err::read(path).unwrap();
    let new = path.with_extension("new");
    fs_err::write(&new, bytes).unwrap();
    fs_err::rename(new, path).unwrap();
    before
}

#[test]
fn damaged_files_of_real_wheels_are_named() {
    let fixture = Fixture::new();

    let core = fixture.module("numpy/_core", "_multiarray_umath");
    let whole = fs_err::read(&core).unwrap();
    replace(&core, &whole[..100_000]);
    let found = fixture.only(Code::FileDiffers);
    assert!(found.message.contains("is cut off: 100000 of"), "{found:#?}");
    // The loader may crash without a message, because it maps bytes that do not exist.
    assert_ne!(fixture.python("import numpy").code, Some(0));
    fixture
        .env
        .matenv(&["verify", "demo"])
        .exits(6)
        .says("is cut off: 100000 of");
    replace(&core, whole);
    assert_eq!(fixture.found(), []);

    let missing = fixture.site("numpy/_core/multiarray.py");
    let text = fs_err::read(&missing).unwrap();
    fs_err::remove_file(&missing).unwrap();
    let found = fixture.only(Code::FileMissing);
    assert_eq!(found.evidence, ["numpy/_core/multiarray.py"]);
    fs_err::write(&missing, text).unwrap();
    assert_eq!(fixture.found(), []);

    // The size does not change, so only a deep audit finds it.
    let version = fixture.site("numpy/version.py");
    let text = fs_err::read_to_string(&version).unwrap();
    replace(&version, text.replace("version", "versioN"));
    assert_eq!(fixture.found(), []);
    let deep = fixture.found_deep();
    assert_eq!(deep.len(), 1, "{deep:#?}");
    assert!(
        deep[0].evidence[0].starts_with("numpy/version.py was changed"),
        "{deep:#?}"
    );
    replace(&version, text);
    assert_eq!(fixture.found_deep(), []);
}

#[test]
fn removed_and_replaced_packages_are_named() {
    let fixture = Fixture::new();

    let (numpy, aside) = (fixture.site("numpy"), fixture.env.path("aside"));
    fs_err::rename(&numpy, &aside).unwrap();
    let found = fixture.only(Code::FileMissing);
    assert!(found.message.contains("is half removed"), "{found:#?}");
    assert!(found.evidence.len() <= 21, "{found:#?}");
    fs_err::rename(aside, numpy).unwrap();
    assert_eq!(fixture.found(), []);

    let python = layout::python(&fixture.prefix);
    let mut other = Command::new(shared_uv());
    other.args([
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--break-system-packages",
        "--python",
    ]);
    other.arg(python).arg("markupsafe==3.0.2");
    other.env("UV_CACHE_DIR", fixture.env.path("another-cache"));
    assert!(other.status().unwrap().success());
    let found = fixture.only(Code::NotAsLocked);
    assert!(found.message.contains("markupsafe"), "{found:#?}");
    assert!(found.message.ends_with("-> 3.0.2"), "{found:#?}");
}

/// The audit reports the same version as the loader.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#[test]
fn a_library_for_a_newer_glibc_is_reported_like_by_the_loader() {
    let fixture = Fixture::new();
    let module = fixture.module("markupsafe", "_speedups");
    let mut bytes = fs_err::read(&module).unwrap();
    let at = bytes.windows(8).position(|text| text == b"GLIBC_2.").unwrap();
    bytes[at + 6] = b'9';
    replace(&module, bytes);
    let found = fixture.only(Code::SymbolVersionMissing);
    let version = found
        .message
        .split(' ')
        .find(|word| word.starts_with("GLIBC_9"))
        .unwrap();
    let version = version.trim_end_matches(',');
    fixture
        .python("import markupsafe._speedups")
        .exits(1)
        .says(&format!("version `{version}' not found"));
}
