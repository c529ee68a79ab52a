//! Hostile channels: their list of packages itself is hostile.

use serde_json::{Value, json};

use super::Hostile;
use crate::support::{DEAD_INDEX, Format, Index, RawPackage};

/// Changes the list of packages of the channel.
fn change(hostile: &Hostile, change: impl FnOnce(&mut Value)) {
    let path = hostile.channel.folder.join("noarch/repodata.json");
    let mut repodata: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    change(&mut repodata);
    fs_err::write(path, repodata.to_string()).unwrap();
}

fn with_evil() -> Hostile {
    let hostile = Hostile::new();
    hostile.write(Format::Conda, &[RawPackage::new("evil").file("share/x")]);
    hostile
}

impl Hostile {
    /// Checks that the channel is refused with one of `codes`, from a folder and by HTTP.
    #[track_caller]
    fn refuses_channel(&self, codes: &[i32], texts: &[&str]) {
        let http = Index::files(&self.channel.folder);
        for mirror in [self.channel.mirror(), format!("conda-forge={}", http.root())] {
            let ran = self.env.install_demo_from(&mirror, DEAD_INDEX, &["--strict"]);
            assert!(ran.code.is_some_and(|code| codes.contains(&code)), "{ran}");
            let ran = ran.says_one_of(texts);
            assert!(!ran.stderr.contains("panicked"), "{ran}");
            self.nothing_changed();
            self.env.has_no_environment();
        }
    }
}

#[test]
fn names_and_versions_that_are_paths_are_refused() {
    for (field, value) in [
        ("name", "../../../outside/evil"),
        ("version", "../../../outside/1"),
        ("build", "../../../outside/0"),
        ("build", "/tmp/evil"),
    ] {
        let hostile = with_evil();
        change(&hostile, |repodata| {
            repodata["packages.conda"]["evil-1.0-0.conda"][field] = value.into();
        });
        hostile.refuses_channel(
            &[3, 4, 5],
            &[
                "failed to read the package records",
                "failed to resolve",
                "is not a file name",
                "unsafe",
            ],
        );
    }
}

#[test]
fn a_file_name_that_is_a_path_is_refused() {
    for key in [
        "../../outside/evil-1.0-0.conda",
        "/tmp/evil-1.0-0.conda",
        "evil-1.0-0.conda/..",
    ] {
        let hostile = with_evil();
        change(&hostile, |repodata| {
            let record = repodata["packages.conda"]["evil-1.0-0.conda"].take();
            repodata["packages.conda"] = json!({ key: record });
        });
        hostile.refuses_channel(
            &[3, 4, 5],
            &[
                "failed to read the package records",
                "failed to resolve",
                "failed to download",
                "damaged",
                "unsafe",
            ],
        );
    }
}

#[test]
fn a_list_that_is_damaged_or_deep_is_refused() {
    for text in [
        "[".repeat(100_000),
        format!("{{\"packages\": {}", "{\"a\":".repeat(100_000)),
        "{\"packages.conda\": []}".to_owned(),
        String::new(),
    ] {
        let hostile = with_evil();
        fs_err::write(hostile.channel.folder.join("noarch/repodata.json"), text).unwrap();
        hostile.refuses_channel(&[3, 4, 5], &["failed to read the package records", "failed to resolve"]);
    }
}

/// The folder of a package is known from its URL, so this field has no effect.
#[test]
fn a_subdir_that_is_a_path_changes_nothing() {
    let hostile = with_evil();
    change(&hostile, |repodata| {
        repodata["packages.conda"]["evil-1.0-0.conda"]["subdir"] = "../../../outside".into();
    });
    // The Python does not run.
    let ran = hostile
        .env
        .install_demo_from(&hostile.channel.mirror(), DEAD_INDEX, &["--strict"]);
    assert!(ran.code != Some(0) && !ran.stderr.contains("panicked"), "{ran}");
    hostile.nothing_changed();
    hostile.env.has_no_environment();
}

/// Packages that need each other are installed together, which is harmless.
#[test]
fn a_cycle_and_a_long_list_of_dependencies_end() {
    let hostile = Hostile::new();
    let one = RawPackage::new("evil")
        .recorded("depends", json!(["other"]))
        .file("share/x");
    let other = RawPackage::new("other")
        .recorded("depends", json!(["evil"]))
        .file("share/y");
    hostile.write(Format::Conda, &[one, other]);
    let ran = hostile
        .env
        .install_demo_from(&hostile.channel.mirror(), DEAD_INDEX, &["--strict"]);
    // The Python does not run.
    assert!(
        !ran.stderr.contains("panicked") && !ran.stderr.contains("unsafe"),
        "{ran}"
    );
    let hostile = with_evil();
    let many: Vec<String> = (0..50_000).map(|number| format!("missing-{number} >=1")).collect();
    change(&hostile, |repodata| {
        repodata["packages.conda"]["evil-1.0-0.conda"]["depends"] = json!(many);
    });
    hostile.refuses_channel(&[3], &["failed to resolve the conda packages"]);
}

#[test]
fn a_package_at_a_pipe_is_not_read() {
    let hostile = with_evil();
    let pipe = hostile.channel.folder.join("noarch/evil-1.0-0.conda");
    fs_err::remove_file(&pipe).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    hostile
        .env
        .install_demo_from(&hostile.channel.mirror(), DEAD_INDEX, &["--strict"])
        .exits(5)
        .says("is not a regular file");
    hostile.nothing_changed();
    hostile.env.has_no_environment();
}
