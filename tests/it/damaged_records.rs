//! A record that cannot be read is never fatal: every command goes on, and `install` and `repair` write it again.

use std::path::Path;

use serde_json::Value;

use crate::support::{Index, Options, TestEnv, Wheel};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";

const RECORDS: [&str; 6] = [
    "generation.json",
    "certificate.json",
    "plan.json",
    "matenv.lock",
    "lock.json",
    "fingerprint.json",
];

type Damage = fn(&Path);

/// Each kind of damage, and how it is made.
const KINDS: [(&str, Damage); 8] = [
    ("empty", |file| fs_err::write(file, "").unwrap()),
    ("cut", |file| {
        let bytes = fs_err::read(file).unwrap();
        replace(file, &bytes[..bytes.len() / 2]);
    }),
    ("missing", |file| fs_err::remove_file(file).unwrap()),
    ("a list", |file| replace(file, b"[]")),
    ("another object", |file| replace(file, b"{\"schema\": 1}")),
    ("a folder", |file| {
        fs_err::remove_file(file).unwrap();
        fs_err::create_dir(file).unwrap();
    }),
    ("a dangling link", |file| {
        fs_err::remove_file(file).unwrap();
        fs_err::os::unix::fs::symlink("nowhere", file).unwrap();
    }),
    ("not text", |file| replace(file, b"{\"schema\": \"\xff\xfe\"}")),
];

fn replace(file: &Path, bytes: &[u8]) {
    fs_err::write(file, bytes).unwrap();
}

/// Two environments, `demo` and `rig`, and an index that has a newer version than they have.
struct Lab {
    env: TestEnv,
    newer: Index,
}

impl Lab {
    fn new() -> Self {
        let env = TestEnv::new().with_uv();
        env.manifest(APP);
        let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
        env.install_demo(&index.url(), &["--name", "rig"]).exits(0);
        env.install_demo(&index.url(), &[]).exits(0);
        let wheels = ["1.0", "2.0"].map(|version| Wheel::new("demo-app", version));
        let newer = Index::serve(&wheels, Options::default());
        Self { env, newer }
    }

    fn damage(&self, record: &str, damage: Damage) {
        damage(&self.env.prefix().join("share/matenv").join(record));
    }

    /// Checks that the commands that only read go on.
    #[track_caller]
    fn is_still_readable(&self, case: &str, doctor: bool) {
        let listed = self.env.matenv(&["list", "--json"]).exits(0).json();
        let rig = row(&listed, "rig");
        assert_eq!(rig["broken"], Value::Null, "{case}: {listed:#}");
        row(&listed, "demo");
        self.env.matenv(&["info", "demo"]).exits(0).says("demo-app");
        if !doctor {
            return;
        }
        let ran = self.env.matenv(&["doctor", "--offline", "--json"]);
        assert!(matches!(ran.code, Some(0 | 6)), "{case}: {ran}");
    }

    /// Checks that every record of `demo` can be read and that its version is the old one.
    #[track_caller]
    fn is_healthy(&self, case: &str) {
        for record in RECORDS {
            let file = self.env.prefix().join("share/matenv").join(record);
            assert!(file.is_file() && !file.is_symlink(), "{case}: {record} is no file");
            let text = fs_err::read_to_string(&file).unwrap();
            assert!(
                record == "matenv.lock" || serde_json::from_str::<Value>(&text).unwrap().is_object(),
                "{case}"
            );
        }
        self.env.demo();
        let listed = self.env.matenv(&["list", "--json"]).exits(0).json();
        assert_eq!(row(&listed, "demo")["broken"], Value::Null, "{case}: {listed:#}");
    }

    fn mirror(&self) -> String {
        format!("pypi={}", self.newer.url())
    }
}

fn row<'a>(listed: &'a Value, env: &str) -> &'a Value {
    let rows = listed["environments"].as_array().unwrap();
    let found = rows.iter().find(|row| row["env"] == env);
    found.unwrap_or_else(|| panic!("{env} is not listed: {listed:#}"))
}

#[test]
fn install_heals_each_kind_of_damage_to_each_record() {
    let lab = Lab::new();
    for record in RECORDS {
        for (kind, damage) in KINDS {
            let case = format!("{record} is {kind}");
            println!("{case}");
            lab.damage(record, damage);
            lab.is_still_readable(&case, kind == KINDS[0].0);
            let ran = lab.env.install_demo(&lab.newer.url(), &[]);
            assert_eq!(ran.code, Some(0), "{case}: {ran}");
            lab.is_healthy(&case);
            let again = lab.env.install_demo(&lab.newer.url(), &[]).exits(0);
            assert!(
                again.stdout.contains("nothing to do") && !again.stderr.contains("damaged"),
                "{case}: {again}"
            );
        }
    }
}

#[test]
fn repair_heals_each_kind_of_damage_to_each_record() {
    let lab = Lab::new();
    let mirror = lab.mirror();
    let manifests = lab.env.path("manifests");
    let common = [
        "--no-bench",
        "--mirror",
        &mirror,
        "--manifest-dir",
        manifests.to_str().unwrap(),
    ];
    for record in RECORDS {
        // The same code reads the records, so a few kinds are enough: each takes seconds.
        for (kind, damage) in [KINDS[0], KINDS[5], KINDS[6]] {
            let case = format!("{record} is {kind}");
            println!("{case}");
            lab.damage(record, damage);
            let repair = |more: &[&str]| lab.env.matenv(&[&["repair", "demo"], &common[..], more].concat());
            let dry = repair(&["--dry-run"]);
            assert_eq!(dry.code, Some(6), "{case}: {dry}");
            let ran = repair(&[]);
            assert_eq!(ran.code, Some(0), "{case}: {ran}");
            lab.is_healthy(&case);
        }
    }
}

/// Without a manifest, everything comes from the records that are left.
#[test]
fn repair_uses_an_older_generation_if_nothing_else_can_be_read() {
    let lab = Lab::new();
    let old = lab.env.prefix();
    lab.env.install_demo(&lab.newer.url(), &["--force"]).exits(0);
    assert_ne!(lab.env.prefix(), old);
    for record in RECORDS {
        lab.damage(record, KINDS[0].1);
    }
    let mirror = lab.mirror();
    lab.env
        .matenv(&["repair", "demo", "--no-bench", "--mirror", &mirror])
        .exits(0);
    lab.is_healthy("all records are empty");
}

#[test]
fn an_environment_without_any_readable_record_is_listed_installed_again_and_removed() {
    let lab = Lab::new();
    let damage_all = || RECORDS.iter().for_each(|record| lab.damage(record, KINDS[0].1));
    damage_all();
    let listed = lab.env.matenv(&["list", "--json"]).exits(0).json();
    assert!(row(&listed, "demo")["broken"].is_string(), "{listed:#}");
    lab.env.matenv(&["info", "demo"]).exits(6).says("matenv install");
    lab.env.matenv(&["doctor", "demo", "--offline"]).exits(6).says("ME063");
    lab.env
        .matenv(&["repair", "demo", "--offline"])
        .exits(6)
        .says("matenv install MANIFEST --name demo");
    lab.env.install_demo(&lab.newer.url(), &[]).exits(0);
    let code = "import demo_app; print('version', demo_app.__version__)";
    lab.env.matenv(&["run", "demo", "--", "python", "-c", code]).exits(0);
    damage_all();
    lab.env.matenv(&["remove", "demo"]).exits(0);
    let listed = lab.env.matenv(&["list", "--json"]).exits(0).json();
    assert_eq!(listed["environments"].as_array().unwrap().len(), 1, "{listed:#}");
}

/// The folder belongs to the user. The other environments are not affected.
#[test]
fn a_folder_in_the_place_of_a_link_stops_only_its_own_environment() {
    let lab = Lab::new();
    let link = lab.env.home().join(".matenv/envs/demo");
    fs_err::remove_file(&link).unwrap();
    for make in [
        |path: &Path| fs_err::create_dir(path).unwrap(),
        |path: &Path| fs_err::write(path, "mine").unwrap(),
    ] {
        make(&link);
        lab.env.matenv(&["list", "--json"]).exits(0).says("rig");
        lab.env.matenv(&["info", "rig"]).exits(0).says("demo-app");
        lab.env.install_demo(&lab.newer.url(), &["--name", "rig"]).exits(0);
        lab.env
            .matenv(&["info", "demo"])
            .exits(1)
            .says("move that file or folder away");
        lab.env
            .install_demo(&lab.newer.url(), &[])
            .exits(1)
            .says("move that file or folder away");
        assert!(link.exists());
        let _ = fs_err::remove_dir(&link);
    }
}

/// An older version forgot an environment whose link was removed by hand, and its files were never freed.
#[test]
fn an_environment_whose_link_was_removed_is_listed_and_installed_or_removed() {
    let lab = Lab::new();
    let link = lab.env.home().join(".matenv/envs/demo");
    fs_err::remove_file(&link).unwrap();
    let listed = lab.env.matenv(&["list", "--json"]).exits(0).json();
    assert!(
        row(&listed, "demo")["broken"].as_str().unwrap().contains("link"),
        "{listed:#}"
    );
    lab.env.install_demo(&lab.newer.url(), &[]).exits(0);
    lab.is_healthy("the link is missing");
    fs_err::remove_file(&link).unwrap();
    lab.env.matenv(&["remove", "demo"]).exits(0);
    let store = fs_err::read_dir(lab.env.home().join(".matenv/store")).unwrap();
    assert_eq!(store.count(), 1, "only the generation of rig stays");
}
