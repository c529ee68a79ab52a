//! Hostile manifests: names, requirements and specs that would be paths or arguments.

use super::Hostile;
use crate::support::{DEAD_INDEX, TestEnv};

#[test]
fn requirements_that_would_be_arguments_are_refused() {
    let env = TestEnv::new();
    for requirement in [
        "-r /etc/passwd",
        "--index-url=http://127.0.0.1:9/",
        "../evil",
        "demo\\n--find-links=/tmp",
        "demo --hash=sha256:00",
        "",
    ] {
        env.manifest(&format!(
            "[[pypi]]\nrequirement = \"{requirement}\"\nbecause = \"the test\"\n"
        ));
        let ran = env.install_demo(DEAD_INDEX, &[]).exits(2);
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        env.has_no_environment();
    }
}

#[test]
fn specs_of_conda_packages_that_are_paths_are_refused() {
    let hostile = Hostile::new();
    for spec in [
        "../evil",
        "/etc/evil",
        "file:///dev/zero",
        "evil[url=file:///dev/zero]",
        "evil[md5=..]",
        "--evil",
    ] {
        hostile.env.manifest(&format!("packages = [\"{spec}\"]\n"));
        let mirror = hostile.channel.mirror();
        let ran = hostile.env.install_demo_from(&mirror, DEAD_INDEX, &["--strict"]);
        assert!(ran.code.is_some_and(|code| matches!(code, 2..=4)), "{spec}: {ran}");
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        hostile.env.has_no_environment();
    }
}

#[test]
fn a_name_that_is_a_path_is_refused() {
    let env = TestEnv::new();
    let folder = env.manifest("packages = []\n");
    let text = fs_err::read_to_string(folder.join("demo.toml")).unwrap();
    for name in ["../evil", "/tmp/evil", "..", "a/b", "a\\\\b", ""] {
        let changed = text.replace("name = \"demo\"", &format!("name = \"{name}\""));
        fs_err::write(folder.join("demo.toml"), changed).unwrap();
        env.install_demo(DEAD_INDEX, &[]).exits(2);
        env.has_no_environment();
    }
    for name in ["../evil", "..", "a/b"] {
        let folder = folder.display().to_string();
        let ran = env.matenv(&["install", "demo", "--name", name, "--manifest-dir", &folder]);
        let _ = ran.exits(2);
    }
}
