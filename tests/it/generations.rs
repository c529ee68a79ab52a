//! The generations of an environment: `history`, `diff`, `pin` and `rollback`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{DEAD_INDEX, Index, Options, TestEnv, Wheel, assert_error, filters};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[probe]]\nname = \"imports\"\npython = \"import demo_app; print(demo_app.__version__)\"\n";

fn index(versions: &[&str]) -> Index {
    let wheels: Vec<Wheel> = versions.iter().map(|version| Wheel::new("demo-app", version)).collect();
    Index::serve(&wheels, Options::default())
}

/// Returns an environment with generation 1 of version 1.0 and the current generation 2 of version 2.0.
fn two_generations(settings: &str) -> TestEnv {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let manifest = env.path("manifests/demo.toml");
    let text = fs_err::read_to_string(&manifest).unwrap();
    let text = text.replace("default = true", &format!("default = true\nsettings = [{settings}]"));
    fs_err::write(&manifest, text).unwrap();
    env.install_demo(&index(&["1.0"]).url(), &[]).exits(0);
    set_proven(&env, 1);
    env.install_demo(&index(&["1.0", "2.0"]).url(), &["--upgrade"]).exits(0);
    env
}

fn folder(env: &TestEnv, number: u64) -> PathBuf {
    let prefix = format!("demo-{number}.");
    let store = env.home().join(".matenv/store");
    let name = env.names_in(".matenv/store").into_iter();
    let name = name.map(|name| name.into_string().unwrap());
    store.join(name.filter(|name| name.starts_with(&prefix)).next_back().unwrap())
}

/// Marks a generation as proven: the tests skip the benchmark, which needs ONNX Runtime.
fn set_proven(env: &TestEnv, number: u64) {
    edit_record(env, number, |record| {
        record["proven"] = json!(true);
        record["ok"] = json!(true);
    });
}

fn edit_record(env: &TestEnv, number: u64, edit: impl FnOnce(&mut Value)) {
    let file = folder(env, number).join("share/matenv/generation.json");
    let mut record: Value = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    edit(&mut record);
    fs_err::write(&file, record.to_string()).unwrap();
}

fn current(env: &TestEnv) -> PathBuf {
    fs_err::read_link(env.home().join(".matenv/envs/demo")).unwrap()
}

fn version(env: &TestEnv) -> String {
    let code = "import demo_app; print(demo_app.__version__)";
    let ran = env.matenv(&["run", "demo", "--", "python", "-c", code]).exits(0);
    ran.stdout.trim().to_owned()
}

fn history(env: &TestEnv) -> Value {
    env.matenv(&["history", "demo", "--json"]).exits(0).json()
}

/// Returns action, generation and the generation before of each entry, the newest first.
fn entries(history: &Value) -> Vec<(String, Option<u64>, Option<u64>)> {
    let entries = history["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let action = entry["action"].as_str().unwrap().to_owned();
            (action, entry["generation"].as_u64(), entry["before"].as_u64())
        })
        .collect()
}

fn entry(action: &str, generation: u64, before: impl Into<Option<u64>>) -> (String, Option<u64>, Option<u64>) {
    (action.to_owned(), Some(generation), before.into())
}

/// Replaces the dates, the user's name and the sizes in a table.
fn table(text: &str) -> String {
    let mut filters = filters();
    filters.add_filter(r"20\d\d-\d\d-\d\d \d\d:\d\d", "[DATE]");
    let who = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = format!(":{}:", rustix::process::geteuid().as_raw());
    let user = who
        .lines()
        .find(|line| line.contains(&uid))
        .and_then(|line| line.split(':').next());
    text.lines()
        .map(|line| {
            let line = match user {
                Some(user) => line.replace(&format!(" {user} "), " [USER] "),
                None => line.to_owned(),
            };
            // The widths of the columns depend on the name and the sizes.
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_upgrade_can_be_seen_compared_and_rolled_back() {
    let env = two_generations("");
    let before = history(&env);
    assert_eq!(entries(&before), [entry("install", 2, 1), entry("install", 1, None)]);
    assert_eq!(before["current"], 2);
    let change = json!([{
        "kind": "pypi", "name": "demo-app", "before": { "version": "1.0" }, "after": { "version": "2.0" }
    }]);
    assert_eq!(before["entries"][0]["packages"], change);
    assert_eq!(
        before["entries"][0]["counts"],
        json!({ "added": 0, "removed": 0, "changed": 1 })
    );
    assert!(before["entries"][0]["who"].is_string(), "{before:#}");
    assert_eq!(before["generations"][1]["proven"], true);
    let shown = env.matenv(&["history", "demo"]).exits(0);
    let mut filters = filters();
    filters.add_filter(r"20\d\d-\d\d-\d\d \d\d:\d\d", "[DATE]");
    filters.bind(|| insta::assert_snapshot!("history", table(&shown.stdout)));

    let diff = env.matenv(&["diff", "demo", "1", "2", "--json"]).exits(0).json();
    assert_eq!(diff["packages"], change);
    assert_eq!(
        (&diff["before"]["generation"], &diff["after"]["generation"]),
        (&1.into(), &2.into())
    );
    let shown = env.matenv(&["diff", "demo", "1"]).exits(0);
    filters.bind(|| insta::assert_snapshot!("diff", shown.stdout));
    env.matenv(&["diff", "demo", "2", "2"])
        .exits(0)
        .says("the packages are the same");

    let shown = env
        .matenv(&["rollback", "demo", "--mirror", &format!("pypi={DEAD_INDEX}")])
        .exits(0);
    filters.bind(|| insta::assert_snapshot!("rollback", shown.stdout));
    assert_eq!((current(&env), version(&env).as_str()), (folder(&env, 1), "1.0"));
    let conda_link = env.home().join(".conda/envs/demo");
    assert_eq!(
        fs_err::canonicalize(conda_link).unwrap(),
        fs_err::canonicalize(folder(&env, 1)).unwrap()
    );
    let after = history(&env);
    assert_eq!(entries(&after)[0], entry("rollback", 1, 2));
    assert_eq!(after["current"], 1);
    let listed = env.matenv(&["list", "--json"]).exits(0).json();
    assert_eq!(listed["environments"][0]["generation"], 1);
    let report = env.matenv(&["report", "demo", "--json"]).exits(0).json();
    assert_eq!(report["generation"], 1);

    let again = env.matenv(&["rollback", "demo", "--to", "1", "--json"]).exits(0).json();
    assert_eq!(
        (&again["changed"], &again["certificate"]),
        (&json!(false), &Value::Null)
    );
    env.matenv(&["rollback", "demo", "--to", "2", "--offline"])
        .exits(0)
        .says("generation 2 is current now, instead of 1")
        .says("it was never proven");
    assert_eq!(version(&env), "2.0");
}

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
fn pins_are_shown_and_removed() {
    let env = two_generations("");
    env.matenv(&["pin", "demo"])
        .exits(0)
        .says("demo: generation 2 is pinned");
    env.matenv(&["pin", "demo", "1"])
        .exits(0)
        .says("demo: generation 1 is pinned");
    env.matenv(&["pin", "demo", "1"])
        .exits(0)
        .says("generation 1 is already pinned");
    let pinned = |env: &TestEnv| -> Vec<bool> {
        let shown = history(env);
        let generations = shown["generations"].as_array().unwrap().iter();
        generations.map(|one| one["pinned"].as_bool().unwrap()).collect()
    };
    assert_eq!(pinned(&env), [true, true]);
    let shown = env.matenv(&["pin", "demo", "1", "--remove", "--json"]).exits(0).json();
    assert_eq!((&shown["pinned"], &shown["was_pinned"]), (&json!(false), &json!(true)));
    env.matenv(&["pin", "demo", "1", "--remove"])
        .exits(0)
        .says("generation 1 is not pinned");
    assert_eq!(pinned(&env), [true, false]);
    env.matenv(&["remove", "demo"]).exits(0);
    let state = env.names_in(".matenv/state");
    assert!(
        !state.iter().any(|name| name.to_string_lossy().ends_with(".pinned")),
        "{state:?}"
    );
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

/// Of generations of an older version, only the record is known.
#[test]
fn generations_without_events_are_in_the_history() {
    let env = two_generations("");
    let file = env.home().join(".matenv/state/demo.history");
    let text = fs_err::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    fs_err::remove_file(&file).unwrap();
    edit_record(&env, 1, |record| {
        record.as_object_mut().unwrap().remove("created_by");
    });
    let shown = history(&env);
    assert_eq!(entries(&shown), [entry("install", 2, 1), entry("install", 1, None)]);
    assert_eq!(shown["entries"][0]["packages"][0]["name"], "demo-app");
    assert_eq!(shown["entries"][1]["who"], Value::Null);
    // A crash cut the last line.
    fs_err::write(&file, &text[..text.len() - 5]).unwrap();
    assert_eq!(
        entries(&history(&env)),
        [entry("install", 2, 1), entry("install", 1, None)]
    );
    env.matenv(&["rollback", "demo", "--no-verify"]).exits(0);
    assert_eq!(entries(&history(&env))[0], entry("rollback", 1, 2));
}

#[test]
fn the_history_shows_repairs_and_removals_and_stays_after_them() {
    let env = two_generations("");
    let site_packages = matenv::files::layout::site_packages_of(&folder(&env, 2)).unwrap();
    fs_err::remove_file(site_packages.join("demo_app/__init__.py")).unwrap();
    let index = index(&["2.0"]);
    let mirror = format!("pypi={}", index.url());
    env.matenv(&["repair", "demo", "--no-bench", "--mirror", &mirror])
        .exits(0);
    let shown = history(&env);
    assert_eq!(entries(&shown)[0], entry("repair", 3, 2));
    assert_eq!(shown["entries"][0]["packages"], json!([]), "{shown:#}");
    env.matenv(&["remove", "demo"]).exits(0);
    let shown = history(&env);
    assert_eq!(shown["entries"][0]["action"], "remove");
    assert_eq!((&shown["current"], &shown["generations"]), (&Value::Null, &json!([])));
    env.matenv(&["history", "demo"]).exits(0).says("removed generation ");
    env.matenv(&["rollback", "demo"]).exits(2).says("is not installed");
    // Numbers start again, and the new generation 1 is another one.
    env.install_demo(&index.url(), &[]).exits(0);
    let shown = history(&env);
    assert_eq!(entries(&shown)[0], entry("install", 1, None));
    assert_eq!(shown["entries"].as_array().unwrap().len(), 5);
    let states = env.matenv(&["history", "demo"]).exits(0);
    assert_eq!(states.stdout.matches("not proven, current").count(), 1, "{states}");
}

/// A store that an administrator installed can be read by everyone and written by nobody else.
#[cfg(target_os = "linux")]
#[test]
fn history_and_diff_work_in_a_store_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(env) = two_generations("").without_privileges() else {
        return;
    };
    let home = env.home().join(".matenv");
    let set = |write: bool| {
        let mut folders = vec![home.clone()];
        while let Some(folder) = folders.pop() {
            let mode = if write { 0o755 } else { 0o555 };
            fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
            for entry in fs_err::read_dir(&folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
    };
    let before = env.files_in_home();
    set(false);
    let shown = [
        env.matenv(&["history", "demo"]),
        env.matenv(&["diff", "demo", "1", "2"]),
        env.matenv(&["rollback", "demo", "--to", "1", "--no-verify"]),
    ];
    set(true);
    let [history, diff, rollback] = shown;
    history.exits(0).says("proven");
    diff.exits(0).says("demo-app");
    rollback.exits(1);
    assert_eq!(env.files_in_home(), before);
    assert_eq!(current(&env), folder(&env, 2));
}

#[test]
fn a_second_generation_uses_little_disk_space_of_its_own() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let app = |version: &str| Wheel::new("demo-app", version).requires("demo-lib");
    // Random bytes, as zeros compress to nothing.
    let bytes: Vec<u8> = (0..4_000_000_u64).map(|at| (at * at / 7 % 251) as u8).collect();
    let lib = Wheel::new("demo-lib", "1.0").file("demo_lib/weights.bin", bytes);
    // One index: uv keeps the wheels of each index for itself.
    let index = Index::serve(&[app("1.0"), app("2.0"), lib], Options::default());
    let manifest = env.path("manifests/demo.toml");
    let text = fs_err::read_to_string(&manifest).unwrap();
    for version in ["1.0", "2.0"] {
        let requirement = format!("\"demo-app=={version}\"");
        fs_err::write(&manifest, text.replace("\"demo-app\"", &requirement)).unwrap();
        env.install_demo(&index.url(), &[]).exits(0);
    }
    let shown = history(&env);
    let own = |index: usize| shown["generations"][index]["own_bytes"].as_u64().unwrap();
    assert!(own(0) < 200_000 && own(1) < 200_000, "{} and {}", own(0), own(1));
    let diff = env.matenv(&["diff", "demo", "1", "2", "--json"]).exits(0).json();
    assert!(diff["after"]["bytes"].as_u64().unwrap() > 4_000_000, "{diff:#}");
}
