//! `matenv doctor` on real faults: compiled libraries, packages in other folders, moved environments.

mod machine;
mod shell;

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::Value;

use crate::support::{Index, Options, Ran, TestEnv, Wheel, host_python};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[probe]]\nname = \"import\"\npython = \"import demo_app; print(demo_app.__version__)\"\n";

/// Installs the environment `demo`, with more files in its wheel.
fn demo(files: &[(&str, Vec<u8>)]) -> TestEnv {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let mut wheel = Wheel::new("demo-app", "1.0");
    for (path, bytes) in files {
        wheel = wheel.file(path, bytes.clone());
    }
    let index = Index::serve(&[wheel], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    env
}

/// Runs `doctor` offline.
fn doctor(env: &TestEnv, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let arguments = [&["doctor", "--offline"], arguments].concat();
    let variables = variables.iter().copied();
    env.command(&arguments).envs(variables).output().unwrap().into()
}

/// Returns the findings above info, each as `code severity`.
fn bad(found: &Value) -> Vec<String> {
    all(found).into_iter().filter(|line| !line.ends_with(" info")).collect()
}

/// Returns all findings, each as `code severity`.
fn all(found: &Value) -> Vec<String> {
    let findings = found["findings"].as_array().unwrap();
    let line = |one: &Value| {
        format!(
            "{} {}",
            one["code"].as_str().unwrap(),
            one["severity"].as_str().unwrap()
        )
    };
    findings.iter().map(line).collect()
}

#[track_caller]
fn one(found: &Value, code: &str) -> Value {
    let findings = found["findings"].as_array().unwrap();
    let mut those = findings.iter().filter(|one| one["code"] == code);
    let one = those.next().unwrap_or_else(|| panic!("no {code}: {found:#}")).clone();
    assert!(those.next().is_none(), "{code} twice: {found:#}");
    one
}

fn evidence(finding: &Value) -> String {
    let lines = finding["evidence"].as_array().unwrap();
    lines
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the output without the parts that differ between runs.
fn stable(env: &TestEnv, ran: &Ran) -> String {
    let root = env.home().parent().unwrap().display().to_string();
    let generation = env.prefix().display().to_string();
    ran.stdout
        .replace(&generation, "$PREFIX")
        .replace(&root, "$ROOT")
        .replace(&format!("python{}", host_python()), "python3.X")
        // The linker adds the version if it finds one.
        .replace("_Znwm, version GLIBCXX_3.4\n", "_Znwm\n")
}

/// No probe imports this module, and there is no Qt.
#[test]
fn an_import_without_its_system_library_is_reported_once_with_the_package() {
    let lacks = "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n";
    let env = demo(&[("cv2/__init__.py", lacks.into())]);
    let found = doctor(&env, &["demo", "--json"], &[]).exits(6).json();
    assert_eq!(bad(&found), ["ME021 error"], "{found:#}");
    let finding = one(&found, "ME021");
    assert_eq!(evidence(&finding), "libGL.so.1 is needed by `import cv2`");
    assert!(
        finding["remedy"].as_str().unwrap().contains("apt-get install libgl1"),
        "{found:#}"
    );
}

#[test]
fn a_missing_conda_link_or_a_folder_in_its_place_is_reported_and_not_changed() {
    let env = demo(&[]);
    let link = env.home().join(".conda/envs/demo");
    fs_err::remove_file(&link).unwrap();
    let ran = doctor(&env, &["demo"], &[]).exits(0);
    let kept: Vec<String> = stable(&env, &ran).lines().take(3).map(ToOwned::to_owned).collect();
    insta::assert_snapshot!(kept.join("\n"), @r"
      warning   ME022 the link by which conda finds `demo` is missing
                $ROOT/home/.conda/envs/demo does not exist
                do: matenv install demo
    ");
    fs_err::create_dir_all(link.join("conda-meta")).unwrap();
    fs_err::write(link.join("conda-meta/history"), "").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[]).exits(0).json();
    assert_eq!(bad(&found), ["ME022 warning"]);
    let remedy = one(&found, "ME022")["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.contains("conda rename") && link.is_dir(), "{remedy}");
}

#[test]
fn a_virtual_environment_is_examined_and_a_moved_one_is_reported() {
    let env = TestEnv::new();
    let (old, new) = (env.path("old-venv"), env.path("new-venv"));
    let status = Command::new("python3").args(["-m", "venv"]).arg(&old).status().unwrap();
    assert!(status.success());
    let found = doctor(&env, &["--prefix", "old-venv", "--json"], &[]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new(), "{found:#}");
    assert_eq!((&found["env"], &found["ok"]), (&Value::Null, &true.into()));
    fs_err::rename(&old, &new).unwrap();
    let found = doctor(&env, &["--prefix", "new-venv", "--json"], &[]).exits(6).json();
    assert_eq!(bad(&found), ["ME061 error"], "{found:#}");
    let moved = one(&found, "ME061");
    let remedy = format!("move it back: mv \"{}\" \"{}\"", new.display(), old.display());
    assert_eq!(moved["remedy"], remedy);
    // The remedy for a foreign environment is a pip command, not a matenv command.
    fs_err::rename(&new, &old).unwrap();
    let info = old.join(format!("lib/python{}/site-packages/needy-1.dist-info", host_python()));
    fs_err::create_dir_all(&info).unwrap();
    fs_err::write(
        info.join("METADATA"),
        "Metadata-Version: 2.1\nName: needy\nVersion: 1\nRequires-Dist: not-there\n",
    )
    .unwrap();
    let found = doctor(&env, &["--prefix", "old-venv", "--json"], &[]).exits(6).json();
    let remedy = one(&found, "ME013")["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.ends_with("bin/python\" -m pip install not-there"), "{remedy}");
}

#[test]
fn a_read_only_prefix_is_an_info() {
    let env = demo(&[]);
    let Some(env) = env.without_privileges() else { return };
    let folder = env.prefix();
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    let found = doctor(&env, &["demo", "--json"], &[]).exits(0).json();
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(one(&found, "ME062")["severity"], "info");
    assert_eq!(bad(&found), Vec::<String>::new());
}

/// This happens when the system's Python of a virtual environment is removed.
#[test]
#[cfg(unix)]
fn a_missing_python_is_reported_and_no_other_python_is_used() {
    let env = demo(&[]);
    let python = env.prefix().join("bin/python");
    fs_err::remove_file(&python).unwrap();
    std::os::unix::fs::symlink("/no/such/python", &python).unwrap();
    for arguments in [&["demo"][..], &["--prefix", env.prefix().to_str().unwrap()]] {
        doctor(&env, arguments, &[]).exits(6).says("ME033 the Python of");
    }
    env.matenv(&["run", "demo", "--", "python", "-c", "print('another Python')"])
        .exits(6)
        .says("matenv repair demo");
}
