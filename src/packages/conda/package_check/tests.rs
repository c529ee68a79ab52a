//! Tests of the rules, with extracted packages that no archive is needed for.

use rattler_conda_types::subdir::Subdir;
use serde_json::json;

use super::*;
use crate::packages::path_rules::stays_inside;

const LINUX: PathRules = PathRules { windows: false };
const WINDOWS: PathRules = PathRules { windows: true };

fn target() -> Target {
    let version = "3.13.1".parse().expect("a version");
    Target {
        windows: false,
        folds_case: false,
        python: Some(PythonInfo::from_version(&version, None, Subdir::Linux64).expect("a Python")),
    }
}

fn record(name: &str) -> RepoDataRecord {
    serde_json::from_value(json!({
        "name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": "noarch",
        "depends": [], "md5": "d41d8cd98f00b204e9800998ecf8427e", "fn": format!("{name}-1.0-0.conda"),
        "url": format!("https://example.org/noarch/{name}-1.0-0.conda"),
    }))
    .expect("a record")
}

/// Creates an extracted package with `files`, which are all listed.
fn extracted(name: &str, noarch: &str, files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temp folder");
    let write = |path: &str, text: String| {
        let path = folder.path().join(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs_err::write(path, text).expect("written");
    };
    for file in files {
        write(file, (*file).to_owned());
    }
    let paths: Vec<_> = files
        .iter()
        .map(|file| json!({ "_path": file, "path_type": "hardlink" }))
        .collect();
    write(
        "info/paths.json",
        json!({ "paths": paths, "paths_version": 1 }).to_string(),
    );
    let index = json!({
        "name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": "noarch",
        "noarch": noarch, "depends": [],
    });
    write("info/index.json", index.to_string());
    folder
}

fn inspected(name: &str, noarch: &str, files: &[&str]) -> Inspected {
    let folder = extracted(name, noarch, files);
    inspect(&record(name), folder.path(), &target(), false).expect("safe")
}

fn problem<T: std::fmt::Debug>(result: Result<T, UnsafePackage>) -> Problem {
    result.expect_err("it was not refused").problem
}

#[test]
fn paths_are_refused_or_normalized() {
    for (path, expected) in [
        ("/etc/passwd", PathProblem::Absolute),
        ("//server/x", PathProblem::Absolute),
        ("a/../b", PathProblem::Parent),
        ("..", PathProblem::Parent),
        ("a\\..\\b", PathProblem::Parent),
        ("C:/x", PathProblem::Drive),
        ("c:x", PathProblem::Drive),
        ("\\\\?\\C:\\x", PathProblem::Drive),
        ("", PathProblem::NoName),
        ("./", PathProblem::NoName),
        ("conda-meta", PathProblem::Records { folder: "conda-meta" }),
        ("./CONDA-META//x", PathProblem::Records { folder: "conda-meta" }),
        ("share/matenv/x", PathProblem::Records { folder: "share/matenv" }),
    ] {
        assert_eq!(LINUX.check(path), Err(expected), "{path}");
    }
    for (path, expected) in [
        ("bin/python", "bin/python"),
        ("./a//b/./c", "a/b/c"),
        ("share/matenv-demo/x", "share/matenv-demo/x"),
        ("conda-metadata", "conda-metadata"),
        ("man/man3/A::B.3", "man/man3/A::B.3"),
        ("include/aux.h", "include/aux.h"),
        ("...", "..."),
    ] {
        assert_eq!(LINUX.check(path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn windows_names_are_refused_on_windows_only() {
    for path in [
        "include/aux.h",
        "NUL",
        "com1.txt",
        "a/lpt9",
        "a/x:stream",
        "a./b",
        "a /b",
        "a/b?",
    ] {
        assert_eq!(WINDOWS.check(path), Err(PathProblem::WindowsName), "{path}");
        assert!(LINUX.check(path).is_ok(), "{path}");
    }
    assert_eq!(
        WINDOWS.check("Lib\\site-packages\\x.py").as_deref(),
        Ok("Lib/site-packages/x.py")
    );
    assert!(WINDOWS.check("auxiliary/com10/console.py").is_ok());
}

#[test]
fn links_stay_inside_only_if_every_step_does() {
    let none = |_: &str| false;
    for (path, to, inside) in [
        ("bin/python", "python3.13", true),
        ("lib/a", "../share/a", true),
        ("lib/a", "..", true),
        ("lib/a", "../../a", false),
        ("a", "..", false),
        ("a", "/etc", false),
        ("a", "C:\\x", false),
        ("a/b", "c/../../d", true),
        ("a/b", "c/../../../d", false),
    ] {
        assert_eq!(stays_inside(path, to, none), inside, "{path} -> {to}");
    }
    assert!(!stays_inside("a/t", "s/../x", |path| path == "a/s"));
}

#[test]
fn the_files_of_safe_packages_are_placed() {
    let package = inspected(
        "demo",
        "python",
        &["site-packages/demo.py", "python-scripts/demo", "share/x"],
    );
    let mut paths: Vec<_> = package.placed.iter().map(|file| file.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["bin/demo", "lib/python3.13/site-packages/demo.py", "share/x"]);
}

/// The folder of `site-packages` comes from the record of Python, which is text of a channel.
#[test]
fn a_hostile_folder_of_site_packages_is_refused() {
    let folder = extracted("demo", "python", &["site-packages/demo.py"]);
    let mut hostile = target();
    if let Some(python) = &mut hostile.python {
        python.site_packages_path = "../../..".into();
    }
    let refused = inspect(&record("demo"), folder.path(), &hostile, false);
    assert_eq!(problem(refused), PathProblem::Parent.into());
}

#[test]
fn packages_that_share_a_path_are_refused() {
    let packages = [
        inspected("one", "generic", &["bin/python3.13"]),
        inspected("two", "python", &["python-scripts/python3.13"]),
    ];
    let refused = compare(&packages, &target()).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "the conda package `two-1.0-0.conda` is unsafe: `bin/python3.13` is also in `one-1.0-0.conda`, and one would \
         replace the other"
    );
}

#[test]
fn paths_that_differ_by_case_are_told_or_refused() {
    let packages = [
        inspected("one", "generic", &["share/E/x"]),
        inspected("two", "generic", &["share/e/x"]),
    ];
    let told = compare(&packages, &target()).expect("allowed");
    assert_eq!(told, [CasePair("share/E/x".to_owned(), "share/e/x".to_owned())]);
    let folding = Target {
        folds_case: true,
        ..target()
    };
    let refused = problem(compare(&packages, &folding));
    assert!(matches!(refused, Problem::SameExceptCase { other, .. } if other == "share/E/x"));
}

#[cfg(unix)]
#[test]
fn special_files_and_rights_are_refused() {
    use std::os::unix::{fs::PermissionsExt as _, net::UnixListener};

    for mode in [0o4755, 0o2755] {
        let folder = extracted("demo", "generic", &["bin/demo"]);
        fs_err::set_permissions(folder.path().join("bin/demo"), std::fs::Permissions::from_mode(mode)).expect("set");
        assert_eq!(
            problem(inspect(&record("demo"), folder.path(), &target(), false)),
            Problem::SetId
        );
    }
    let folder = extracted("demo", "generic", &["bin/demo"]);
    let _socket = UnixListener::bind(folder.path().join("bin/socket")).expect("a socket");
    let refused = inspect(&record("demo"), folder.path(), &target(), false);
    assert_eq!(problem(refused), Problem::SpecialFile);
}

#[cfg(unix)]
#[test]
fn only_the_hosts_python_may_link_outside() {
    let folder = extracted("demo", "generic", &[]);
    fs_err::os::unix::fs::symlink("/usr/bin/env", folder.path().join("tool")).expect("linked");
    let refused = inspect(&record("demo"), folder.path(), &target(), false);
    assert!(matches!(problem(refused), Problem::OutsideLink { .. }));
    inspect(&record("demo"), folder.path(), &target(), true).expect("allowed");
}

#[test]
fn a_record_needs_a_hash() {
    let mut record = record("demo");
    check_record(&record, false).expect("allowed");
    record.package_record.md5 = None;
    assert_eq!(problem(check_record(&record, false)), Problem::NoHash);
    check_record(&record, true).expect("allowed");
}

/// Whatever a package lists is refused or stays inside the prefix.
#[test]
fn no_list_of_paths_causes_a_panic_or_leaves_the_prefix() {
    use crate::proptests;
    let folder = extracted("demo", "python", &["site-packages/demo/a.py", "bin/demo", "lib/b.so"]);
    let file = |name: &str| folder.path().join("info").join(name);
    let (paths, index) = (
        fs_err::read(file("paths.json")).expect("read"),
        fs_err::read(file("index.json")).expect("read"),
    );
    let link =
        br#"{"noarch": {"type": "python", "entry_points": ["demo = demo:main"]}, "package_metadata_version": 1}"#;
    let inputs = (
        proptests::bytes(&[&paths]),
        proptests::bytes(&[&index]),
        proptests::bytes(&[link]),
    );
    proptests::check(file!(), &inputs, |(changed_paths, changed_index, changed_link)| {
        for (paths, index, link) in [
            (&changed_paths, &index, link.as_slice()),
            (&paths, &changed_index, link),
            (&paths, &index, &changed_link),
        ] {
            fs_err::write(file("paths.json"), paths).expect("written");
            fs_err::write(file("index.json"), index).expect("written");
            fs_err::write(file("link.json"), link).expect("written");
            let Ok(inspected) = inspect(&record("demo"), folder.path(), &target(), false) else {
                continue;
            };
            for placed in &inspected.placed {
                let path = Path::new(&placed.path);
                assert!(
                    path.components()
                        .all(|part| matches!(part, std::path::Component::Normal(_))),
                    "{path:?}"
                );
            }
        }
    });
}

#[test]
fn no_path_leaves_the_prefix() {
    use crate::proptests;
    let inputs = proptests::text(&[
        "lib/python3.13/site-packages/a.py",
        "../x",
        "C:\\a",
        "a/./b//c",
        "share/matenv",
    ]);
    proptests::check(file!(), &inputs, |path| {
        for rules in [LINUX, WINDOWS] {
            let Ok(safe) = rules.check(&path) else { continue };
            assert_eq!(rules.check(&safe).as_deref(), Ok(safe.as_str()), "{path:?}");
            let parts = Path::new(&safe).components();
            assert!(parts.clone().count() > 0, "{path:?}");
            assert!(
                parts
                    .clone()
                    .all(|part| matches!(part, std::path::Component::Normal(_))),
                "{path:?}"
            );
        }
    });
}
