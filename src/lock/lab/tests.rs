use super::*;
use crate::lock::fixtures;

fn wheel(name: &str, version: &str, url: Option<&str>) -> LockedWheel {
    LockedWheel {
        url: url.map(ToOwned::to_owned),
        sha256: hex::encode([u8::try_from(name.len()).expect("short"); 32]),
        size: Some(7),
        ..fixtures::wheel(name, version)
    }
}

fn entry(env: &str, profile: ProfileName, backend: &str, platform: &str) -> LabEntry {
    let mut python = fixtures::conda("python", "3.13.1", "0_cp313", platform);
    let arch = if platform == "win-64" { "win" } else { "linux" };
    python.package_record.arch = Some("x86_64".to_owned());
    python.package_record.platform = Some(arch.to_owned());
    python.package_record.depends = vec!["openssl".to_owned()];
    python.package_record.size = Some(12);
    let torch = format!("https://torch.example.org/whl/{backend}/torch-2.14.0%2B{backend}-py3-none-any.whl");
    let mut entry = fixtures::entry(env, profile, backend, platform);
    entry.requirements = vec![PlannedRequirement {
        requirement: "numpy>=2".to_owned(),
        source: SourceName::Pypi,
        because: "arrays".to_owned(),
    }];
    entry.lock.conda = vec![python];
    entry.lock.pypi.wheels = vec![
        wheel("numpy", "2.4.6", None),
        wheel("torch", &format!("2.14.0+{backend}"), Some(&torch)),
    ];
    entry.lock.pypi.build = vec![wheel("setuptools", "80.0", None)];
    entry
}

fn lock() -> LabLock {
    LabLock {
        entries: vec![
            entry("sleap", ProfileName::Gpu, "cu130", "linux-64"),
            entry("sleap", ProfileName::Cpu, "cpu", "win-64"),
            entry("sleap", ProfileName::Cpu, "cpu", "linux-64"),
        ],
    }
}

fn parse(text: &LabText) -> Result<LabLock, String> {
    LabLock::parse(text, Path::new("lab")).map_err(|error| error.to_string())
}

#[test]
fn a_lock_comes_back_as_it_was_in_the_order_of_its_names() {
    let mut expected = lock();
    expected.entries.reverse();
    let text = lock().text().expect("text");
    assert!(parse(&text) == Ok(expected), "{}", text.lock);
}

#[test]
fn the_same_lock_is_the_same_bytes() {
    let mut other = lock();
    other.entries.reverse();
    for entry in &mut other.entries {
        entry.lock.pypi.wheels.reverse();
    }
    assert_eq!(lock().text().expect("text"), other.text().expect("text"));
}

#[test]
fn it_does_not_name_the_index_of_wheels() {
    let text = lock().text().expect("text").lock;
    assert!(text.contains("./pypi/numpy-2.4.6-py3-none-any.whl"), "{text}");
    assert!(!text.contains("indexes"), "{text}");
}

#[test]
fn a_changed_file_is_reported() {
    let good = lock().text().expect("text");
    let changed = |change: &dyn Fn(&mut LabText)| {
        let mut text = good.clone();
        change(&mut text);
        parse(&text).map_or_else(|error| error, |_| "accepted".to_owned())
    };
    let numpy = hex::encode([5_u8; 32]);
    insta::assert_snapshot!(changed(&|text| text.lock = text.lock.replace(&numpy, &"ef".repeat(32))),
        @"lab/matenv.lock is damaged: sleap-cpu for linux-64: the two files have different wheels of `numpy`");
    insta::assert_snapshot!(changed(&|text| text.sidecar = text.sidecar.replace(&numpy, &"ef".repeat(32))),
        @"lab/matenv.lock is damaged: sleap-cpu for linux-64: the two files have different wheels of `numpy`");
    insta::assert_snapshot!(changed(&|text| text.lock = text.lock.replace("torch.example.org", "evil.example.org")),
        @"lab/matenv.lock is damaged: sleap-cpu for linux-64: the two files have different locations for `torch`");
    insta::assert_snapshot!(changed(&|text| text.lock = text.lock.replace("      - pypi: ./pypi/numpy-2.4.6-py3-none-any.whl\n", "")),
        @"lab/matenv.lock is damaged: sleap-cpu for linux-64: the wheel of `numpy` is missing");
    insta::assert_snapshot!(changed(&|text| text.lock = text.lock.replacen("version: ", "version: 9", 1)),
        @"lab/matenv.lock has format version 97, which this version of matenv cannot read");
    insta::assert_snapshot!(changed(&|text| text.sidecar = text.sidecar.replacen("\"schema\": 1", "\"schema\": 2", 1)),
        @"lab/matenv-lock.json has format version 2, which this version of matenv cannot read");
    insta::assert_snapshot!(changed(&|text| text.lock.insert_str(0, "<<<<<<< HEAD\n")), @"lab/matenv.lock is damaged: line 1 is a git merge conflict marker");
    insta::assert_snapshot!(changed(&|text| text.lock.truncate(text.lock.len() / 2)), @"lab/matenv.lock is damaged: expected at least `conda`, `conda_source`, or `pypi` field");
    insta::assert_snapshot!(changed(&|text| text.sidecar.truncate(text.sidecar.len() / 2)), @"lab/matenv-lock.json is damaged: EOF while parsing an object at line 68 column 13");
}

#[test]
fn cut_files_and_flipped_bytes_never_panic_or_change_the_lock() {
    let good = lock().text().expect("text");
    for at in (0..good.lock.len()).step_by(7) {
        let mut cut = good.clone();
        cut.lock.truncate(at);
        assert!(parse(&cut).is_err(), "cut at {at}");
        let mut flipped = good.lock.clone().into_bytes();
        flipped[at] ^= 1;
        if let Ok(text) = String::from_utf8(flipped) {
            let text = LabText {
                lock: text,
                sidecar: good.sidecar.clone(),
            };
            // A byte of a comment or of a field that the installation does not use may change.
            if let Ok(lock) = parse(&text) {
                let wheels = |lock: &LabLock| {
                    lock.entries
                        .iter()
                        .map(|entry| entry.lock.pypi.clone())
                        .collect::<Vec<_>>()
                };
                assert_eq!(wheels(&lock), wheels(&parse(&good).expect("good")), "flipped at {at}");
            }
        }
    }
}

#[test]
fn no_text_causes_a_panic_and_every_valid_lock_comes_back() {
    use crate::proptests;
    let text = lock().text().expect("text");
    let inputs = (proptests::text(&[&text.lock]), proptests::text(&[&text.sidecar]));
    proptests::check(file!(), &inputs, |(changed_lock, changed_sidecar)| {
        for text in [
            LabText {
                lock: changed_lock.clone(),
                sidecar: text.sidecar.clone(),
            },
            LabText {
                lock: text.lock.clone(),
                sidecar: changed_sidecar.clone(),
            },
            LabText {
                lock: changed_lock.clone(),
                sidecar: changed_sidecar.clone(),
            },
        ] {
            let Ok(read) = parse(&text) else { continue };
            if let Ok(written) = read.text() {
                assert!(parse(&written).as_ref() == Ok(&read), "{}", written.lock);
            }
        }
    });
}

/// An anchor that repeats another one ten times, nine levels deep, would be a billion values.
#[test]
fn deep_and_repeated_values_are_refused() {
    use crate::proptests::nested;
    let text = lock().text().expect("text");
    let refused = |lock: String, sidecar: String| {
        let started = std::time::Instant::now();
        assert!(parse(&LabText { lock, sidecar }).is_err());
        assert!(
            started.elapsed() < std::time::Duration::from_secs(20),
            "{:?}",
            started.elapsed()
        );
    };
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        refused(text.lock.clone(), nested("", open));
        refused(text.lock.clone(), nested("{\"schema\": 1, \"environments\": ", open));
    }
    for open in ["[", "{a: ", "- ", "? "] {
        refused(nested("version: 6\nenvironments: ", open), text.sidecar.clone());
        refused(nested("", open), text.sidecar.clone());
    }
    let mut bomb = "version: 6\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..10 {
        let list = vec![format!("*a{}", at - 1); 10].join(", ");
        bomb = format!("{bomb}a{at}: &a{at} [{list}]\n");
    }
    refused(
        bomb.clone() + "environments: *a9\npackages: *a9\n",
        text.sidecar.clone(),
    );
    refused(bomb, text.sidecar);
}

/// Bug: matenv panicked for a lock with such a requirement.
#[test]
fn a_requirement_that_the_parser_panics_on_is_damage() {
    let text = lock().text().expect("text");
    for requirement in ["'a.>=1'", "\"a>=1; python_version < '3.13' aſſſnd extra == 'x'\""] {
        let wheel = "  name: numpy\n";
        let more = format!("{wheel}  requires_dist:\n  - {requirement}\n");
        let lock = text.lock.replace(wheel, &more);
        assert!(lock != text.lock, "{lock}");
        let sidecar = text.sidecar.clone();
        let refused = parse(&LabText { lock, sidecar }).expect_err("damage");
        assert!(refused.contains("matenv.lock is damaged"), "{refused}");
    }
}
