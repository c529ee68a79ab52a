use super::*;
use crate::context::sources::{Mirror, Replaced, Target};

const GOOD: &str = r#"# Ours.
[environments.sleap]
packages = [
  "ipykernel>=6", # for the notebooks
  # Anna's
  "pandas[excel]<3",
]

[environments.old-sleap]
manifest = "sleap"
profiles = ["cpu", "tensorrt"]

[lock]
platforms = ["linux-64", "osx-arm64", { platform = "win-64", cuda = "12.8" }] # three
backends = ["cu130", "cu126"]
exclude-newer = "2026-11-01"

[mirrors]
torch = "pypi"
"#;

fn parse(text: &str) -> Result<(Lab, Vec<Mirror>), TomlError> {
    format::parse(&TomlFile::new("matenv.toml", text), Path::new("/lab"))
}

fn refused(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

fn env(name: &str) -> EnvName {
    name.parse().expect("a name")
}

fn lab_in(folder: &Path, text: &str) -> Lab {
    fs_err::write(folder.join(LAB_FILE), text).expect("written");
    Lab::find(folder).expect("valid").expect("found").0
}

fn manifests() -> Manifests {
    Manifests::load(None).expect("valid")
}

#[test]
fn a_lab_is_read_from_its_file() {
    let (lab, mirrors) = parse(GOOD).expect("valid");
    assert_eq!(lab.packages(&env("sleap")), ["ipykernel>=6", "pandas[excel]<3"]);
    assert!(lab.packages(&env("runtime")).is_empty());
    let old = &lab.environments[&env("old-sleap")];
    assert_eq!(old.manifest, env("sleap"));
    assert_eq!(old.profiles, Some(vec![ProfileName::Cpu, ProfileName::GpuTrt]));
    let platforms: Vec<_> = lab.platforms.iter().map(|one| one.platform.as_str()).collect();
    assert_eq!(platforms, ["linux-64", "osx-arm64", "win-64"]);
    assert_eq!(lab.platforms[2].cuda.as_deref(), Some("12.8"));
    assert_eq!(lab.exclude_newer.as_deref(), Some("2026-11-01"));
    let torch = Mirror {
        replaced: Replaced::Source(crate::context::sources::SourceName::Torch),
        target: Target::Source(crate::context::sources::SourceName::Pypi),
        credentials: None,
    };
    assert_eq!(mirrors, [torch]);
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in [
        "",
        "\n# nothing\n",
        "[lock]\n[mirrors]\n[environments]\n",
        "\u{feff}[lock]\r\n",
    ] {
        let (lab, mirrors) = parse(text).expect("valid");
        assert!(lab.environments.is_empty() && mirrors.is_empty());
        assert_eq!(lab.platforms.len(), 1, "the platform of this machine");
        let backends: Vec<_> = lab.backends.iter().map(Backend::as_str).collect();
        assert_eq!(backends, ["cu130", "cu128"]);
    }
}

#[test]
fn each_error_names_file_line_and_key() {
    let lock = |key: &str| refused(&format!("[lock]\n{key}\n"));
    insta::assert_snapshot!(refused("[enviroments.sleap]"), @"matenv.toml:1: unknown field `enviroments`, expected one of `environments`, `lock`, `mirrors`");
    insta::assert_snapshot!(refused("[environments.Sleap]"), @"matenv.toml:1: `Sleap` is not a valid environment name: use at most 64 lowercase letters, digits, `.`, `_` and `-`, and start with a letter or a digit");
    insta::assert_snapshot!(refused(&GOOD.replace("packages =", "pakages =")), @"matenv.toml:3: unknown field `pakages`, expected one of `manifest`, `profiles`, `packages`");
    insta::assert_snapshot!(refused(&GOOD.replace(">=6", ">=>6")), @r#"matenv.toml:4: `environments.sleap.packages`: `ipykernel>=>6` is not a valid PEP 508 requirement: no such comparison operator ">=>", must be one of ~= == != <= >= < > ==="#);
    insta::assert_snapshot!(refused(&GOOD.replace("ipykernel>=6", "x @ https://example.org/x.whl")), @"matenv.toml:4: `environments.sleap.packages`: `x @ https://example.org/x.whl` contains a URL: packages must come from PyPI or a mirror of it");
    insta::assert_snapshot!(refused(&GOOD.replace("ipykernel>=6", "Pandas>=2")), @"matenv.toml:6: `environments.sleap.packages`: pandas is listed twice: combine its bounds");
    insta::assert_snapshot!(refused(&GOOD.replace("tensorrt", "gpuu")), @"matenv.toml:11: unknown variant `gpuu`, expected one of `cpu`, `gpu`, `gpu-trt`, `tensorrt`");
    insta::assert_snapshot!(refused(&GOOD.replace("tensorrt", "cpu")), @"matenv.toml:11: `environments.old-sleap.profiles` lists a profile twice");
    insta::assert_snapshot!(refused(&GOOD.replace("\"cpu\", \"tensorrt\"", "")), @"matenv.toml:11: `environments.old-sleap.profiles` is empty: list a profile or remove the key");
    insta::assert_snapshot!(lock("platforms = []"), @"matenv.toml:2: `lock.platforms` is empty: list a platform or remove the key");
    insta::assert_snapshot!(lock("platforms = [\"linux64\"]"), @"matenv.toml:2: `lock.platforms`: unknown platform `linux64` (did you mean `linux-64`?): expected one of linux-64, linux-aarch64, osx-arm64, win-64");
    insta::assert_snapshot!(lock("platforms = [\"osx-64\"]"), @"matenv.toml:2: `lock.platforms`: unknown platform `osx-64` (did you mean `osx-arm64`?): expected one of linux-64, linux-aarch64, osx-arm64, win-64");
    insta::assert_snapshot!(lock("platforms = [\"linux-64\",\n{ platform = \"linux-64\", glibc = \"2.31\" }]"), @"matenv.toml:3: `lock.platforms`: `linux-64` is listed twice");
    insta::assert_snapshot!(lock("platforms = [{ platform = \"linux-64\", macos = \"14\" }]"), @"matenv.toml:2: `lock.platforms`: `macos` does not apply to `linux-64`");
    insta::assert_snapshot!(lock("platforms = [{ platform = \"linux-64\", glibc = \"new\" }]"), @r#"matenv.toml:2: `lock.platforms`: `glibc = "new"` is not a version, such as "2.28""#);
    insta::assert_snapshot!(lock("platforms = [{ platform = \"win-64\", cuda = \"12\" }]"), @r#"matenv.toml:2: `lock.platforms`: `cuda = "12"` is not a version, such as "12.8""#);
    insta::assert_snapshot!(lock("platforms = [{ platform = \"linux-64\", glib = \"2.31\" }]"), @"matenv.toml:2: unknown field `glib`, expected one of `platform`, `glibc`, `macos`, `cuda`");
    insta::assert_snapshot!(lock("platforms = [{ glibc = \"2.31\" }]"), @"matenv.toml:2: missing field `platform`");
    insta::assert_snapshot!(lock("platforms = [64]"), @r#"matenv.toml:2: invalid type: integer `64`, expected a platform, such as "linux-64" or { platform = "win-64", cuda = "12.8" }"#);
    insta::assert_snapshot!(lock("platforms = \"linux-64\""), @r#"matenv.toml:2: invalid type: string "linux-64", expected a sequence"#);
    insta::assert_snapshot!(lock("backends = [\"cu13\"]"), @"matenv.toml:2: `cu13` is not a valid torch backend: use `cpu`, or `cu` and three digits, such as `cu130`");
    insta::assert_snapshot!(lock("backends = [\"cu999\"]"), @"matenv.toml:2: `lock.backends`: torch has no build `cu999`: use another one, such as cu130");
    insta::assert_snapshot!(lock("backends = [\"cpu\"]"), @"matenv.toml:2: `lock.backends`: `cpu` is always locked for the profile cpu: list only GPU builds, such as cu130");
    insta::assert_snapshot!(lock("backends = [\"cu130\", \"cu130\"]"), @"matenv.toml:2: `lock.backends`: `cu130` is listed twice");
    insta::assert_snapshot!(lock("exclude-newer = \"yesterday\""), @r#"matenv.toml:2: `lock.exclude-newer`: `yesterday` is not a date, such as "2026-11-01""#);
    insta::assert_snapshot!(lock("exclude-newer = 2026-11-01"), @"accepted");
    insta::assert_snapshot!(lock("exclude-newer = 2026"), @r#"matenv.toml:2: expected a date, such as "2026-11-01""#);
    insta::assert_snapshot!(lock("exclude-newer = 10:30:00"), @r#"matenv.toml:2: `lock.exclude-newer`: `10:30:00` is not a date, such as "2026-11-01""#);
    insta::assert_snapshot!(lock("exclude_newer = \"2026-11-01\""), @"matenv.toml:2: unknown field `exclude_newer`, expected one of `platforms`, `backends`, `exclude-newer`");
    insta::assert_snapshot!(refused("[mirrors]\n\ntorch = \"nowhere\""), @"matenv.toml:3: `mirrors.torch`: `nowhere` is neither a source (conda-forge, pypi, torch, nvidia) nor a URL");
    insta::assert_snapshot!(refused("[mirrors]\ntorch = \"conda-forge\""), @"matenv.toml:2: `mirrors.torch`: `torch` cannot be replaced by `conda-forge`: one is a conda channel and the other a wheel index, or they replace each other");
    insta::assert_snapshot!(refused("[lock"), @"matenv.toml:1: unclosed table, expected `]`");
}

#[test]
fn invalid_utf8_is_reported_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(LAB_FILE);
    fs_err::write(&file, b"[lock]\n# \xff\n").expect("written");
    let message = Lab::find(folder.path()).expect_err("no text").to_string();
    assert_eq!(
        message,
        format!("{}:2: not UTF-8: save the file as UTF-8", file.display())
    );
}

#[test]
fn the_nearest_file_above_is_used() {
    let outer = tempfile::tempdir().expect("a folder");
    let inner = outer.path().join("inner");
    let below = inner.join("data/run 1");
    fs_err::create_dir_all(&below).expect("made");
    assert!(Lab::find(&below).expect("valid").is_none());
    lab_in(outer.path(), GOOD);
    let found = Lab::find(&below).expect("valid").expect("found").0;
    assert_eq!(found.root, outer.path());
    lab_in(&inner, "");
    let found = Lab::find(&below).expect("valid").expect("found").0;
    assert_eq!(found.root, inner);
    // A folder of that name is not a lab's file.
    fs_err::create_dir_all(below.join(LAB_FILE)).expect("made");
    assert_eq!(Lab::find(&below).expect("valid").expect("found").0.root, inner);
}

#[test]
fn adding_and_removing_keep_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = lab_in(folder.path(), GOOD);
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let added = add(
        &lab,
        &manifests(),
        &env("sleap"),
        &texts(&["seaborn", "IPykernel >=7", "pandas[excel]<3"]),
    )
    .expect("added");
    let before: Vec<_> = added.changes.iter().map(|one| one.before.as_deref()).collect();
    assert_eq!(before, [None, Some("ipykernel>=6"), Some("pandas[excel]<3")]);
    assert_eq!((added.next.as_str(), added.alone), ("matenv install sleap", false));
    let text = fs_err::read_to_string(lab.file()).expect("there");
    let wanted = GOOD
        .replace("ipykernel>=6", "IPykernel >=7")
        .replace("<3\",\n", "<3\",\n  \"seaborn\",\n");
    assert_eq!(text, wanted);

    add(&lab, &manifests(), &env("x-anylabeling"), &texts(&["tqdm"])).expect("added");
    let text = fs_err::read_to_string(lab.file()).expect("there");
    let other = "[environments.x-anylabeling]\npackages = [\"tqdm\"]\n\n[lock]";
    assert!(text.contains(other), "{text}");

    fs_err::write(folder.path().join("matenv.lock"), "").expect("written");
    let removed = remove(&lab, &manifests(), &env("sleap"), &texts(&["ipykernel", "Seaborn"])).expect("removed");
    assert_eq!(removed.next, "matenv lock");
    remove(&lab, &manifests(), &env("x-anylabeling"), &texts(&["tqdm"])).expect("removed");
    let text = fs_err::read_to_string(lab.file()).expect("there");
    let wanted = GOOD
        .replace("  \"ipykernel>=6\", # for the notebooks\n", "")
        .replace("[lock]", "[environments.x-anylabeling]\npackages = []\n\n[lock]");
    assert_eq!(text, wanted);
}

#[test]
fn a_refused_change_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = lab_in(folder.path(), GOOD);
    let manifests = manifests();
    let texts = |text: &str| vec!["tqdm".to_owned(), text.to_owned()];
    let message = |result: Result<Edited, LabError>| result.expect_err("refused").to_string();
    let sleap = env("sleap");
    insta::assert_snapshot!(message(add(&lab, &manifests, &sleap, &texts("ipykernel=6"))), @r#"`ipykernel=6` is not a valid PEP 508 requirement: no such comparison operator "=", must be one of ~= == != <= >= < > ==="#);
    insta::assert_snapshot!(message(add(&lab, &manifests, &sleap, &texts("./wheel.whl"))), @"`./wheel.whl` is not a valid PEP 508 requirement: URL requirement must be preceded by a package name. Add the name of the package before the URL (e.g., `package_name @ /path/to/file`).");
    insta::assert_snapshot!(message(add(&lab, &manifests, &sleap, &texts(""))), @"`` is not a valid PEP 508 requirement: Empty field is not allowed for PEP508");
    insta::assert_snapshot!(message(add(&lab, &manifests, &env("slaep"), &texts("tqdm"))), @"unknown environment `slaep`");
    let Err(LabError::NotThere { similar, known, .. }) = remove(&lab, &manifests, &sleap, &["ipykernal".to_owned()])
    else {
        panic!("it was there");
    };
    assert_eq!(similar.as_deref(), Some("ipykernel"));
    assert_eq!(known, ["ipykernel", "pandas"]);
    assert!(remove(&lab, &manifests, &env("runtime"), &["tqdm".to_owned()]).is_err());
    assert_eq!(fs_err::read_to_string(lab.file()).expect("there"), GOOD);
}

#[test]
fn every_way_to_write_a_table_can_be_edited() {
    for (before, after) in [
        ("", "[environments.sleap]\npackages = [\"tqdm\"]\n"),
        ("# end", "[environments.sleap]\npackages = [\"tqdm\"]\n# end"),
        (
            "[environments]\n",
            "[environments]\n\n[environments.sleap]\npackages = [\"tqdm\"]\n",
        ),
        (
            "environments.sleap.profiles = [\"cpu\"]\n",
            "environments.sleap.profiles = [\"cpu\"]\nenvironments.sleap.packages = [\"tqdm\"]\n",
        ),
        (
            "environments = { sleap = { profiles = [\"cpu\"] } }\n",
            "environments = { sleap = { profiles = [\"cpu\"] , packages = [\"tqdm\"] } }\n",
        ),
        (
            "environments = { runtime = {} }\n",
            "environments = { runtime = {} , sleap = { packages = [\"tqdm\"] } }\n",
        ),
        (
            "[environments.sleap]\r\npackages = []\r\n",
            "[environments.sleap]\r\npackages = [\"tqdm\"]\r\n",
        ),
        (
            "\u{feff}[lock]\n",
            "[lock]\n\n[environments.sleap]\npackages = [\"tqdm\"]\n",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let lab = lab_in(folder.path(), before);
        add(&lab, &manifests(), &env("sleap"), &["tqdm".to_owned()]).expect(before);
        assert_eq!(fs_err::read_to_string(lab.file()).expect("there"), after);
        let again = Lab::find(folder.path()).expect("valid").expect("found").0;
        assert_eq!(again.packages(&env("sleap")), ["tqdm"]);
    }
}

#[test]
fn a_new_lab_contains_the_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("lab");
    let created = init(&root, &[], true).expect("made");
    assert_eq!(created.environments, [env("sleap"), env("x-anylabeling")]);
    assert_eq!(created.manifests.len(), 3);
    let lab = Lab::find(&root).expect("valid").expect("found").0;
    let (empty, _) = parse("").expect("valid");
    assert_eq!((&lab.platforms, &lab.backends), (&empty.platforms, &empty.backends));
    assert_eq!(lab.manifests(), Some(root.join("manifests")));
    assert_eq!(Manifests::load(lab.manifests().as_deref()).expect("valid"), manifests());
    assert!(matches!(init(&root, &[], false), Err(LabError::Exists { .. })));
    // Each commented-out line is valid.
    let text = fs_err::read_to_string(lab.file()).expect("there");
    let used = text.replace("# manifest", "manifest").replace("# profiles", "profiles");
    let used = used.replace("# exclude", "exclude").replace("# torch =", "torch =");
    let used = used.replace("# conda-forge =", "conda-forge =");
    let (lab, mirrors) = parse(&used).expect("valid");
    assert_eq!((lab.environments.len(), mirrors.len()), (2, 2));
    assert!(lab.exclude_newer.is_some());
}

#[test]
fn environments_of_the_lab_are_selected_before_manifests() {
    let (lab, _) = parse(&GOOD.replace(", \"tensorrt\"", "")).expect("valid");
    let manifests = manifests();
    let selected = |names: &[&str], name: Option<&str>| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        match select(Some(&lab), &manifests, &names, name.map(env).as_ref()) {
            Ok(environments) => environments
                .iter()
                .map(|one| format!("{} of {} {:?}", one.env, one.manifest.name, one.profile))
                .collect::<Vec<_>>()
                .join(", "),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(selected(&[], None), "old-sleap of sleap Some(Cpu), sleap of sleap None");
    assert_eq!(selected(&["runtime", "runtime"], None), "runtime of runtime None");
    assert_eq!(selected(&["sleap"], Some("old-sleap")), "old-sleap of sleap Some(Cpu)");
    assert_eq!(selected(&["old-sleap"], Some("new")), "new of sleap None");
    assert_eq!(selected(&["old-slaep"], None), "unknown environment `old-slaep`");
    let (lab, _) = parse("[environments.x]").expect("valid");
    let missing = select(Some(&lab), &manifests, &[], None).expect_err("no manifest");
    let message = "unknown manifest `x` for the environment `x` in /lab/matenv.toml";
    assert_eq!(missing.to_string(), message);
}

/// A damaged file is read or refused. If it is read, it can be edited and read again.
#[test]
fn a_damaged_file_never_panics() {
    let (sleap, tqdm) = (env("sleap"), ["tqdm".to_owned()]);
    let manifests = manifests();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(LAB_FILE);
    let mut seed = 42_u64;
    let mut random = |below: usize| {
        // xorshift: the same damage in each run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("small")
    };
    let (mut read, mut refused) = (0, 0);
    for round in 0..4000 {
        let mut bytes = GOOD.as_bytes().to_vec();
        match round % 4 {
            0 => bytes.truncate(random(GOOD.len())),
            1 => bytes[random(GOOD.len())] ^= 1 << random(8),
            2 => {
                let at = random(GOOD.len());
                bytes.insert(at, b"\"[]{}=,.#\n\r \\'\0"[random(15)]);
            }
            _ => {
                let (from, to) = (random(GOOD.len()), random(GOOD.len()));
                bytes.drain(from.min(to)..(from.min(to) + 1 + from.abs_diff(to) % 9).min(GOOD.len()));
            }
        }
        fs_err::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, &bytes))
            .expect("written");
        match Lab::find(folder.path()) {
            Ok(lab) => {
                let (lab, _) = lab.expect("found");
                read += 1;
                if add(&lab, &manifests, &sleap, &tqdm).is_ok() {
                    let again = Lab::find(folder.path()).expect("valid").expect("found").0;
                    assert!(again.packages(&sleap).contains(&tqdm[0]));
                    remove(&again, &manifests, &sleap, &tqdm).expect("removed");
                    let again = Lab::find(folder.path()).expect("valid").expect("found").0;
                    assert_eq!(again.packages(&sleap), lab.packages(&sleap));
                }
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(LAB_FILE), "{error}");
            }
        }
    }
    assert!(read > 500 && refused > 500, "{read} read, {refused} refused");
}

#[test]
fn no_text_causes_a_panic_and_a_package_can_be_added_to_every_lab() {
    use crate::proptests;
    let name = env("sleap");
    let manifests = manifests();
    proptests::check(file!(), &proptests::text(&[GOOD]), |text| {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join(LAB_FILE), &text).expect("written");
        let Ok(Some((lab, _))) = Lab::find(folder.path()) else {
            return;
        };
        let known = lab.packages(&name).len();
        if let Ok(edited) = add(&lab, &manifests, &name, &["zarr>=3".to_owned()]) {
            let (again, _) = Lab::find(folder.path()).expect("still valid").expect("found");
            assert!(
                again.packages(&name).iter().any(|package| package == "zarr>=3"),
                "{edited:?}"
            );
            remove(&again, &manifests, &name, &["zarr".to_owned()]).expect("removed");
            let (last, _) = Lab::find(folder.path()).expect("still valid").expect("found");
            assert!(last.packages(&name).len() >= known.min(1).saturating_sub(1));
        }
    });
}

#[test]
fn deep_values_are_refused() {
    for open in ["[", "{a=", "[{a="] {
        assert_ne!(
            refused(&crate::proptests::nested("lock = ", open)),
            "accepted",
            "{open}"
        );
    }
}
