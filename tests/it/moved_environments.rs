//! Environments whose folder was moved or deleted, so that the link is broken.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Index, Options, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";

fn doctor(env: &TestEnv, arguments: &[&str], exit: i32) -> Value {
    let arguments = [&["doctor", "--offline", "--json"], arguments].concat();
    env.matenv(&arguments).exits(exit).json()
}

/// Returns code and severity of each finding above info.
fn bad(found: &Value) -> Vec<String> {
    let findings = found["findings"].as_array().unwrap().iter();
    findings
        .filter(|one| one["severity"] != "info")
        .map(|one| {
            format!(
                "{} {}",
                one["code"].as_str().unwrap(),
                one["severity"].as_str().unwrap()
            )
        })
        .collect()
}

/// With an older version, commands said that it was never installed, and `doctor` and `list` did not report it.
#[test]
fn all_commands_report_a_missing_environment_folder_and_install_creates_it_again() {
    let env = TestEnv::new().with_uv();
    let manifests = env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    let (folder, away) = (env.prefix(), env.path("away"));
    fs_err::rename(&folder, &away).unwrap();

    let manifest_dir = ["--manifest-dir", manifests.to_str().unwrap()];
    for arguments in [&manifest_dir[..], &[&["demo"], &manifest_dir[..]].concat()] {
        let found = doctor(&env, arguments, 6);
        assert_eq!(bad(&found), ["ME063 error"], "{found:#}");
        let one = &found["findings"][0];
        let link = env.home().join(".matenv/envs/demo");
        assert_eq!(
            one["evidence"],
            json!([format!(
                "{} points to {}, which does not exist",
                link.display(),
                folder.display()
            )])
        );
        assert_eq!(
            one["remedy"],
            "move it back, or install it again: matenv install demo   or   matenv remove demo"
        );
    }
    let listed = env.matenv(&["list", "--json"]).exits(0);
    let row = &listed.json()["environments"][0];
    assert_eq!(
        [&row["env"], &row["ok"], &row["prefix"], &row["profile"]],
        [&json!("demo"), &json!(false), &json!(folder), &Value::Null]
    );
    assert!(row["broken"].as_str().unwrap().contains("is missing"), "{row}");
    env.matenv(&["list"]).exits(0).says("broken").says("matenv remove demo");
    let program = ["--", "python", "-c", "print('another Python')"];
    for arguments in [
        &[&["run", "demo"], &program[..]].concat()[..],
        &["launch", "demo"],
        &["info", "demo"],
        &["repair", "demo"],
        &["verify", "demo"],
        &["report", "demo"],
    ] {
        assert_error!(
            env,
            format!("missing_folder_{}", arguments[0]),
            env.matenv(arguments).exits(6)
        );
    }

    fs_err::rename(&away, &folder).unwrap();
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());
    fs_err::remove_dir_all(&folder).unwrap();
    let installed = env.install_demo(&index.url(), &[]).exits(0);
    assert!(!installed.stderr.contains("warning"), "{installed}");
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());
    env.demo();

    // An older generation still knows the manifest. `remove` removes it too.
    env.install_demo(&index.url(), &["--force"]).exits(0);
    fs_err::remove_dir_all(env.prefix()).unwrap();
    let found = doctor(&env, &["demo"], 6);
    assert!(
        found["findings"][0]["remedy"]
            .as_str()
            .unwrap()
            .contains("matenv install demo "),
        "{found:#}"
    );
    env.matenv(&["remove", "demo"]).exits(0);
    env.has_no_environment();
    assert_eq!(bad(&doctor(&env, &[], 0)), Vec::<String>::new());
}

#[test]
fn a_missing_or_damaged_record_is_reported() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    let record = |env: &TestEnv| env.prefix().join("share/matenv/generation.json");
    let truncate = |env: &TestEnv| fs_err::write(record(env), "{ \"schema\": 1,").unwrap();
    let delete = |env: &TestEnv| fs_err::remove_file(record(env)).unwrap();
    for damage in [&delete as &dyn Fn(&TestEnv), &truncate] {
        damage(&env);
        for arguments in [&["demo"][..], &[]] {
            let found = doctor(&env, arguments, 6);
            assert_eq!(bad(&found), ["ME063 error"], "{found:#}");
        }
        env.matenv(&["list"]).exits(0).says("broken");
        env.install_demo(&index.url(), &[]).exits(0);
        assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());
    }
}

/// An older version failed with misleading errors, about a full disk or about version control.
#[test]
fn a_missing_record_file_is_a_finding_and_install_fixes_it() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    for (file, code) in [
        ("plan.json", "ME063 error"),
        ("certificate.json", "ME063 error"),
        ("matenv.lock", "ME036 error"),
        ("lock.json", "ME036 error"),
    ] {
        fs_err::remove_file(env.prefix().join("share/matenv").join(file)).unwrap();
        let found = doctor(&env, &["demo"], 6);
        assert_eq!(bad(&found), [code], "{file}: {found:#}");
        let remedy = found["findings"][0]["remedy"].as_str().unwrap();
        assert!(remedy.contains("matenv install demo"), "{found:#}");
        assert_eq!(found["env"], "demo");
        env.install_demo(&index.url(), &[]).exits(0);
        assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());
    }
}

/// The manifest of `demo` is in a folder that these commands do not name.
#[test]
fn a_repair_without_a_plan_and_a_manifest_is_refused() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    fs_err::remove_file(env.prefix().join("share/matenv/plan.json")).unwrap();
    let ran = env.matenv(&["repair", "demo", "--offline"]).exits(5);
    assert_error!(env, "repair_without_a_plan", ran);
}

#[test]
fn an_environment_without_its_python_is_installed_again() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    fs_err::remove_file(env.prefix().join("bin/python")).unwrap();
    let installed = env.install_demo(&index.url(), &[]).exits(0);
    assert!(!installed.stdout.contains("nothing to do"), "{installed}");
    env.demo();
}

/// The record of the generation shows that the conda link belongs to matenv, although it points to another folder.
#[test]
fn the_conda_link_is_updated_after_matenv_home_was_moved() {
    let mut env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    let (old, new) = (env.path("lab one"), env.path("lab two"));
    env.set("MATENV_HOME", &old);
    env.install_demo(&index.url(), &[]).exits(0);
    let link = env.home().join(".conda/envs/demo");
    assert_eq!(fs_err::read_link(&link).unwrap(), old.join("envs/demo"));

    fs_err::rename(&old, &new).unwrap();
    env.set("MATENV_HOME", &new);
    let found = doctor(&env, &["demo"], 0);
    assert_eq!(bad(&found), ["ME022 warning"], "{found:#}");
    assert_eq!(found["findings"][0]["remedy"], "matenv install demo");
    env.install_demo(&index.url(), &[]).exits(0).says("nothing to do");
    assert_eq!(fs_err::read_link(&link).unwrap(), new.join("envs/demo"));
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());

    // A foreign link stays, although its target does not exist.
    fs_err::remove_file(&link).unwrap();
    fs_err::os::unix::fs::symlink("/opt/no-such-conda/envs/demo", &link).unwrap();
    env.install_demo(&index.url(), &[]).exits(0);
    assert_eq!(
        fs_err::read_link(&link).unwrap(),
        PathBuf::from("/opt/no-such-conda/envs/demo")
    );
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), ["ME022 warning"]);
}
