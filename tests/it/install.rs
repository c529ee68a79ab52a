//! An environment is installed, used, installed again and removed.

use crate::support::{DEAD_CHANNEL, Index, Options, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[probe]]\nname = \"import\"\npython = \"import demo_app; print(demo_app.__version__)\"\n";

fn app(version: &str) -> Wheel {
    Wheel::new("demo-app", version).requires("demo-lib>=1")
}

fn index() -> Index {
    Index::serve(&[app("1.0"), Wheel::new("demo-lib", "1.2")], Options::default())
}

#[test]
fn an_environment_is_installed_used_and_removed() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index();
    let certificate = env.install_demo(&index.url(), &["--json"]).exits(0).json();
    assert_eq!(certificate["changed"], true);
    assert_eq!(certificate["proven"], false, "the benchmark was skipped");
    assert_eq!(certificate["fallbacks"], serde_json::json!(["host-python"]));
    assert_eq!(certificate["verification"]["probes"][0]["output"], "1.0");
    assert_eq!(
        certificate["sources"]["pypi"], "mirror",
        "the certificate contains no URL of a mirror"
    );
    let names: Vec<_> = certificate["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["python", "demo-app", "demo-lib"]);

    let link = env.home().join(".matenv/envs/demo");
    let conda_link = env.home().join(".conda/envs/demo");
    assert_eq!(fs_err::read_link(&conda_link).unwrap(), link);
    assert!(link.join("conda-meta/history").is_file() && link.join("conda-meta/frozen").is_file());

    let listed = env.matenv(&["list", "--json"]).exits(0).json();
    assert_eq!(listed["environments"][0]["env"], "demo");
    env.matenv(&["info", "demo"]).exits(0).says("demo-lib");
    env.matenv(&["report", "demo"]).exits(0).says("1 of 1 passed");

    let code = "import os, sys; sys.exit(7 if 'LD_LIBRARY_PATH' not in os.environ else 1)";
    let ran = env
        .command(&["run", "demo", "--", "python", "-c", code])
        .env("LD_LIBRARY_PATH", "/bad")
        .status()
        .unwrap();
    assert_eq!(
        ran.code(),
        Some(7),
        "the exit code is passed on, the library path is not"
    );
    assert_error!(
        env,
        "unknown_command",
        env.matenv(&["run", "demo", "--", "no-such-command"]).exits(2)
    );

    env.matenv(&["remove", "demo"]).exits(0);
    assert!(fs_err::symlink_metadata(&link).is_err() && fs_err::symlink_metadata(&conda_link).is_err());
    let left = fs_err::read_dir(env.home().join(".matenv/store")).unwrap().count();
    assert_eq!(left, 0, "a generation was left");
    assert_error!(env, "not_installed", env.matenv(&["info", "demo"]).exits(2));
}

#[test]
fn a_second_run_changes_nothing_and_force_creates_a_generation_with_the_same_versions() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let first = index();
    let certificate = env
        .install_demo(&first.url(), &["--no-verify", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&certificate["generation"], &certificate["ok"]),
        (&1.into(), &false.into())
    );
    first.requests();
    let again = env
        .install_demo(&first.url(), &["--no-verify", "--json"])
        .exits(0)
        .json();
    assert_eq!((&again["changed"], &again["generation"]), (&false.into(), &1.into()));
    assert_eq!(
        first.requests(),
        Vec::<String>::new(),
        "a run with nothing to do sent requests to the index"
    );

    let forced = env
        .install_demo(&first.url(), &["--no-verify", "--force", "--json"])
        .exits(0)
        .json();
    assert_eq!((&forced["changed"], &forced["generation"]), (&true.into(), &2.into()));
    let kept = fs_err::read_dir(env.home().join(".matenv/store")).unwrap().count();
    assert_eq!(kept, 2, "the previous generation is missing");
}

#[test]
fn one_manifest_can_have_two_environments_with_two_names() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index();
    env.install_demo(&index.url(), &["--no-verify"]).exits(0);
    env.install_demo(&index.url(), &["--no-verify", "--name", "demo-two"])
        .exits(0);
    let listed = env.matenv(&["list", "--json"]).exits(0).json();
    let names: Vec<_> = listed["environments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["env"])
        .collect();
    assert_eq!(names, ["demo", "demo-two"]);
    env.matenv(&["remove", "demo"]).exits(0);
    env.matenv(&["run", "demo-two", "--", "python", "-c", "import demo_app"])
        .exits(0);
}

#[test]
fn a_failing_probe_leaves_the_old_environment_current() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index();
    env.install_demo(&index.url(), &[]).exits(0);
    let current = fs_err::read_link(env.home().join(".matenv/envs/demo")).unwrap();
    env.manifest(
        "[[pypi]]\nrequirement = \"demo-app<2\"\nbecause = \"the demo\"\n\
         [[probe]]\nname = \"fails\"\npython = \"import no_such_module\"\n\
         [[probe]]\nname = \"endless\"\ntimeout_s = 1\npython = \"import time; time.sleep(60)\"\n",
    );
    let failed = env.install_demo(&index.url(), &["--json"]).exits(6).json();
    assert_eq!(failed["ok"], false);
    let probes = failed["verification"]["probes"].as_array().unwrap();
    assert_eq!(probes[0]["finding"]["code"], "ME001");
    assert!(probes[0]["output"].as_str().unwrap().contains("no_such_module"));
    assert!(probes[1]["finding"]["message"].as_str().unwrap().contains("time limit"));
    assert_eq!(
        fs_err::read_link(env.home().join(".matenv/envs/demo")).unwrap(),
        current
    );
    assert_eq!(fs_err::read_dir(env.home().join(".matenv/store")).unwrap().count(), 1);
    env.matenv(&["run", "demo", "--", "python", "-c", "import demo_app"])
        .exits(0);
}

#[test]
fn two_installations_at_once_wait_for_each_other() {
    let env = TestEnv::new().with_uv();
    env.manifest(
        "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
         [[probe]]\nname = \"slow\"\npython = \"import time; time.sleep(2)\"\n",
    );
    let index = index();
    let (mirror, folder) = (format!("pypi={}", index.url()), env.path("manifests"));
    let arguments = ["install", "demo", "--no-bench", "--mirror", &mirror];
    let arguments = [
        &arguments[..],
        &["--mirror", DEAD_CHANNEL, "--manifest-dir", folder.to_str().unwrap()],
    ]
    .concat();
    let children = [env.spawn(&arguments), env.spawn(&arguments)];
    let outputs: Vec<String> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stderr).into_owned()
        })
        .collect();
    assert!(
        outputs.iter().any(|output| output.contains("waiting for it")),
        "{outputs:?}"
    );
}

/// matenv creates the package of the host's Python during the installation, so it is newer than any cut-off date.
#[test]
fn a_cut_off_date_does_not_exclude_the_hosts_python() {
    let env = TestEnv::new().with_uv();
    env.manifest("");
    let index = index();
    env.install_demo(&index.url(), &["--no-verify", "--exclude-newer", "2026-11-01"])
        .exits(0);
}

/// The cache does not contain the records of the channel, so matenv falls back to the host's Python, as it did online.
#[test]
fn cached_packages_are_installed_offline() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index();
    env.install_demo(&index.url(), &["--no-verify"]).exits(0);
    index.requests();
    let certificate = env
        .install_demo(&index.url(), &["--name", "demo-two", "--offline", "--json"])
        .exits(0)
        .json();
    assert_eq!(certificate["fallbacks"], serde_json::json!(["host-python"]));
    assert_eq!(
        index.requests(),
        Vec::<String>::new(),
        "an offline run sent requests to the index"
    );
}

/// `matenv install demo-two --force` would look for a manifest `demo-two`.
#[test]
fn the_remedy_of_a_named_environment_contains_its_manifest() {
    let env = TestEnv::new().with_uv();
    env.manifest(
        "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
         [[probe]]\nname = \"fails\"\npython = \"import no_such_module\"\n",
    );
    let index = index();
    env.install_demo(&index.url(), &["--name", "demo-two"])
        .exits(6)
        .says("matenv install demo --name demo-two --profile cpu --force");
    assert_error!(env, "nothing_is_installed", env.matenv(&["info", "demo-two"]).exits(2));
}

/// It would activate the other environment.
#[test]
fn conda_activate_is_not_shown_if_another_environment_has_the_name() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index();
    fs_err::create_dir_all(env.home().join(".conda/envs/demo/conda-meta")).unwrap();
    let installed = env.install_demo(&index.url(), &[]).exits(0).says("ME022");
    assert!(!installed.stdout.contains("conda activate"), "{installed}");
}
