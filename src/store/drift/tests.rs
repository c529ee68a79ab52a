//! Test prefixes: folders with the names that pip, uv and conda give them.

use std::path::Path;

use super::*;
use crate::{files::layout, store::GenerationRecord};

struct Prefix {
    folder: tempfile::TempDir,
}

impl Prefix {
    fn new(distributions: &[(&str, &str)]) -> Self {
        let prefix = Self {
            folder: tempfile::tempdir().expect("a temp folder"),
        };
        fs_err::create_dir_all(prefix.site_packages()).expect("created");
        fs_err::create_dir_all(prefix.path().join("conda-meta")).expect("created");
        for (name, version) in distributions {
            prefix.install(name, version, "a.py,sha256=aaaa,1\n");
        }
        prefix
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn site_packages(&self) -> std::path::PathBuf {
        layout::site_packages(self.path(), "3.13")
    }

    fn install(&self, name: &str, version: &str, record: &str) {
        let info = self.site_packages().join(format!("{name}-{version}.dist-info"));
        fs_err::create_dir_all(&info).expect("created");
        fs_err::write(info.join("RECORD"), record).expect("written");
    }

    fn uninstall(&self, name: &str, version: &str) {
        let info = self.site_packages().join(format!("{name}-{version}.dist-info"));
        fs_err::remove_dir_all(info).expect("removed");
    }

    fn conda(&self, entry: &str) {
        fs_err::write(self.path().join("conda-meta").join(entry), "{}").expect("written");
    }

    fn proven(self) -> Self {
        let taken = Fingerprint::take(self.path())
            .expect("taken")
            .expect("there is a Python");
        taken.write(self.path()).expect("written");
        assert_eq!(Fingerprint::read(self.path()), Some(taken));
        self
    }

    fn generation(&self) -> Generation {
        let record: GenerationRecord = serde_json::from_value(serde_json::json!({
            "schema": 1, "env": "demo", "manifest": "sleap", "profile": "cpu", "number": 1, "plan_fingerprint": "",
            "created": "2026-11-24T00:00:00Z", "proven": true, "ok": true,
        }))
        .expect("a record");
        Generation {
            env: record.env.clone(),
            number: 1,
            prefix: self.path().to_owned(),
            record,
        }
    }

    fn changes(&self) -> Vec<String> {
        let drift = Drift::detect(&self.generation());
        let changes = drift.map(|drift| drift.changes).unwrap_or_default();
        changes.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn an_untouched_prefix_has_no_changes() {
    let prefix = Prefix::new(&[("numpy", "2.5.5"), ("scipy", "1.2")]).proven();
    assert_eq!(prefix.changes(), Vec::<String>::new());
    // Python compiles what it imports.
    fs_err::create_dir(prefix.site_packages().join("__pycache__")).expect("created");
    assert_eq!(prefix.changes(), Vec::<String>::new());
}

/// A network disk needs a millisecond for each `stat`.
#[test]
#[cfg(unix)]
fn a_folder_whose_time_is_the_same_is_not_listed() {
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let back = |prefix: &Prefix| {
        let folder = fs_err::File::open(prefix.site_packages()).expect("opened");
        folder.file().set_modified(hour_ago).expect("set");
    };
    let prefix = Prefix::new(&[("numpy", "2.5.5")]);
    back(&prefix);
    let prefix = prefix.proven();
    prefix.uninstall("numpy", "2.5.5");
    assert_eq!(prefix.changes(), ["numpy 2.5.5 removed"]);
    back(&prefix);
    assert_eq!(prefix.changes(), Vec::<String>::new());
}

#[test]
fn another_version_a_removed_and_an_added_package_are_named() {
    let prefix = Prefix::new(&[("numpy", "2.5.5"), ("Old_Name", "1.0"), ("scipy", "1.2")]);
    prefix.conda("python-3.13.1-h1_cp313.json");
    prefix.conda("tzdata-2026f-h1_0.json");
    let prefix = prefix.proven();
    prefix.uninstall("numpy", "2.5.5");
    prefix.install("numpy", "1.26.4", "");
    prefix.uninstall("Old_Name", "1.0");
    prefix.install("ipdb", "0.13", "");
    fs_err::remove_file(prefix.path().join("conda-meta/tzdata-2026f-h1_0.json")).expect("removed");
    prefix.conda("tzdata-2026f-h2_1.json");
    assert_eq!(
        prefix.changes(),
        [
            "numpy 2.5.5 -> 1.26.4",
            "tzdata 2026f h1_0 -> 2026f h2_1",
            "old-name 1.0 removed",
            "ipdb 0.13 added"
        ]
    );
}

/// `matenv verify` reports the details: Python uses the first one.
#[test]
fn two_versions_in_one_place_are_a_change() {
    let prefix = Prefix::new(&[("numpy", "2.5.5")]).proven();
    prefix.install("numpy", "1.26.4", "");
    assert_eq!(prefix.changes(), ["numpy 2.5.5 -> 1.26.4 and 2.5.5"]);
    // The remains of a distribution that pip failed to remove do not count as installed.
    let prefix = Prefix::new(&[("numpy", "2.5.5")]).proven();
    fs_err::rename(
        prefix.site_packages().join("numpy-2.5.5.dist-info"),
        prefix.site_packages().join("~umpy-2.5.5.dist-info"),
    )
    .expect("renamed");
    assert_eq!(prefix.changes(), ["numpy 2.5.5 removed"]);
}

#[test]
fn the_same_version_is_a_change_only_with_other_files() {
    let prefix = Prefix::new(&[("torch", "2.15.0"), ("numpy", "2.5.5")]).proven();
    // Like a copy of the whole environment, which has new times.
    for (name, version) in [("torch", "2.15.0"), ("numpy", "2.5.5")] {
        prefix.uninstall(name, version);
        prefix.install(name, version, "a.py,sha256=aaaa,1\n");
    }
    assert_eq!(prefix.changes(), Vec::<String>::new());
    for another in ["a.py,sha256=bbbb,1\n", "a.py,sha256=aaaa,1\nb.py,sha256=aaaa,1\n"] {
        // Timestamps have steps; people are slower than those.
        std::thread::sleep(std::time::Duration::from_millis(50));
        prefix.uninstall("torch", "2.15.0");
        prefix.install("torch", "2.15.0", another);
        assert_eq!(prefix.changes(), ["torch 2.15.0 installed again"], "{another}");
    }
}

#[test]
fn a_conda_package_with_python_code_is_reported_once() {
    let prefix = Prefix::new(&[("pip", "26.3")]);
    prefix.conda("pip-26.3-pyhd8ed1ab_0.json");
    let prefix = prefix.proven();
    prefix.uninstall("pip", "26.3");
    fs_err::remove_file(prefix.path().join("conda-meta/pip-26.3-pyhd8ed1ab_0.json")).expect("removed");
    assert_eq!(prefix.changes(), ["pip 26.3 removed"]);
    prefix.install("pip", "27.0", "");
    prefix.conda("pip-27.0-pyhd8ed1ab_0.json");
    assert_eq!(prefix.changes(), ["pip 26.3 -> 27.0"]);
}

#[test]
fn without_a_valid_fingerprint_there_are_no_changes() {
    let prefix = Prefix::new(&[("numpy", "2.5.5")]);
    prefix.uninstall("numpy", "2.5.5");
    assert_eq!(
        prefix.changes(),
        Vec::<String>::new(),
        "an old environment without a fingerprint"
    );
    for text in ["", "{", "[]", r#"{"schema": 2, "python": {}, "conda": {}}"#] {
        fs_err::create_dir_all(layout::records(prefix.path())).expect("created");
        fs_err::write(layout::records(prefix.path()).join("fingerprint.json"), text).expect("written");
        assert_eq!(prefix.changes(), Vec::<String>::new(), "{text}");
    }
    let empty = tempfile::tempdir().expect("a temp folder");
    assert_eq!(Fingerprint::take(empty.path()).expect("looked"), None);
}

#[test]
fn the_message_names_three_changes_the_day_and_the_fix() {
    let change = |name: &str, after: &[String], day: &str| {
        let at: Timestamp = day.parse().expect("a time");
        let nanoseconds = u64::try_from(at.as_nanosecond()).expect("after 1970");
        Change::between(name, &["1.0".to_owned()], after, Some(nanoseconds))
    };
    let two = ["2.0".to_owned()];
    let mut drift = Drift {
        changes: vec![change("numpy", &two, "2026-11-13T23:59:59Z")],
    };
    let prefix = Prefix::new(&[]);
    let mut generation = prefix.generation();
    let now: Timestamp = "2026-11-25T00:00:00Z".parse().expect("a time");
    insta::assert_snapshot!(
        drift.sentence_at(&generation, now),
        @"demo has changed since it was proven: numpy 1.0 -> 2.0, on 13 Nov; to fix it: matenv repair demo"
    );
    for name in ["scipy", "torch", "tqdm", "zarr"] {
        drift.changes.push(change(name, &[], "2025-01-02T00:00:00Z"));
    }
    drift.changes[0].at = None;
    generation.record.ok = false;
    insta::assert_snapshot!(
        drift.sentence_at(&generation, now),
        @"demo has changed since it was created: numpy 1.0 -> 2.0, scipy 1.0 removed, torch 1.0 removed and 2 more, on 2 Jan 2025; to fix it: matenv repair demo"
    );
}
