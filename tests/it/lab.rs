//! The file of a lab, which every command in its folder and below uses.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{DEAD_CHANNEL, Index, Options, Ran, TestEnv, Wheel, assert_error};

/// Runs matenv in `folder`.
fn within(env: &TestEnv, folder: &Path, arguments: &[&str]) -> Ran {
    env.command(arguments).current_dir(folder).output().unwrap().into()
}

/// Creates a lab with this `matenv.toml`, and returns its folder and a subfolder.
fn lab(env: &TestEnv, text: &str) -> (PathBuf, PathBuf) {
    let root = env.path("the lab");
    let below = root.join("videos/run 1");
    fs_err::create_dir_all(&below).unwrap();
    fs_err::write(root.join("matenv.toml"), text).unwrap();
    (root, below)
}

/// Returns the reason for a requirement in a plan.
fn because<'a>(plan: &'a Value, requirement: &str) -> Option<&'a str> {
    let choices = plan["choices"].as_array().unwrap();
    choices
        .iter()
        .find(|choice| choice["what"] == "requirement" && choice["chosen"] == requirement)
        .map(|choice| choice["because"].as_str().unwrap())
}

#[test]
fn init_then_add_then_plan_shows_the_package_with_its_reason() {
    let env = TestEnv::new();
    let root = env.path("the lab");
    env.matenv(&["init", "the lab"])
        .exits(0)
        .says("matenv.toml with sleap, x-anylabeling")
        .says("next: cd 'the lab' && matenv install");
    assert_error!(env, "init_in_a_lab", within(&env, &root, &["init"]).exits(2));
    within(&env, &root, &["add", "sleap", "ipykernel>=6", "sleap-nn<0.2.9"])
        .exits(0)
        .says("added ipykernel>=6 to sleap in")
        .says("next: matenv install sleap");
    let cpu = ["--profile", "cpu", "--json"];
    let plan = within(&env, &root, &[&["plan", "sleap"], &cpu[..]].concat())
        .exits(0)
        .json();
    assert_eq!(because(&plan, "ipykernel>=6"), Some("matenv.toml adds it"));
    let joined = because(&plan, "sleap-nn>=0.1,<0.3,<0.2.9").unwrap();
    assert!(joined.ends_with("; matenv.toml adds it"), "{joined}");
    // It applies neither to another environment nor outside the lab.
    let other = within(&env, &root, &[&["plan", "sleap", "--name", "mine"], &cpu[..]].concat());
    assert_eq!(because(&other.exits(0).json(), "ipykernel>=6"), None);
    let outside = env.matenv(&[&["plan", "sleap"], &cpu[..]].concat()).exits(0).json();
    assert_eq!(because(&outside, "ipykernel>=6"), None);
}

#[test]
fn a_command_without_a_name_uses_the_listed_environments() {
    let env = TestEnv::new();
    let (_, below) = lab(
        &env,
        "[environments.labels]\nmanifest = \"x-anylabeling\"\nprofiles = [\"cpu\"]\npackages = [\"tqdm\"]\n\
         [environments.runtime]\n",
    );
    let plan = within(&env, &below, &["plan", "--json"]).exits(0).json();
    let environments = plan["environments"].as_array().unwrap();
    let names: Vec<_> = environments.iter().map(|one| &one["env"]).collect();
    assert_eq!(names, ["labels", "runtime"]);
    let profile = &environments[0]["choices"][0];
    assert_eq!(
        (&profile["chosen"], &profile["because"]),
        (&"cpu".into(), &"you asked for it".into())
    );
    assert_eq!(because(&environments[0], "tqdm"), Some("matenv.toml adds it"));
    let named = within(&env, &below, &["plan", "labels", "--json"]).exits(0).json();
    assert_eq!(&named, &environments[0]);
    within(&env, &below, &["plan", "sleap", "--profile", "cpu"]).exits(0);
    assert_error!(
        env,
        "unknown_environment",
        within(&env, &below, &["plan", "lables"]).exits(2)
    );
    assert_error!(
        env,
        "run_of_an_environment_that_is_not_installed",
        within(&env, &below, &["run", "labels", "--", "python"]).exits(2)
    );
}

#[test]
fn the_manifests_and_mirrors_of_the_lab_apply_in_its_subfolders() {
    let env = TestEnv::new();
    let (root, below) = lab(&env, "[mirrors]\nconda-forge = \"file:///srv/channel\"\n");
    let manifests = env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    fs_err::rename(manifests, root.join("manifests")).unwrap();
    let plan = within(&env, &below, &["plan", "demo", "--profile", "cpu", "--json"])
        .exits(0)
        .json();
    let choices = plan["choices"].as_array().unwrap();
    assert!(
        choices.iter().any(|choice| choice["what"] == "source conda-forge"),
        "{plan:#}"
    );
    let info = within(&env, &below, &["self", "info", "--json"]).exits(0).json();
    assert_eq!(info["configuration"], serde_json::json!([root.join("matenv.toml")]));
    // Outside the lab, the built-in manifests apply.
    env.matenv(&["plan", "demo"]).exits(2);
}

#[test]
fn packages_of_the_lab_are_installed() {
    let env = TestEnv::new().with_uv();
    let wheels = [
        Wheel::new("demo-app", "1.0"),
        Wheel::new("demo-lib", "1.2"),
        Wheel::new("demo-lib", "2.0"),
    ];
    let index = Index::serve(&wheels, Options::default());
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let channel = DEAD_CHANNEL.split_once('=').unwrap().1;
    let (root, _) = lab(
        &env,
        &format!(
            "[environments.mine]\nmanifest = \"demo\"\nprofiles = [\"cpu\"]\n\
             [mirrors]\npypi = \"{}\"\nconda-forge = \"{channel}\"\n",
            index.url()
        ),
    );
    fs_err::rename(env.path("manifests"), root.join("manifests")).unwrap();
    let install = |more: &[&str]| within(&env, &root, &[&["install", "--no-bench", "--json"], more].concat());
    let first = install(&[]).exits(0).json();
    assert_eq!(first["environments"][0]["env"], "mine");
    within(&env, &root, &["add", "mine", "demo-lib<2"]).exits(0);
    let second = install(&["mine"]).exits(0).json();
    assert_eq!((&second["changed"], &second["generation"]), (&true.into(), &2.into()));
    let version = "import demo_lib; print('version', demo_lib.__version__)";
    env.matenv(&["run", "mine", "--", "python", "-c", version])
        .exits(0)
        .says("version 1.2");
    assert_eq!(install(&["mine"]).exits(0).json()["changed"], false);
    within(&env, &root, &["add", "mine", "demo-lib>=3"]).exits(0);
    assert_error!(
        env,
        "package_without_such_a_release",
        within(&env, &root, &["install", "mine", "--no-bench"]).exits(3)
    );
    within(&env, &root, &["remove-package", "mine", "demo-lib"]).exits(0);
    install(&["mine"]).exits(0);
    env.matenv(&["run", "mine", "--", "python", "-c", version]).exits(1);
}

#[test]
fn add_and_remove_package_change_only_their_line_of_the_file() {
    let env = TestEnv::new();
    let text = "# Our lab.\n[environments.sleap]\npackages = [\n  \"ipykernel\", # notebooks\n]\n\n[lock] # later\n";
    let (root, below) = lab(&env, text);
    let file = root.join("matenv.toml");
    let replaced = within(&env, &below, &["add", "sleap", "ipykernel>=6", "--json"])
        .exits(0)
        .json();
    insta::assert_snapshot!(replaced.to_string().replace(file.to_str().unwrap(), "FILE"), @r#"{"schema":1,"ok":true,"changed":true,"file":"FILE","env":"sleap","alone":false,"changes":[{"before":"ipykernel","after":"ipykernel>=6"}],"next":"matenv install sleap"}"#);
    assert_eq!(
        fs_err::read_to_string(&file).unwrap(),
        text.replace("\"ipykernel\"", "\"ipykernel>=6\"")
    );
    within(&env, &below, &["add", "sleap", "ipykernel>=6"])
        .exits(0)
        .says("ipykernel>=6 is already in");
    within(&env, &below, &["add", "sleap", "IPykernel>=7"])
        .exits(0)
        .says("replaced ipykernel>=6 by IPykernel>=7 for sleap");
    fs_err::write(root.join("matenv.lock"), "").unwrap();
    within(&env, &below, &["remove-package", "sleap", "ipykernel"])
        .exits(0)
        .says("removed IPykernel>=7 from sleap")
        .says("next: matenv lock");
    assert_eq!(
        fs_err::read_to_string(&file).unwrap(),
        text.replace("\n  \"ipykernel\", # notebooks\n", "\n")
    );
    assert_eq!(
        within(&env, &below, &["add", "sleap", "tqdm", "-q"]).exits(0).stdout,
        ""
    );
}

#[test]
fn adding_the_first_environment_warns_that_install_is_limited_to_it() {
    let env = TestEnv::new();
    let (root, _) = lab(&env, "");
    within(&env, &root, &["add", "runtime", "tqdm"])
        .exits(0)
        .says("`matenv install` without a name now installs only runtime");
    within(&env, &root, &["add", "sleap", "tqdm"]).exits(0);
    let file = fs_err::read_to_string(root.join("matenv.toml")).unwrap();
    assert_eq!(
        file,
        "[environments.runtime]\npackages = [\"tqdm\"]\n\n[environments.sleap]\npackages = [\"tqdm\"]\n"
    );
}

#[test]
fn init_copies_the_manifests() {
    let env = TestEnv::new();
    let created = env
        .matenv(&["init", "mine", "--env", "runtime", "--manifests", "--json"])
        .exits(0)
        .json();
    assert_eq!(created["environments"], serde_json::json!(["runtime"]));
    assert_eq!(created["manifests"].as_array().unwrap().len(), 3);
    let root = env.path("mine");
    let manifest = root.join("manifests/runtime.toml");
    let text = fs_err::read_to_string(&manifest).unwrap();
    fs_err::write(
        &manifest,
        text.replace("requirement = \"numpy", "requirement = \"numpy!=9,"),
    )
    .unwrap();
    let plan = within(&env, &root, &["plan", "--profile", "cpu"]).exits(0);
    assert!(plan.stdout.contains("numpy!=9,"), "{plan}");
    // `init` does not overwrite existing manifests.
    fs_err::remove_file(root.join("matenv.toml")).unwrap();
    assert_error!(
        env,
        "init_with_existing_manifests",
        within(&env, &root, &["init", "--manifests"]).exits(2)
    );
    assert_error!(
        env,
        "init_with_an_unknown_environment",
        within(&env, &root, &["init", "--env", "runtme"]).exits(2)
    );
    within(&env, &root, &["init"]).exits(0);
}

#[test]
fn errors_name_the_line_and_the_next_command() {
    let env = TestEnv::new();
    for command in ["add", "remove-package"] {
        assert_error!(
            env,
            format!("{command}_outside_a_lab"),
            env.matenv(&[command, "sleap", "tqdm"]).exits(2)
        );
    }
    let (root, below) = lab(&env, "[environments.sleap]\npackages = [\"ipykernel\"]\n");
    assert_error!(
        env,
        "package_that_was_not_added",
        within(&env, &below, &["remove-package", "sleap", "ipykernal"]).exits(2)
    );
    assert_error!(
        env,
        "invalid_requirement",
        within(&env, &below, &["add", "sleap", "tqdm=4"]).exits(2)
    );
    assert_error!(
        env,
        "add_to_an_unknown_environment",
        within(&env, &below, &["add", "slaep", "tqdm"]).exits(2)
    );
    let document = within(&env, &below, &["add", "slaep", "tqdm", "--json"])
        .exits(2)
        .json();
    assert_eq!(document["error"]["code"], "environment::unknown");

    fs_err::write(root.join("matenv.toml"), "[environments.sleap]\npakages = []\n").unwrap();
    assert_error!(env, "unknown_lab_field", within(&env, &below, &["plan"]).exits(2));
    fs_err::write(root.join("matenv.toml"), "[environments.mine]\n").unwrap();
    assert_error!(env, "unknown_manifest", within(&env, &below, &["install"]).exits(2));
}
