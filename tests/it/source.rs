//! `--source`: a program from a folder or a git repository instead of a release.

use std::{path::Path, process::Command};

use crate::support::{Index, Options, TestEnv, Wheel, assert_error};

const MANIFEST: &str = "[source]\npackage = \"demo-app\"\ncommand = \"demo-app\"\nscripts = [\"app.py\"]\n\
                        requirements.cpu = [\"requirements.txt\"]\n\
                        [[pypi]]\nrequirement = \"demo-app>=1,<2\"\nbecause = \"the demo\"\nextras.cpu = [\"fast\"]\n\
                        [[probe]]\nname = \"import\"\npython = \"import demo_app, demo_lib; print(demo_app.WHO)\"\n";

/// A project with its own build backend, so that no test downloads one.
const PYPROJECT: &str = "[project]\nname = \"demo-app\"\nversion = \"9.0\"\ndependencies = [\"demo-lib>=1\"]\n\
                         optional-dependencies.fast = [\"demo-fast\"]\nscripts.demo-app = \"demo_app:main\"\n\
                         [build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";

const BACKEND: &str = r#"
import os, zipfile
STEM = "demo_app-9.0"
def _wheel(folder, editable):
    name = STEM + "-py3-none-any.whl"
    info = STEM + ".dist-info/"
    files = {
        info + "METADATA": "Metadata-Version: 2.1\nName: demo-app\nVersion: 9.0\nRequires-Dist: demo-lib>=1\n"
                           "Provides-Extra: fast\nRequires-Dist: demo-fast; extra == 'fast'\n",
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: demo\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "entry_points.txt": "[console_scripts]\ndemo-app = demo_app:main\n",
    }
    if editable:
        files["demo_app.pth"] = os.getcwd() + "\n"
    else:
        files["demo_app/__init__.py"] = open("demo_app/__init__.py").read()
    files[info + "RECORD"] = "".join(path + ",,\n" for path in [*files, info + "RECORD"])
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, False)
def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, True)
"#;

fn module(who: &str) -> String {
    format!("WHO = \"{who}\"\ndef main():\n    print(\"demo-app of\", WHO)\n")
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
}

fn project(folder: &Path, who: &str) {
    let files = [("pyproject.toml", PYPROJECT), ("backend.py", BACKEND)];
    write(folder, &files);
    write(folder, &[("demo_app/__init__.py", &module(who))]);
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Demo",
            "-c",
            "user.email=demo@example.org",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(folder: &Path) -> String {
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "-m", "a state"]);
    git(folder, &["rev-parse", "HEAD"])
}

fn index() -> Index {
    let wheels = [
        Wheel::new("demo-app", "1.0").extra("fast"),
        Wheel::new("demo-lib", "1.2"),
        Wheel::new("demo-fast", "1.0"),
    ];
    Index::serve(&wheels, Options::default())
}

fn names(certificate: &serde_json::Value) -> Vec<&str> {
    let packages = certificate["packages"].as_array().unwrap();
    packages.iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn a_folder_is_installed_editable_with_the_extras_of_the_manifest() {
    let env = TestEnv::new().with_uv();
    env.manifest(MANIFEST);
    let (index, clone) = (index(), env.path("clone"));
    project(&clone, "folder");
    git(&env.path(""), &["init", "--quiet", "clone"]);
    let head = commit(&clone);
    let asked = format!("demo={}", clone.display());
    let certificate = env
        .install_demo(&index.url(), &["--source", &asked, "--json"])
        .exits(0)
        .json();
    assert_eq!(certificate["verification"]["probes"][0]["output"], "folder");
    assert_eq!(names(&certificate), ["python", "demo-fast", "demo-lib"]);
    let source = &certificate["source"];
    assert_eq!(
        (&source["commit"], &source["dirty"]),
        (&head.as_str().into(), &false.into())
    );
    assert_eq!(source["editable"], true);
    env.matenv(&["run", "demo", "--", "demo-app"])
        .exits(0)
        .says("demo-app of folder");

    // Changes in the folder are used immediately. A second installation reports that the folder differs from the
    // commit.
    write(&clone, &[("demo_app/__init__.py", &module("changed folder"))]);
    env.matenv(&["run", "demo", "--", "demo-app"])
        .exits(0)
        .says("demo-app of changed folder");
    let again = env
        .install_demo(&index.url(), &["--source", &asked, "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&again["changed"], &again["source"]["dirty"]),
        (&false.into(), &true.into())
    );

    // The proof does not apply to other files, so the probes run again.
    write(&clone, &[("demo_app/__init__.py", "raise SystemExit('broken')\n")]);
    commit(&clone);
    let broken = env
        .install_demo(&index.url(), &["--source", &asked, "--json"])
        .exits(6)
        .json();
    assert_eq!((&broken["changed"], &broken["ok"]), (&false.into(), &false.into()));
    let remedy = broken["verification"]["probes"][0]["finding"]["remedy"]
        .as_str()
        .unwrap();
    assert!(remedy.contains("--source demo="), "{remedy}");

    // Without `--source`, the release is installed, with a warning.
    let refused = env.install_demo(&index.url(), &["--json"]).exits(6);
    assert!(
        refused
            .stderr
            .contains("to keep your own source: matenv install demo --profile cpu --source demo="),
        "{refused}"
    );
    let refused = refused.json();
    assert_eq!(refused["source"], serde_json::Value::Null);
}

#[test]
fn a_git_url_is_cloned_at_its_revision_and_older_generations_keep_their_clone() {
    let env = TestEnv::new().with_uv();
    env.manifest(MANIFEST);
    let (index, origin) = (index(), env.path("origin"));
    project(&origin, "first");
    git(&env.path(""), &["init", "--quiet", "origin"]);
    let first = commit(&origin);
    git(&origin, &["tag", "v1"]);
    write(&origin, &[("demo_app/__init__.py", &module("second"))]);
    let second = commit(&origin);
    let url = format!("file://{}", origin.display());
    let install = |rev: &str| {
        let asked = format!("demo={url}{rev}");
        env.install_demo(&index.url(), &["--source", &asked, "--json"])
    };
    let certificate = install("").exits(0).json();
    assert_eq!(certificate["source"]["commit"], second.as_str());
    assert_eq!(certificate["source"]["editable"], false);
    assert_eq!(certificate["verification"]["probes"][0]["output"], "second");
    let certificate = install("@v1").exits(0).json();
    assert_eq!(certificate["source"]["commit"], first.as_str());
    assert_eq!(certificate["verification"]["probes"][0]["output"], "first");
    assert_eq!(install("@v1").exits(0).json()["changed"], false);

    // The current default branch of the repository is used, not the one at the first clone.
    git(&origin, &["checkout", "--quiet", "-b", "trunk"]);
    write(&origin, &[("demo_app/__init__.py", &module("trunk"))]);
    commit(&origin);
    git(&origin, &["branch", "-D", "main"]);
    assert_eq!(
        install("").exits(0).json()["verification"]["probes"][0]["output"],
        "trunk"
    );
    assert_eq!(
        install(&format!("@{first}")).exits(0).json()["source"]["commit"],
        first.as_str()
    );
    let trees = fs_err::read_dir(env.home().join(".matenv/src/demo")).unwrap().flatten();
    let trees = trees
        .filter(|entry| !entry.file_name().to_string_lossy().ends_with(".git"))
        .count();
    assert_eq!(trees, 2, "there must be one clone for each kept generation");

    let refused = install("@no-such-tag").exits(4).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("no such branch, tag or commit"), "{message}");
    env.matenv(&["run", "demo", "--", "demo-app"])
        .exits(0)
        .says("demo-app of first");
    env.matenv(&["remove", "demo"]).exits(0);
    assert!(!env.home().join(".matenv/src/demo").exists(), "the clone is left");
}

#[test]
fn an_older_tree_without_a_pyproject_is_run_by_its_script() {
    let env = TestEnv::new().with_uv();
    env.manifest(MANIFEST);
    let (index, clone) = (index(), env.path("it's old"));
    write(
        &clone,
        &[
            ("requirements.txt", "# what it needs\ndemo-lib>=1\n"),
            (
                "app.py",
                "import sys\nfrom demo_app import main\nmain()\nprint(sys.argv[1:])\n",
            ),
            ("demo_app/__init__.py", &module("script")),
        ],
    );
    let asked = format!("demo={}", clone.display());
    let certificate = env
        .install_demo(&index.url(), &["--source", &asked, "--json"])
        .exits(0)
        .json();
    assert_eq!(names(&certificate), ["python", "demo-lib"]);
    assert_eq!(certificate["source"]["commit"], serde_json::Value::Null);
    env.matenv(&["run", "demo", "--", "demo-app", "a b"])
        .exits(0)
        .says("demo-app of script")
        .says("['a b']");
}

#[test]
fn an_invalid_source_is_an_error_and_leaves_nothing() {
    let env = TestEnv::new().with_uv();
    env.manifest(MANIFEST);
    let index = index();
    let empty = env.path("empty");
    fs_err::create_dir_all(&empty).unwrap();
    let not_there = format!("demo=file://{}", env.path("nowhere").display());
    // The messages of git depend on its version.
    env.install_demo(&index.url(), &["--source", &not_there])
        .exits(4)
        .says("git failed to fetch");
    env.install_demo(&index.url(), &["--source", "demo=--upload-pack=touch@h:y"])
        .exits(2)
        .says("cannot start with `-`");
    for (name, asked) in [
        ("missing_folder", format!("demo={}", env.path("nowhere").display())),
        ("folder_without_the_package", format!("demo={}", empty.display())),
        ("environment_is_not_selected", "other=/tmp".to_owned()),
        ("invalid_syntax", "demo".to_owned()),
        (
            "password_in_the_url",
            "demo=https://me:pa55-w0rd@example.org/a".to_owned(),
        ),
    ] {
        let ran = env.install_demo(&index.url(), &["--source", &asked]).exits(2);
        assert!(!ran.stderr.contains("pa55-w0rd"), "{ran}");
        assert_error!(env, name, ran);
    }
    assert!(!env.home().join(".matenv/store").exists());
}
