//! The lock of a lab: created on one machine, installed on another, and refused if its files were changed.

use std::path::{Path, PathBuf};

use crate::support::{Index, Lab, Options, TestEnv, Wheel, assert_error, files_below, manifest};

#[test]
fn a_second_lock_is_unchanged() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"])
        .exits(0)
        .says("demo-cpu for linux-64: python")
        .says("wrote matenv.lock");
    let (lock, sidecar) = (lab.text("matenv.lock"), lab.text("matenv-lock.json"));
    assert!(lock.contains("./pypi/demo_app-1.0-py3-none-any.whl"), "{lock}");
    // The index is plain HTML without sizes.
    assert!(
        sidecar.contains("\"size\": ") && !sidecar.contains("\"size\": null"),
        "{sidecar}"
    );
    for mirror in [lab.index.root(), lab.channel.folder.display().to_string()] {
        assert!(!lock.contains(&mirror) && !sidecar.contains(&mirror), "{lock}{sidecar}");
    }
    lab.run(&["lock"]).exits(0).says("matenv.lock is unchanged");
    let again = lab.run(&["lock", "--json"]).exits(0).json();
    assert_eq!(again["changed"], false);
    assert_eq!((lab.text("matenv.lock"), lab.text("matenv-lock.json")), (lock, sidecar));
}

#[test]
fn check_names_the_requirement_that_is_not_satisfied_and_opens_no_connection() {
    let lab = Lab::with_app_and_lib();
    assert_error!(lab.env, "check_without_a_lock", lab.run(&["lock", "--check"]).exits(3));
    lab.run(&["lock"]).exits(0);
    let _ = lab.index.requests();
    lab.run(&["lock", "--check"]).exits(0).says("matenv.lock is up to date");
    fs_err::write(lab.root.join("manifests/demo.toml"), manifest("demo-app>=2")).unwrap();
    lab.run(&["lock", "--check"])
        .exits(3)
        .says("`demo-app>=2` is not satisfied: the lock has 1.0")
        .says("matenv.lock is stale; update it: matenv lock");
    assert_eq!(lab.index.requests(), Vec::<String>::new());
    assert_error!(lab.env, "locked_with_a_stale_lock", lab.install(&["--locked"]).exits(3));
    lab.env.has_no_environment();
    lab.install(&["--frozen"])
        .exits(0)
        .says("using the versions in matenv.lock: demo-cpu");
}

#[test]
fn versions_stay_until_they_are_upgraded() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    let newer = Lab {
        index: Index::serve(
            &[
                Wheel::new("demo-app", "1.0").requires("demo-lib"),
                Wheel::new("demo-app", "2.0").requires("demo-lib"),
                Wheel::new("demo-lib", "1.0"),
                Wheel::new("demo-lib", "2.0"),
            ],
            Options::default(),
        ),
        ..lab
    };
    newer.run(&["lock"]).exits(0).says("matenv.lock is unchanged");
    newer
        .run(&["lock", "--upgrade", "demo-lib"])
        .exits(0)
        .says("demo-lib  1.0 -> 2.0  demo-cpu linux-64");
    assert!(
        newer.text("matenv.lock").contains("demo_app-1.0"),
        "demo-app was upgraded too"
    );
    newer.run(&["lock", "--upgrade"]).exits(0).says("demo-app  1.0 -> 2.0");
}

#[test]
fn the_locked_versions_are_installed_and_a_new_lock_is_installed_again() {
    let lab = Lab::with_app_and_lib();
    assert_error!(lab.env, "locked_without_a_lock", lab.install(&["--locked"]).exits(3));
    lab.run(&["lock"]).exits(0);
    lab.install(&["--locked"]).exits(0);
    lab.install(&["--locked"]).exits(0).says("nothing to do");
    lab.env.demo();
    let newer = Lab {
        index: Index::serve(
            &[
                Wheel::new("demo-app", "1.0").requires("demo-lib"),
                Wheel::new("demo-lib", "2.0"),
            ],
            Options::default(),
        ),
        ..lab
    };
    newer.run(&["lock", "--upgrade"]).exits(0);
    let certificate = newer.install(&["--json"]).exits(0).json();
    assert_eq!(
        (&certificate["changed"], &certificate["generation"]),
        (&true.into(), &2.into()),
        "the lock is not stale, so it must be used"
    );
}

#[test]
fn a_platform_that_was_not_locked_is_named() {
    let lab = Lab::with_app_and_lib();
    lab.change("matenv.toml", |text| text.replace("linux-64", "win-64"));
    // The channel has no packages for Windows.
    assert_error!(lab.env, "platform_without_packages", lab.run(&["lock"]).exits(3));
    lab.change("matenv.toml", |text| text.replace("win-64", "linux-64"));
    lab.run(&["lock"]).exits(0);
    lab.change("matenv-lock.json", |text| text.replace("linux-64", "win-64"));
    assert_error!(
        lab.env,
        "sidecar_names_another_platform",
        lab.install(&["--locked"]).exits(5)
    );
    lab.env.has_no_environment();
}

/// The error names the change, and nothing is installed.
#[test]
fn a_changed_lock_is_refused() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    let (lock, sidecar) = (lab.text("matenv.lock"), lab.text("matenv-lock.json"));
    let sha256 = Wheel::new("demo-lib", "1.0").sha256();
    let other = "ab".repeat(32);
    let both = |text: &str| text.replace(&sha256, &other);
    for (change, lock, sidecar, exit, message) in [
        (
            "a hash in one file",
            both(&lock),
            sidecar.clone(),
            5,
            "different wheels of `demo-lib`",
        ),
        ("a hash in both files", both(&lock), both(&sidecar), 5, "hash"),
        (
            "a conda package",
            with_other_conda_hash(&lock),
            sidecar.clone(),
            5,
            "differ in the conda package",
        ),
        (
            "a newer version of the format",
            lock.replace("version: 7", "version: 99"),
            sidecar.clone(),
            5,
            "version 99",
        ),
        (
            "a truncated file",
            lock[..lock.len() / 2].to_owned(),
            sidecar.clone(),
            5,
            "matenv.lock is damaged",
        ),
        (
            "a merge conflict",
            format!("<<<<<<< HEAD\n{lock}"),
            sidecar.clone(),
            5,
            "merge conflict",
        ),
        (
            "a missing package",
            lock.replace("      - pypi: ./pypi/demo_lib-1.0-py3-none-any.whl\n", ""),
            sidecar.clone(),
            5,
            "the wheel of `demo-lib` is missing",
        ),
    ] {
        fs_err::write(lab.root.join("matenv.lock"), lock).unwrap();
        fs_err::write(lab.root.join("matenv-lock.json"), sidecar).unwrap();
        let ran = lab.install(&["--locked"]);
        assert_eq!(ran.code, Some(exit), "{change}: {ran}");
        assert!(ran.stderr.contains(message), "{change}: {ran}");
        // Line and column of the syntax error depend on the version of this machine's Python.
        if change != "a truncated file" {
            assert_error!(lab.env, format!("changed_lock_{}", change.replace(' ', "_")), ran);
        }
        lab.env.has_no_environment();
    }
}

/// Returns path and content of the installed files, without files that contain the prefix and compiled ones.
fn files(prefix: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let name = prefix.display().to_string();
    let paths = files_below(&prefix.join("lib")).into_iter();
    paths
        .filter(|path| !path.is_symlink() && path.extension().is_none_or(|ending| ending != "pyc"))
        .map(|path| {
            (
                path.strip_prefix(prefix).unwrap().to_owned(),
                fs_err::read(&path).unwrap(),
            )
        })
        .filter(|(_, bytes)| !bytes.windows(name.len()).any(|part| part == name.as_bytes()))
        .collect()
}

#[test]
fn the_same_lock_gives_the_same_files_in_two_homes() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    lab.install(&["--locked"]).exits(0);
    let other = TestEnv::new().with_uv();
    lab.run_in(
        &other,
        &["install", "demo", "--profile", "cpu", "--no-bench", "--locked"],
    )
    .exits(0);
    let (one, two) = (files(&lab.env.prefix()), files(&other.prefix()));
    assert!(
        one.iter().any(|(path, _)| path.ends_with("demo_app/__init__.py")),
        "{} files",
        one.len()
    );
    assert_eq!(one, two);

    // The third home uses the caches of the first, without a network and without cached pages of the index.
    let mut third = TestEnv::new().with_uv();
    for (name, folder) in [("UV_CACHE_DIR", "uv-cache"), ("RATTLER_CACHE_DIR", "rattler-cache")] {
        third.set(name, lab.env.path(folder));
    }
    lab.env.empty_index_cache();
    lab.index.requests();
    let arguments = [
        "install",
        "demo",
        "--profile",
        "cpu",
        "--no-bench",
        "--locked",
        "--offline",
    ];
    lab.run_in(&third, &arguments).exits(0);
    assert_eq!(
        lab.index.requests(),
        Vec::<String>::new(),
        "an offline run sent requests to the index"
    );
    assert_eq!(one, files(&third.prefix()));

    // A wheel that is missing in the cache is an error.
    third.set("UV_CACHE_DIR", third.path("uv-cache"));
    lab.run_in(&third, &[&["install", "--force"], &arguments[1..]].concat())
        .exits(4)
        .says("pypi::not_cached")
        .says("once without --offline");
}

/// `--frozen` installs the lock without a comparison. A normal installation must notice the difference afterwards.
#[test]
fn an_environment_from_a_frozen_stale_lock_is_installed_again() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    lab.run(&["add", "demo", "demo-lib<2"]).exits(0);
    lab.change("matenv.toml", |text| text.replace("demo-lib<2", "demo-more"));
    lab.install(&["--frozen"])
        .exits(0)
        .says("using the versions in matenv.lock: demo-cpu");
    lab.install(&["--frozen"]).exits(0).says("nothing to do");
    let more = Lab {
        index: Index::serve(
            &[
                Wheel::new("demo-app", "1.0").requires("demo-lib"),
                Wheel::new("demo-lib", "1.0"),
                Wheel::new("demo-more", "1.0"),
            ],
            Options::default(),
        ),
        ..lab
    };
    let certificate = more.install(&["--json"]).exits(0).json();
    let packages = certificate["packages"].as_array().unwrap();
    assert!(
        packages.iter().any(|package| package["name"] == "demo-more"),
        "{packages:?}"
    );
}

/// Changes the hash of the conda package in a lock.
fn with_other_conda_hash(lock: &str) -> String {
    let at = lock
        .find("- conda: ")
        .and_then(|at| Some(at + lock[at..].find("sha256: ")? + 8))
        .unwrap();
    lock.replace(&lock[at..at + 64], &"ab".repeat(32))
}

#[test]
fn an_unknown_backend_or_package_is_a_usage_error() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    assert_error!(
        lab.env,
        "unknown_backend",
        lab.run(&["lock", "--backend", "cu999"]).exits(2)
    );
    assert_error!(
        lab.env,
        "unknown_package",
        lab.run(&["lock", "--upgrade", "demo-lid"]).exits(2)
    );
    fs_err::write(lab.root.join("matenv.lock"), [0xff, 0xfe, 0]).unwrap();
    assert_error!(lab.env, "damaged_lock", lab.run(&["lock", "--check"]).exits(5));
}
