//! `matenv rollback`: which generation it selects, its errors, and the settings of the program.

use std::path::Path;

use serde_json::{Value, json};

use super::{APP, current, entries, entry, folder, history, index, set_proven, two_generations, version};
use crate::support::{DEAD_INDEX, TestEnv, assert_error};

/// A second rollback goes further back, and not to the generation that the first one left.
#[test]
fn rollbacks_go_back_by_the_history() {
    let env = two_generations("");
    set_proven(&env, 2);
    env.matenv(&["rollback", "demo", "--no-verify"]).exits(0);
    assert_error!(env, "no_earlier", env.matenv(&["rollback", "demo"]).exits(2));
    // Generation 3 is built while 1 is current.
    env.install_demo(&index(&["1.0", "3.0"]).url(), &["--upgrade"]).exits(0);
    assert_eq!(version(&env), "3.0");
    assert_eq!(entries(&history(&env))[0], entry("install", 3, 1));
    env.matenv(&["rollback", "demo", "--no-verify"]).exits(0);
    assert_eq!((current(&env), version(&env).as_str()), (folder(&env, 1), "1.0"));
}

#[test]
fn a_plain_install_after_a_rollback_installs_what_the_manifest_requires() {
    let env = two_generations("");
    env.matenv(&["rollback", "demo", "--no-verify"]).exits(0);
    // The manifest still accepts version 1.0.
    env.install_demo(DEAD_INDEX, &[]).exits(0);
    assert_eq!(version(&env), "1.0");
    let manifest = env.path("manifests/demo.toml");
    let text = fs_err::read_to_string(&manifest).unwrap();
    fs_err::write(&manifest, text.replace("\"demo-app\"", "\"demo-app>=2\"")).unwrap();
    env.install_demo(&index(&["1.0", "2.0"]).url(), &[]).exits(0);
    assert_eq!(version(&env), "2.0");
    assert_eq!(entries(&history(&env))[0], entry("install", 3, 1));
}

#[test]
fn a_generation_with_an_error_does_not_become_current() {
    let env = two_generations("");
    let broken = folder(&env, 1);
    let site_packages = matenv::files::layout::site_packages_of(&broken).unwrap();
    fs_err::remove_file(site_packages.join("demo_app/__init__.py")).unwrap();
    let certificate = broken.join("share/matenv/certificate.json");
    let before = fs_err::read(&certificate).unwrap();
    let shown = env.matenv(&["rollback", "demo"]).exits(6);
    shown
        .says("ME033")
        .says("nothing was changed")
        .says("matenv rollback demo --to 1 --no-verify");
    let shown = env.matenv(&["rollback", "demo", "--json"]).exits(6).json();
    assert_eq!((&shown["ok"], &shown["changed"]), (&json!(false), &json!(false)));
    assert_eq!((current(&env), version(&env).as_str()), (folder(&env, 2), "2.0"));
    assert_eq!(
        fs_err::read(&certificate).unwrap(),
        before,
        "the certificate was changed"
    );
    assert_eq!(history(&env)["entries"].as_array().unwrap().len(), 2);
    env.matenv(&["rollback", "demo", "--to", "1", "--no-verify"]).exits(0);
    assert_eq!(current(&env), broken);
}

#[test]
fn damaged_and_missing_generations_are_listed_and_refused() {
    let env = two_generations("");
    assert_error!(
        env,
        "unknown_generation",
        env.matenv(&["rollback", "demo", "--to", "7"]).exits(2)
    );
    assert_error!(
        env,
        "diff_unknown_generation",
        env.matenv(&["diff", "demo", "7"]).exits(2)
    );
    let record = folder(&env, 1).join("share/matenv/generation.json");
    let whole = fs_err::read(&record).unwrap();
    for damage in [&b""[..], &whole[..whole.len() / 2], b"[]", b"\xff"] {
        fs_err::write(&record, damage).unwrap();
        let shown = history(&env);
        assert_eq!(shown["generations"][1]["damaged"], true, "{shown:#}");
        assert_eq!(shown["generations"][0]["damaged"], false);
        env.matenv(&["history", "demo"]).exits(0).says("damaged");
    }
    assert_error!(
        env,
        "damaged_generation",
        env.matenv(&["rollback", "demo", "--to", "1"]).exits(5)
    );
    assert_error!(
        env,
        "pin_damaged_generation",
        env.matenv(&["pin", "demo", "1"]).exits(5)
    );
    env.matenv(&["rollback", "demo"]).exits(2);
    fs_err::remove_file(&record).unwrap();
    assert_eq!(history(&env)["generations"][1]["damaged"], true);
    // Its lock is missing.
    fs_err::write(&record, &whole).unwrap();
    fs_err::remove_file(folder(&env, 1).join("share/matenv/lock.json")).unwrap();
    assert_eq!(history(&env)["generations"][1]["packages"], Value::Null);
    env.matenv(&["diff", "demo", "1", "2"]).exits(1);
    assert_error!(
        env,
        "generations_not_installed",
        env.matenv(&["history", "other"]).exits(2)
    );
    for command in [&["rollback", "other"][..], &["diff", "other", "1"], &["pin", "other"]] {
        env.matenv(command).exits(2).says("`other` is not installed");
    }
}

/// Before, only a new installation helped.
#[test]
fn an_environment_whose_current_generation_is_lost_is_rolled_back() {
    let lose: [fn(&Path); 3] = [
        |prefix| fs_err::remove_dir_all(prefix).unwrap(),
        |prefix| fs_err::write(prefix.join("share/matenv/generation.json"), "{").unwrap(),
        |prefix| fs_err::remove_file(prefix.join("share/matenv/generation.json")).unwrap(),
    ];
    let env = two_generations("");
    for lose in lose {
        let lost = current(&env);
        lose(&lost);
        let found = env.matenv(&["doctor", "demo", "--offline", "--json"]).exits(6).json();
        let remedy = found["findings"][0]["remedy"].as_str().unwrap();
        assert!(remedy.contains("matenv rollback demo   or   "), "{remedy}");
        assert_error!(
            env,
            "pin_without_a_current_generation",
            env.matenv(&["pin", "demo"]).exits(6)
        );
        env.matenv(&["rollback", "demo"])
            .exits(0)
            .says("generation 1 is current now, instead of ");
        assert_eq!((current(&env), version(&env).as_str()), (folder(&env, 1), "1.0"));
        env.install_demo(&index(&["1.0", "2.0"]).url(), &["--upgrade"]).exits(0);
    }
}

#[test]
fn settings_are_saved_and_restored_on_request() {
    let env = two_generations("\"~/.demo\", \"~/.demorc\"");
    let config = env.home().join(".demo/config");
    let write = |text: &str| {
        fs_err::create_dir_all(config.parent().unwrap()).unwrap();
        fs_err::write(&config, text).unwrap();
    };
    let text = || fs_err::read_to_string(&config).unwrap();
    env.matenv(&["rollback", "demo", "--no-verify"]).exits(0);
    write("one");
    env.matenv(&["rollback", "demo", "--to", "2", "--no-verify"]).exits(0);
    write("two");
    // Without the option they stay, and the change is reported.
    let shown = env
        .matenv(&["rollback", "demo", "--to", "1", "--no-verify", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&shown["changed_settings"], text().as_str()),
        (&json!(["~/.demo"]), "two")
    );
    // They can be restored later. The replaced ones are kept.
    let restore = ["rollback", "demo", "--to", "1", "--with-settings"];
    env.matenv(&restore)
        .exits(0)
        .says("generation 1 is already current")
        .says("restored ~/.demo")
        .says("left ~/.demorc as it is: it did not exist then")
        .says("the replaced settings are in ");
    assert_eq!(text(), "one");
    let replaced = folder(&env, 1).join("share/matenv/settings-replaced");
    let [copy] = fs_err::read_dir(replaced)
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(fs_err::read_to_string(copy.path().join("0/config")).unwrap(), "two");
    env.matenv(&restore)
        .exits(0)
        .says("left ~/.demo as it is: it has not changed");
    // Bug: the second run removed the only copy of the replaced settings.
    assert_eq!(fs_err::read_to_string(copy.path().join("0/config")).unwrap(), "two");

    write("one, changed");
    env.matenv(&["rollback", "demo", "--to", "2", "--no-verify", "--with-settings"])
        .exits(0)
        .says("restored ~/.demo");
    assert_eq!(text(), "two");
    env.matenv(&["rollback", "demo", "--to", "1", "--no-verify", "--with-settings"])
        .exits(0);
    assert_eq!(text(), "one, changed");
    // A new generation saves them too: in the one that it replaces, and in itself.
    write("three");
    env.install_demo(&index(&["3.0"]).url(), &["--upgrade"]).exits(0);
    for number in [1, 3] {
        let list = fs_err::read_to_string(folder(&env, number).join("share/matenv/settings.json")).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let copy = format!("share/matenv/settings/{}/0/config", list["folder"].as_str().unwrap());
        assert_eq!(
            fs_err::read_to_string(folder(&env, number).join(copy)).unwrap(),
            "three"
        );
    }
}

#[test]
fn invalid_paths_of_settings_are_errors_of_the_manifest() {
    for (name, settings) in [("outside", "\"~/../x\""), ("nested", "\"~/.demo\", \"~/.demo/x\"")] {
        let env = TestEnv::new();
        let folder = env.manifest(APP);
        let manifest = folder.join("demo.toml");
        let text = fs_err::read_to_string(&manifest).unwrap();
        let text = text.replace("default = true", &format!("default = true\nsettings = [{settings}]"));
        fs_err::write(&manifest, text).unwrap();
        let ran = env.matenv(&["plan", "demo", "--manifest-dir", folder.to_str().unwrap()]);
        assert_error!(env, format!("settings_{name}"), ran.exits(2));
    }
}
