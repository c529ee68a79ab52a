//! A lab's lock: made on any machine, obeyed on another, and refused when somebody changed it.

use std::path::Path;

use crate::support::{Index, Lab, Options, TestEnv, Wheel, manifest};

#[test]
fn a_second_lock_is_the_first_one() {
    let lab = Lab::of_two();
    lab.run(&["lock"])
        .exits(0)
        .says("demo-cpu for linux-64: python")
        .says("wrote matenv.lock");
    let (lock, beside) = (lab.text("matenv.lock"), lab.text("matenv-lock.json"));
    assert!(lock.contains("./pypi/demo_app-1.0-py3-none-any.whl"), "{lock}");
    // The index is plain HTML, which tells no sizes.
    assert!(
        beside.contains("\"size\": ") && !beside.contains("\"size\": null"),
        "{beside}"
    );
    for mirror in [lab.index.root(), lab.channel.folder.display().to_string()] {
        assert!(!lock.contains(&mirror) && !beside.contains(&mirror), "{lock}{beside}");
    }
    lab.run(&["lock"]).exits(0).says("matenv.lock is unchanged");
    let again = lab.run(&["lock", "--json"]).exits(0).json();
    assert_eq!(again["changed"], false);
    assert_eq!((lab.text("matenv.lock"), lab.text("matenv-lock.json")), (lock, beside));
}

#[test]
fn check_says_which_requirement_does_not_hold_and_opens_no_connection() {
    let lab = Lab::of_two();
    lab.run(&["lock", "--check"])
        .exits(3)
        .says("there is no matenv.lock here");
    lab.run(&["lock"]).exits(0);
    let _ = lab.index.requests();
    lab.run(&["lock", "--check"]).exits(0).says("matenv.lock is up to date");
    fs_err::write(lab.root.join("manifests/demo.toml"), manifest("demo-app>=2")).unwrap();
    lab.run(&["lock", "--check"])
        .exits(3)
        .says("`demo-app>=2` is not satisfied: the lock has 1.0")
        .says("matenv lock");
    assert_eq!(lab.index.requests(), Vec::<String>::new());
    lab.install(&["--locked"])
        .exits(3)
        .says("matenv.lock is stale")
        .says("matenv lock");
    lab.env.has_no_environment();
    lab.install(&["--frozen"])
        .exits(0)
        .says("using the versions in matenv.lock: demo-cpu");
}

#[test]
fn versions_stay_until_they_are_moved() {
    let lab = Lab::of_two();
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
        "demo-app was not to move"
    );
    newer.run(&["lock", "--upgrade"]).exits(0).says("demo-app  1.0 -> 2.0");
}

#[test]
fn what_is_locked_is_installed_and_a_changed_lock_is_installed_anew() {
    let lab = Lab::of_two();
    lab.install(&["--locked"])
        .exits(3)
        .says("there is no matenv.lock here")
        .says("create it: matenv lock");
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
    let made = newer.install(&["--json"]).exits(0).json();
    assert_eq!(
        (&made["changed"], &made["generation"]),
        (&true.into(), &2.into()),
        "the lock holds, so it is taken"
    );
}

#[test]
fn a_platform_that_was_not_locked_is_named() {
    let lab = Lab::of_two();
    lab.change("matenv.toml", |text| text.replace("linux-64", "win-64"));
    // This channel has nothing for Windows.
    lab.run(&["lock"]).exits(3).says("failed to lock demo-cpu for win-64");
    lab.change("matenv.toml", |text| text.replace("win-64", "linux-64"));
    lab.run(&["lock"]).exits(0);
    lab.change("matenv-lock.json", |text| text.replace("linux-64", "win-64"));
    lab.install(&["--locked"]).exits(5);
    lab.env.has_no_environment();
}

/// Each change is named, and nothing is installed.
#[test]
fn a_lock_that_somebody_changed_is_refused() {
    let lab = Lab::of_two();
    lab.run(&["lock"]).exits(0);
    let (lock, beside) = (lab.text("matenv.lock"), lab.text("matenv-lock.json"));
    let sha256 = Wheel::new("demo-lib", "1.0").sha256();
    let other = "ab".repeat(32);
    let both = |text: &str| text.replace(&sha256, &other);
    for (what, lock, beside, exit, words) in [
        (
            "a hash in one file",
            both(&lock),
            beside.clone(),
            5,
            "different wheels of `demo-lib`",
        ),
        ("a hash in both files", both(&lock), both(&beside), 5, "hash"),
        (
            "a package of conda's",
            without_conda(&lock),
            beside.clone(),
            5,
            "differ in the conda package",
        ),
        (
            "a newer form",
            lock.replace("version: 7", "version: 99"),
            beside.clone(),
            5,
            "version 99",
        ),
        (
            "a cut",
            lock[..lock.len() / 2].to_owned(),
            beside.clone(),
            5,
            "matenv.lock is damaged",
        ),
        (
            "a merge",
            format!("<<<<<<< HEAD\n{lock}"),
            beside.clone(),
            5,
            "merge conflict",
        ),
        (
            "a package",
            lock.replace("      - pypi: ./pypi/demo_lib-1.0-py3-none-any.whl\n", ""),
            beside.clone(),
            5,
            "lacks the wheel of `demo-lib`",
        ),
    ] {
        fs_err::write(lab.root.join("matenv.lock"), lock).unwrap();
        fs_err::write(lab.root.join("matenv-lock.json"), beside).unwrap();
        let ran = lab.install(&["--locked"]).exits(exit).says(words);
        lab.env.has_no_environment();
        drop((what, ran));
    }
}

/// Path and SHA-256 of what is installed, but for files that hold the prefix, and compiled ones.
fn files(prefix: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![prefix.join("lib")];
    let name = prefix.display().to_string();
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_none_or(|ending| ending != "pyc") {
                let bytes = fs_err::read(entry.path()).unwrap();
                if !bytes.windows(name.len()).any(|part| part == name.as_bytes()) {
                    let path = entry.path().strip_prefix(prefix).unwrap().display().to_string();
                    found.push((path, bytes));
                }
            }
        }
    }
    found.sort();
    found
}

#[test]
fn two_homes_have_the_same_files() {
    let lab = Lab::of_two();
    lab.run(&["lock"]).exits(0);
    lab.install(&["--locked"]).exits(0);
    let other = TestEnv::new().with_uv();
    lab.run_in(
        &other,
        &["install", "demo", "--profile", "cpu", "--no-bench", "--locked"],
    )
    .exits(0);
    let prefix = |env: &TestEnv| fs_err::canonicalize(env.home().join(".matenv/envs/demo")).unwrap();
    let (one, two) = (files(&prefix(&lab.env)), files(&prefix(&other)));
    assert!(
        one.iter().any(|(path, _)| path.contains("demo_app")),
        "{} files",
        one.len()
    );
    assert_eq!(one, two);

    // A third one has the caches of the first, and neither a network nor the pages of the index.
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
    assert_eq!(lab.index.requests(), Vec::<String>::new(), "offline asked the index");
    assert_eq!(one, files(&prefix(&third)));

    // With a cache that lacks a wheel it says so.
    third.set("UV_CACHE_DIR", third.path("uv-cache"));
    lab.run_in(&third, &[&["install", "--force"], &arguments[1..]].concat())
        .exits(4)
        .says("pypi::not_cached")
        .says("once without --offline");
}

/// What `--frozen` installed without comparing is not taken for what is asked for now.
#[test]
fn what_was_frozen_is_not_what_is_asked_for() {
    let lab = Lab::of_two();
    lab.run(&["lock"]).exits(0);
    lab.run(&["add", "demo", "demo-lib<2"]).exits(0);
    lab.change("matenv.toml", |text| text.replace("demo-lib<2", "demo-more"));
    lab.install(&["--frozen"]).exits(0).says("taken: demo-cpu");
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
    let made = more.install(&["--json"]).exits(0).json();
    let packages = made["packages"].as_array().unwrap();
    assert!(
        packages.iter().any(|package| package["name"] == "demo-more"),
        "{packages:?}"
    );
}

/// The lock with another hash for its conda package.
fn without_conda(lock: &str) -> String {
    let at = lock
        .find("- conda: ")
        .and_then(|at| Some(at + lock[at..].find("sha256: ")? + 8))
        .unwrap();
    lock.replace(&lock[at..at + 64], &"ab".repeat(32))
}

#[test]
fn what_nobody_can_lock_is_a_fault_of_usage() {
    let lab = Lab::of_two();
    lab.run(&["lock"]).exits(0);
    lab.run(&["lock", "--backend", "cu999"])
        .exits(2)
        .says("torch has no build `cu999`");
    lab.run(&["lock", "--upgrade", "demo-lid"])
        .exits(2)
        .says("matenv.lock has no package `demo-lid`")
        .says("matenv lock --upgrade demo-lib");
    fs_err::write(lab.root.join("matenv.lock"), [0xff, 0xfe, 0]).unwrap();
    lab.run(&["lock", "--check"]).exits(5).says("matenv.lock is damaged");
}
