//! Several environments in one run, and the dry run of an installation.

use crate::support::{DEAD_CHANNEL, Index, Options, Ran, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[probe]]\nname = \"import\"\npython = \"import demo_app\"\n";

/// Adds a second default environment `other` with this requirement.
fn second(env: &TestEnv, requirement: &str) {
    let folder = env.manifest(APP);
    let text = fs_err::read_to_string(folder.join("demo.toml")).unwrap();
    let text = text
        .replace("name = \"demo\"", "name = \"other\"")
        .replace(
            "requirement = \"demo-app\"",
            &format!("requirement = \"{requirement}\""),
        )
        .replace("import demo_app", "import demo_lib");
    fs_err::write(folder.join("other.toml"), text).unwrap();
}

fn install_all(env: &TestEnv, index: &Index, more: &[&str]) -> Ran {
    let (mirror, folder) = (format!("pypi={}", index.url()), env.path("manifests"));
    let mut arguments = vec!["install", "--profile", "cpu", "--no-bench", "--mirror", &mirror];
    arguments.extend(["--mirror", DEAD_CHANNEL, "--manifest-dir", folder.to_str().unwrap()]);
    arguments.extend(more);
    env.matenv(&arguments)
}

fn index() -> Index {
    let wheels = [Wheel::new("demo-app", "1.0"), Wheel::new("demo-lib", "1.2")];
    Index::serve(&wheels, Options::default())
}

#[test]
fn install_without_a_name_installs_every_default_environment() {
    let env = TestEnv::new().with_uv();
    second(&env, "demo-lib");
    let index = index();
    let document = install_all(&env, &index, &["--json"]).exits(0).json();
    let environments = document["environments"].as_array().unwrap();
    let names: Vec<_> = environments.iter().map(|one| &one["env"]).collect();
    assert_eq!(names, ["demo", "other"]);
    assert!(environments.iter().all(|one| one["changed"] == true), "{document:#}");
    for name in ["demo", "other"] {
        env.matenv(&["run", name, "--", "python", "-c", "pass"]).exits(0);
    }
    let again = install_all(&env, &index, &[]).exits(0);
    assert!(again.stdout.contains("environment  state"), "no table: {again}");
}

#[test]
fn a_failed_environment_does_not_stop_the_other() {
    let env = TestEnv::new().with_uv();
    second(&env, "no-such-package");
    let index = index();
    let document = install_all(&env, &index, &["--json"]).exits(3).json();
    let environments = document["environments"].as_array().unwrap();
    assert_eq!(
        (&document["ok"], &environments[0]["changed"]),
        (&false.into(), &true.into())
    );
    assert_eq!(environments[1]["error"]["exit"], 3);
    env.matenv(&["run", "demo", "--", "python", "-c", "import demo_app"])
        .exits(0);
    install_all(&env, &index, &[])
        .exits(3)
        .says("no-such-package")
        .says("not created");
}

#[test]
fn a_dry_run_estimates_the_size_and_installs_nothing() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let wheels = [Wheel::new("demo-app", "1.0").padding(2_000_000)];
    let index = Index::serve(&wheels, Options::default());
    let plan = env.install_demo(&index.url(), &["--dry-run", "--json"]).exits(0).json();
    assert_eq!(plan["changed"], true);
    assert_eq!(plan["packages"].as_array().unwrap().len(), 2);
    // The index lists no sizes, like many others, so matenv requests the headers of the files.
    assert_eq!(plan["need"]["all"]["unknown"], 0, "{plan:#}");
    let bytes = plan["need"]["all"]["download_bytes"].as_u64().unwrap();
    assert!(bytes > 2_000_000, "{plan:#}");
    let places: Vec<_> = plan["places"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["variable"])
        .collect();
    assert_eq!(places, ["MATENV_HOME", "UV_CACHE_DIR", "RATTLER_CACHE_DIR"]);
    assert_eq!(plan["places"][1]["shares_with_store"], true);
    let left = fs_err::read_dir(env.home().join(".matenv/store")).unwrap().count();
    assert_eq!(left, 0, "a generation was left");
    assert!(!env.home().join(".conda").exists());

    env.install_demo(&index.url(), &[]).exits(0);
    env.install_demo(&index.url(), &["--dry-run"])
        .exits(0)
        .says("nothing to do");
    let (mirror, folder) = (format!("pypi={}", index.url()), env.path("manifests"));
    let folder = folder.to_str().unwrap();
    env.matenv(&[
        "plan",
        "demo",
        "--profile",
        "cpu",
        "--mirror",
        &mirror,
        "--manifest-dir",
        folder,
    ])
    .exits(0)
    .says("files, as in the installed environment");
}

#[test]
fn the_time_of_each_part_is_written_as_a_trace() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index();
    let trace = env.path("trace.json");
    env.install_demo(&index.url(), &["--timings", trace.to_str().unwrap()])
        .exits(0);
    let events: Vec<serde_json::Value> = serde_json::from_str(&fs_err::read_to_string(trace).unwrap()).unwrap();
    for name in ["solve", "link", "resolve", "wheels", "verify", "probe"] {
        let phases: Vec<_> = events
            .iter()
            .filter(|event| event["name"] == name)
            .map(|event| event["ph"].as_str().unwrap())
            .collect();
        assert_eq!(phases, ["b", "e"], "{name}");
    }
}

/// In an older version, the second environment became the next generation of the first.
#[test]
fn a_name_for_several_environments_is_refused() {
    let env = TestEnv::new().with_uv();
    second(&env, "demo-lib");
    let index = index();
    for more in [&["--name", "foo"][..], &["--name", "foo", "--dry-run"]] {
        let name = ["name_for_several_environments", "name_for_several_environments_dry_run"][more.len() - 2];
        assert_error!(env, name, install_all(&env, &index, more).exits(2));
    }
    assert!(!env.home().join(".matenv/store").exists());
    // An environment that is named twice is still one environment.
    let document = env
        .install_demo(&index.url(), &["demo", "--name", "foo", "--json"])
        .exits(0)
        .json();
    assert_eq!(document["environments"].as_array().map_or(1, Vec::len), 1);
}
