//! Tests of the rules, with listings that no archive is needed for.

use super::{
    rules::{Target, check_record, commands, inspect},
    *,
};
use crate::lock::fixtures;

const LINUX: Target = Target {
    windows: false,
    folds_case: false,
};

fn wheel() -> LockedWheel {
    fixtures::wheel("demo-app", "1.0")
}

/// Returns the listing of a wheel with `files`, and with a healthy `.dist-info` folder.
fn listing(files: &[&str]) -> Listing {
    let info = ["demo_app-1.0.dist-info/METADATA", "demo_app-1.0.dist-info/RECORD"];
    let members = files.iter().chain(&info).map(|path| Member {
        path: (*path).to_owned(),
        kind: Kind::File,
        size: 10,
        packed: 10,
        checksum: 1,
    });
    Listing {
        size: 10_000,
        members: members.collect(),
        metadata: Some("Metadata-Version: 2.1\nName: Demo_App\nVersion: 1.0.0\n\nVersion: 3\n".to_owned()),
        ..Listing::default()
    }
}

fn problem(listing: &Listing, target: Target) -> WheelProblem {
    let refused = inspect(&wheel(), listing, target).expect_err("it was not refused");
    *refused.problem
}

#[test]
fn the_paths_outside_of_site_packages_are_noted() {
    let mut listing = listing(&[
        "demo_app/__init__.py",
        "demo.pth",
        "demo_app-1.0.data/purelib/other.pth",
        "demo_app-1.0.data/scripts/tool",
        "demo_app-1.0.data/data/share/./x",
        "demo_app-1.0.data/headers/x.h",
        "other-1.0.data/data/x",
    ]);
    listing.entry_points = Some("[console_scripts]\nrun = a:b\n; old = a:b\n[other]\n../x = a:b\n".to_owned());
    let inspected = inspect(&wheel(), &listing, LINUX).expect("safe");
    assert_eq!(inspected.top, ["demo.pth", "other.pth"]);
    let expected = [
        (Scheme::Scripts, "tool".to_owned()),
        (Scheme::Data, "share/x".to_owned()),
        (Scheme::Scripts, "run".to_owned()),
    ];
    assert_eq!(inspected.outside, expected);
}

#[test]
fn commands_are_those_of_both_sections() {
    let text = "[console_scripts]\n a = m:f \n\n# c = m:f\n[gui_scripts]\nb=m\n[console_scripts.x]\nd = m\n";
    assert_eq!(commands(text).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn names_that_differ_by_case_are_refused_where_the_file_system_does() {
    let listing = listing(&["demo_app/a.py", "demo_app/A.py"]);
    inspect(&wheel(), &listing, LINUX).expect("safe");
    let folding = Target {
        folds_case: true,
        ..LINUX
    };
    let other = "demo_app/a.py".to_owned();
    assert_eq!(problem(&listing, folding), WheelProblem::SameExceptCase { other });
}

#[test]
fn a_file_twice_is_refused_only_with_another_content() {
    let mut listing = listing(&["demo_app/a.py", "demo_app/a.py"]);
    inspect(&wheel(), &listing, LINUX).expect("safe");
    listing.members[0].checksum = 2;
    assert_eq!(problem(&listing, LINUX), WheelProblem::Twice);
}

#[test]
fn sizes_are_compared_with_the_archive_and_the_lock() {
    let mut large = listing(&["demo_app/a.py"]);
    large.members[0].size = 70 * 1024 * 1024;
    assert!(matches!(problem(&large, LINUX), WheelProblem::Bomb { .. }));
    let mut shared = listing(&["demo_app/a.py"]);
    shared.members[0].packed = 10_001;
    assert!(matches!(problem(&shared, LINUX), WheelProblem::Bomb { .. }));
    let empty: Vec<String> = (0..140_000).map(|number| format!("demo_app/{number}")).collect();
    let mut many = listing(&empty.iter().map(String::as_str).collect::<Vec<_>>());
    many.members.iter_mut().for_each(|member| member.packed = 0);
    many.size = 10;
    assert!(matches!(problem(&many, LINUX), WheelProblem::Bomb { .. }));
    let wheel = LockedWheel {
        size: Some(9_999),
        ..wheel()
    };
    let refused = inspect(&wheel, &listing(&[]), LINUX).expect_err("refused");
    let (locked, found) = (9_999, 10_000);
    assert_eq!(*refused.problem, WheelProblem::Size { locked, found });
}

#[test]
fn windows_names_are_refused_on_windows() {
    let windows = Target { windows: true, ..LINUX };
    let listing = listing(&["demo_app/aux.py"]);
    inspect(&wheel(), &listing, LINUX).expect("safe");
    assert_eq!(problem(&listing, windows), PathProblem::WindowsName.into());
}

#[test]
fn local_versions_are_the_same_in_all_their_forms() {
    for stem in ["demo_app-1.0+cpu", "demo_app-1.0_cpu"] {
        let mut listing = listing(&[]);
        for member in &mut listing.members {
            member.path = member.path.replace("demo_app-1.0", stem);
        }
        listing.metadata = Some("Name: demo-app\nVersion: 1.0+cpu\n".to_owned());
        let wheel = fixtures::wheel("demo-app", "1.0+cpu");
        inspect(&wheel, &listing, LINUX).expect(stem);
    }
}

#[cfg(unix)]
#[test]
fn rows_of_record_may_reach_the_folder_of_commands_only() {
    for (row, allowed) in [
        ("../../../bin/tool,,\n", true),
        ("demo/../../../../share/x,,\n", true),
        ("../../../../x,,\n", false),
        ("\"/etc/x,y\",,\n", false),
    ] {
        assert_eq!(check_record(&wheel(), row).is_ok(), allowed, "{row}");
    }
}

#[cfg(unix)]
#[test]
fn installed_wheels_are_checked_by_their_metadata() {
    let prefix = tempfile::tempdir().expect("a folder");
    let info = prefix
        .path()
        .join("lib/python3.13/site-packages/demo_app-1.0.dist-info");
    fs_err::create_dir_all(&info).expect("made");
    fs_err::write(prefix.path().join("pyvenv.cfg"), "version = 3.13.1\n").expect("written");
    let problem = |record: &str, entry_points: &str| {
        fs_err::write(info.join("RECORD"), record).expect("written");
        fs_err::write(info.join("entry_points.txt"), entry_points).expect("written");
        check_installed(prefix.path(), &[wheel()])
            .err()
            .map(|error| *error.problem)
    };
    assert_eq!(problem("demo_app/__init__.py,,\n../../../bin/tool,,\n", ""), None);
    let records = PathProblem::Records { folder: "conda-meta" };
    assert_eq!(problem("../../../conda-meta/x.json,,\n", ""), Some(records.into()));
    assert_eq!(problem("../../../bin/python3,,\n", ""), Some(WheelProblem::Interpreter));
    assert_eq!(problem("../../../../x,,\n", ""), Some(WheelProblem::RecordOutside));
    let command = "[console_scripts]\n../x = a:b\n";
    assert_eq!(problem("", command), Some(WheelProblem::CommandPath));
}
