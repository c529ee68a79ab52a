//! The generations of an environment: `history`, `diff`, `pin` and `rollback`.

mod rollback;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{DEAD_INDEX, Index, Options, TestEnv, Wheel, filters};

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
    let mut name = name.map(|name| name.into_string().unwrap());
    store.join(name.rfind(|name| name.starts_with(&prefix)).unwrap())
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

/// Removes the spaces of a table, whose number depends on names and sizes.
fn unaligned(table: &str) -> String {
    let lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
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
    let who = before["entries"][0]["who"].as_str().unwrap();
    let table = unaligned(&shown.stdout).replace(&format!(" {who} "), " [USER] ");
    filters.bind(|| insta::assert_snapshot!("history", table));

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
