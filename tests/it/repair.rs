//! `matenv repair`: a broken environment is installed again from its own lock.

use std::path::PathBuf;

use matenv::files::layout;

use crate::support::{Index, Options, Ran, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[probe]]\nname = \"imports\"\npython = \"import demo_app; demo_app.__version__\"\n";

fn index(versions: &[&str]) -> Index {
    let wheels: Vec<Wheel> = versions.iter().map(|version| Wheel::new("demo-app", version)).collect();
    Index::serve(&wheels, Options::default())
}

/// Returns the module of `demo-app`.
fn module(env: &TestEnv) -> PathBuf {
    let site_packages = layout::site_packages_of(&env.prefix()).unwrap();
    site_packages.join("demo_app/__init__.py")
}

#[test]
fn deleted_files_are_restored_with_the_same_versions() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let first = index(&["1.0"]);
    env.install_demo(&first.url(), &[]).exits(0);
    let before = env.demo();
    env.matenv(&["repair", "demo"]).exits(0).says("demo: nothing to fix");

    fs_err::remove_file(module(&env)).unwrap();
    env.matenv(&["repair", "demo", "--dry-run"])
        .exits(6)
        .says("would be fixed")
        .says("to fix it: matenv repair demo");
    // The index has a newer release, but the lock does not.
    let newer = index(&["1.0", "2.0"]);
    let mirror = format!("pypi={}", newer.url());
    let repaired = env
        .matenv(&["repair", "demo", "--no-bench", "--mirror", &mirror, "--json"])
        .exits(0)
        .json();
    assert_eq!(repaired["ok"], true);
    assert_eq!(repaired["faults"][0]["code"], "ME033", "{repaired}");
    let after = env.demo();
    assert_ne!(before, after);
    env.matenv(&["repair", "demo"]).exits(0).says("demo: nothing to fix");
}

/// uv links files from its cache, so an edit in place changes the copy in the cache too.
#[test]
fn a_file_that_was_changed_in_place_is_downloaded_again() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index(&["1.0"]);
    env.install_demo(&index.url(), &[]).exits(0);
    let text = fs_err::read_to_string(module(&env)).unwrap();
    let mut file = fs_err::OpenOptions::new().append(true).open(module(&env)).unwrap();
    std::io::Write::write_all(&mut file, b"# changed in place\n").unwrap();
    drop(file);
    index.requests();
    let mirror = format!("pypi={}", index.url());
    let arguments = [
        "repair",
        "demo",
        "--finding",
        "me032",
        "--no-bench",
        "--mirror",
        &mirror,
        "--json",
    ];
    let repaired = env.matenv(&arguments).exits(0).json();
    assert_eq!(repaired["faults"][0]["code"], "ME032", "{repaired}");
    assert_eq!(repaired["dropped"][0]["name"], "demo-app", "{repaired}");
    assert_eq!(fs_err::read_to_string(module(&env)).unwrap(), text);
    let fetched = index.requests();
    assert!(
        fetched.iter().any(|request| request.contains("demo_app-1.0")),
        "{fetched:?}"
    );
    env.matenv(&["repair", "demo"]).exits(0).says("demo: nothing to fix");
}

/// The audit has nothing to read, but the lock is complete.
#[test]
fn an_environment_without_site_packages_is_repaired() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index(&["1.0"]);
    env.install_demo(&index.url(), &[]).exits(0);
    let site_packages = module(&env).ancestors().nth(2).unwrap().to_owned();
    fs_err::remove_dir_all(site_packages).unwrap();
    for arguments in [&["doctor", "--offline"][..], &["doctor", "demo", "--offline"]] {
        env.matenv(arguments).exits(6).says("ME033");
    }
    let mirror = format!("pypi={}", index.url());
    env.matenv(&["repair", "demo", "--no-bench", "--mirror", &mirror])
        .exits(0)
        .says("ME033");
    env.demo();
}

#[test]
fn only_installed_environments_are_repaired() {
    let env = TestEnv::new();
    env.manifest(APP);
    assert_error!(env, "nothing_is_installed", env.matenv(&["repair", "demo"]).exits(2));
    assert_error!(
        env,
        "unknown_finding_code",
        env.matenv(&["repair", "demo", "--finding", "ME999"]).exits(2)
    );
}

#[test]
fn other_findings_than_the_selected_one_are_reported_and_not_fixed() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index(&["1.0"]);
    env.install_demo(&index.url(), &[]).exits(0);
    let module = module(&env);
    fs_err::remove_file(&module).unwrap();
    let left = env
        .matenv(&["repair", "demo", "--finding", "ME011", "--offline"])
        .exits(6);
    left.says("demo: not fixed by a repair")
        .says("ME033")
        .says("matenv repair demo")
        .says("ME011 was not found, or a repair cannot fix it; nothing was changed");
    assert!(!module.exists());
}

/// A new generation would not fix a variable of the shell.
#[test]
fn a_finding_about_the_shell_is_reported_with_its_remedy() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index(&["1.0"]);
    env.install_demo(&index.url(), &[]).exits(0);
    let other = env.home().join("other");
    fs_err::create_dir_all(other.join("demo_app")).unwrap();
    fs_err::write(other.join("demo_app/__init__.py"), "").unwrap();
    let mut command = env.command(&["repair", "demo", "--offline"]);
    let ran: Ran = command.env("PYTHONPATH", other).output().unwrap().into();
    ran.exits(0)
        .says("ME041")
        .says("unset PYTHONPATH")
        .says("demo: nothing to fix in its files");
}
