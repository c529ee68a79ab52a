//! An environment whose folder somebody moved or deleted, so that its link leads nowhere.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Index, Options, TestEnv, Wheel};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";

fn target(env: &TestEnv) -> PathBuf {
    fs_err::read_link(env.home().join(".matenv/envs/demo")).unwrap()
}

fn doctor(env: &TestEnv, arguments: &[&str], exit: i32) -> Value {
    let arguments = [&["doctor", "--offline", "--json"], arguments].concat();
    env.matenv(&arguments).exits(exit).json()
}

/// What is told of it: code and severity of each finding above info.
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

/// Every command said that it was never installed, and `doctor` and `list` said nothing.
#[test]
fn an_environment_whose_folder_is_gone_is_told_everywhere_and_made_again() {
    let env = TestEnv::new().with_uv();
    let manifests = env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    let (folder, away) = (target(&env), env.path("away"));
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
    let program = ["--", "python", "-c", "print('of another')"];
    for words in [
        &[&["run", "demo"], &program[..]].concat()[..],
        &["launch", "demo"],
        &["info", "demo"],
        &["repair", "demo"],
        &["verify", "demo"],
        &["report", "demo"],
    ] {
        env.matenv(words)
            .exits(6)
            .says("which does not exist")
            .says("matenv remove demo");
    }

    fs_err::rename(&away, &folder).unwrap();
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());
    fs_err::remove_dir_all(&folder).unwrap();
    let made = env.install_demo(&index.url(), &[]).exits(0);
    assert!(!made.stderr.contains("warning"), "{made}");
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());
    env.demo();

    // An older generation knows the manifest, and goes with the rest.
    env.install_demo(&index.url(), &["--force"]).exits(0);
    fs_err::remove_dir_all(target(&env)).unwrap();
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
fn a_folder_without_its_record_is_told_too() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    let record = |env: &TestEnv| target(env).join("share/matenv/generation.json");
    let cut = |env: &TestEnv| fs_err::write(record(env), "{ \"schema\": 1,").unwrap();
    let gone = |env: &TestEnv| fs_err::remove_file(record(env)).unwrap();
    for damage in [&gone as &dyn Fn(&TestEnv), &cut] {
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

/// They ended in errors that spoke of a full disk and of version control, and nothing else was told.
#[test]
fn damage_to_what_matenv_wrote_down_is_a_finding_and_is_mended_by_making_it_again() {
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
        fs_err::remove_file(target(&env).join("share/matenv").join(file)).unwrap();
        let found = doctor(&env, &["demo"], 6);
        assert_eq!(bad(&found), [code], "{file}: {found:#}");
        assert!(
            found["findings"][0]["remedy"].as_str().unwrap().contains("--force"),
            "{found:#}"
        );
        assert_eq!(found["env"], "demo");
        env.matenv(&["repair", "demo", "--offline"]).exits(5).says("demo");
        env.install_demo(&index.url(), &["--force"]).exits(0);
        assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());
    }
}

#[test]
fn an_environment_whose_python_is_gone_is_made_again() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    fs_err::remove_file(target(&env).join("bin/python")).unwrap();
    let made = env.install_demo(&index.url(), &[]).exits(0);
    assert!(!made.stdout.contains("nothing to do"), "{made}");
    env.demo();
}

/// A folder of another name could be a conda's that was uninstalled; a generation that came along knows better.
#[test]
fn the_link_that_conda_finds_follows_a_home_that_was_moved() {
    let mut env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    let (old, new) = (env.path("lab one"), env.path("lab two"));
    env.set("MATENV_HOME", &old);
    env.install_demo(&index.url(), &[]).exits(0);
    let door = env.home().join(".conda/envs/demo");
    assert_eq!(fs_err::read_link(&door).unwrap(), old.join("envs/demo"));

    fs_err::rename(&old, &new).unwrap();
    env.set("MATENV_HOME", &new);
    let found = doctor(&env, &["demo"], 0);
    assert_eq!(bad(&found), ["ME022 warning"], "{found:#}");
    assert_eq!(found["findings"][0]["remedy"], "matenv install demo");
    env.install_demo(&index.url(), &[]).exits(0).says("nothing to do");
    assert_eq!(fs_err::read_link(&door).unwrap(), new.join("envs/demo"));
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), Vec::<String>::new());

    // Somebody else's stays, though it leads nowhere.
    fs_err::remove_file(&door).unwrap();
    fs_err::os::unix::fs::symlink("/opt/no-such-conda/envs/demo", &door).unwrap();
    env.install_demo(&index.url(), &[]).exits(0);
    assert_eq!(
        fs_err::read_link(&door).unwrap(),
        PathBuf::from("/opt/no-such-conda/envs/demo")
    );
    assert_eq!(bad(&doctor(&env, &["demo"], 0)), ["ME022 warning"]);
}
