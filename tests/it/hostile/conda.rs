//! Hostile conda packages: each is refused before a file of it is linked.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tar::EntryType;

use super::Hostile;
use crate::support::{
    Channel, DEAD_INDEX, Format, Index, Options, RawPackage, TestEnv, Wheel, assert_error, host_python, idle_python,
};

fn evil() -> RawPackage {
    RawPackage::new("evil")
}

fn needs(other: &str) -> RawPackage {
    evil().recorded("depends", json!([other]))
}

/// Bug: a package wrote over `~/.bashrc`, with exit code 0.
#[test]
fn paths_that_leave_the_environment_are_refused() {
    let hostile = Hostile::new();
    let absolute = format!("{}/file", hostile.outside());
    for (path, text) in [
        ("../../../.bashrc", "`../../../.bashrc` contains `..`"),
        ("../evil-1.0-0/payload", "contains `..`"),
        ("share/../../../../.bashrc", "contains `..`"),
        ("lib\\..\\..\\x", "contains `..`"),
        (&absolute, "is an absolute path"),
        ("C:\\Windows\\evil.dll", "is a Windows drive or network path"),
        ("\\\\server\\share\\evil.dll", "is a Windows drive or network path"),
        (".", "`.` is not the name of a file"),
        (
            "conda-meta/history",
            "is in `conda-meta`, where matenv keeps its own records",
        ),
        ("Conda-Meta/history", "is in `conda-meta`"),
        ("share/matenv/stamp.json", "is in `share/matenv`"),
    ] {
        // The archive contains the file as well, wherever its reader puts it.
        hostile.refuses(&[evil().file(path)], text);
        hostile.refuses(&[evil().listed(path, "hardlink")], text);
    }
    hostile.refuses(&[evil().legacy().file("../../../home/.bashrc")], "contains `..`");
}

#[test]
fn the_message_names_package_path_and_reason() {
    let hostile = Hostile::new();
    hostile.write(Format::Conda, &[evil().file("../../../.bashrc")]);
    let mirror = hostile.channel.mirror();
    let ran = hostile
        .env
        .install_demo_from(&mirror, DEAD_INDEX, &["--strict"])
        .exits(5);
    assert_error!(hostile.env, "unsafe_conda_package", ran);
    hostile.write(Format::Conda, &[evil().file("lib/\u{1b}[2Jx/../y")]);
    let ran = hostile
        .env
        .install_demo_from(&mirror, DEAD_INDEX, &["--strict"])
        .exits(5);
    assert!(!ran.says("lib/\\u{1b}[2Jx/../y").stderr.contains('\u{1b}'));
}

#[test]
fn links_that_leave_the_environment_are_refused() {
    let hostile = Hostile::new();
    let outside = hostile.outside();
    hostile.refuses(&[evil().symlink("lib/evil", &outside)], "outside the environment");
    hostile.refuses(
        &[evil().symlink("lib/evil", "../../../.bashrc")],
        "`lib/evil` is a link to `../../../.bashrc`, outside the environment",
    );
    // `a/s` is the prefix itself, so `s/..` is the folder above it.
    let through = evil().symlink("a/s", "..").symlink("a/t", "s/../x");
    hostile.refuses(&[through], "`a/t` is a link to `s/../x`, outside the environment");
    // A link that is not listed, and a listed file behind it.
    let behind = evil()
        .entry(EntryType::Symlink, "lib", &outside, 0o777)
        .listed("lib/file", "hardlink");
    hostile.refuses(&[behind], "`lib` is a link to");
    // It would be read to its end.
    let endless = evil().entry(EntryType::Symlink, "info/index.json", "/dev/zero", 0o777);
    hostile.refuses(&[endless], "`info/index.json` is a link to `/dev/zero`");
    // Another program's name gives no right to leave: only the channel of the host's Python does.
    hostile.refuses(
        &[evil().symlink("bin/tool", "/usr/bin/env")],
        "`bin/tool` is a link to `/usr/bin/env`, outside the environment",
    );
}

#[test]
fn paths_through_links_are_refused() {
    let hostile = Hostile::new();
    let own = evil()
        .symlink("lib/evil", "../share")
        .entry(EntryType::Regular, "share/x", "", 0o644)
        .listed("lib/evil/x", "hardlink");
    hostile.refuses(&[own], "`lib/evil/x` goes through `lib/evil`, a link of `evil-1.0-0");
    let other = RawPackage::new("other").symlink("lib/evil", "../share");
    let text = "`lib/evil/x` goes through `lib/evil`, a link of `other-1.0-0";
    hostile.refuses(&[needs("other").file("lib/evil/x"), other], text);
    let other = RawPackage::new("other").file("lib/evil");
    let text = "`lib/evil/x` is below `lib/evil`, a file of `other-1.0-0";
    hostile.refuses(&[needs("other").file("lib/evil/x"), other], text);
}

#[test]
fn a_file_of_another_package_is_not_replaced() {
    let hostile = Hostile::new();
    let python = format!("python{}", host_python());
    let text = format!("`bin/{python}` is also in `");
    hostile.refuses(&[evil().file(&format!("bin/{python}"))], &text);
    hostile.refuses(&[evil().symlink(&format!("bin/{python}"), "../share/evil")], &text);
    // noarch packages reach the same place by another path, and by a command.
    let scripts = evil().python(&[]).file(&format!("python-scripts/{python}"));
    hostile.refuses(&[scripts], &text);
    let command = evil().python(&[&format!("{python} = evil:main")]);
    hostile.refuses(&[command], &text);
    let other = RawPackage::new("other").file("share/data");
    hostile.refuses(&[needs("other").file("share/data"), other], "`share/data` is also in `");
}

#[test]
fn commands_with_a_path_are_refused() {
    let hostile = Hostile::new();
    let command = evil().python(&["../../../.bashrc = evil:main"]);
    hostile.refuses(&[command], "info/link.json");
}

/// The archive itself leaves the folder into which it is extracted.
#[test]
fn archives_that_leave_their_folder_are_refused() {
    let hostile = Hostile::new();
    let outside = hostile.outside();
    let archives = [
        // A file, a folder and a mode through a link.
        evil()
            .entry(EntryType::Symlink, "d", &outside, 0o777)
            .entry(EntryType::Regular, "d/file", "", 0o644),
        evil()
            .entry(EntryType::Symlink, "d", &outside, 0o777)
            .entry(EntryType::Directory, "d/new", "", 0o777),
        evil()
            .entry(EntryType::Symlink, "d", &format!("{outside}/folder"), 0o777)
            .entry(EntryType::Directory, "d", "", 0o700),
        // Hard links to files of the user.
        evil().entry(EntryType::Link, "share/x", &format!("{outside}/file"), 0o644),
        evil().entry(EntryType::Link, "share/x", "../../../outside/file", 0o644),
    ];
    let http = Index::files(&hostile.channel.folder);
    let http = format!("conda-forge={}", http.root());
    for archive in archives {
        hostile.refuses(
            std::slice::from_ref(&archive),
            "does not extract into the folder of the package",
        );
        hostile.refuses_as(
            Format::Conda,
            &http,
            &[archive],
            "does not extract into the folder of the package",
        );
    }
}

/// rattler leaves these parts of an archive out while it extracts it, so nothing of them can be linked.
#[test]
fn harmless_parts_of_archives_change_nothing() {
    let hostile = Hostile::new();
    let outside = hostile.outside();
    let package = evil()
        .entry(EntryType::Regular, "../../../home/.bashrc", "", 0o644)
        .entry(EntryType::Regular, &format!("{outside}/file"), "", 0o644)
        .entry(EntryType::Char, "share/device", "", 0o666)
        .entry(EntryType::Fifo, "share/pipe", "", 0o666)
        .entry(EntryType::Regular, "bin/evil", "", 0o6755);
    for format in Format::BOTH {
        hostile.write(format, &[package.clone().listed("bin/evil", "hardlink")]);
        // The next step is the Python, which does not run.
        let ran = hostile
            .env
            .install_demo_from(&hostile.channel.mirror(), DEAD_INDEX, &["--strict"]);
        assert!(!ran.stderr.contains("unsafe"), "{ran}");
        assert_ne!(ran.code, Some(0), "{ran}");
        hostile.nothing_changed();
        let cached = hostile.env.path("rattler-cache/pkgs/evil-1.0-0");
        let mode = fs_err::metadata(cached.join("bin/evil")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        for special in ["share/device", "share/pipe"] {
            let found = fs_err::symlink_metadata(cached.join(special));
            assert!(found.is_err() || found.is_ok_and(|found| found.is_file()), "{special}");
        }
    }
}

/// Bug: a package named otherwise than in its channel ended matenv with a panic.
#[test]
fn a_package_that_is_not_the_listed_one_is_refused() {
    let hostile = Hostile::new();
    for (field, value, text) in [
        (
            "name",
            "other",
            "the channel lists the name `evil`, but info/index.json says `other`",
        ),
        (
            "version",
            "2.0",
            "the channel lists version `1.0`, but info/index.json says `2.0`",
        ),
        (
            "build",
            "1",
            "the channel lists build `0`, but info/index.json says `1`",
        ),
    ] {
        hostile.refuses(&[evil().says(field, value).file("share/x")], text);
    }
    let unreadable = evil().says("version", "not a version!").file("share/x");
    hostile.refuses(&[unreadable], "failed to read its info/index.json");
}

/// The cache would be left by the name of the folder.
#[test]
fn a_record_whose_build_is_a_path_is_refused() {
    let hostile = Hostile::new();
    let package = evil().file("share/x").recorded("build", "../../../outside/new".into());
    hostile.refuses(&[package], "its name, version or build is not a file name");
}

/// Only the channel of the packed Python of this machine may link to it, and not a package of the same name.
#[test]
fn a_python_of_a_channel_with_a_link_to_this_machine_is_refused() {
    let env = TestEnv::new().with_uv();
    env.manifest("packages = []\n");
    let python = idle_python().symlink("bin/python", "/usr/bin/env");
    let channel = Channel::with_python(&env, &python, &[]).mirror();
    env.install_demo_from(&channel, DEAD_INDEX, &["--strict"])
        .exits(5)
        .says("`bin/python` is a link to `/usr/bin/env`, outside the environment");
    env.has_no_environment();
}

#[test]
fn a_package_without_a_hash_is_refused_unless_it_is_allowed() {
    let hostile = Hostile::of_wheels(&[], "packages = [\"tool\"]\n");
    let unhashed = RawPackage::new("tool")
        .file("share/x")
        .recorded("sha256", Value::Null)
        .recorded("md5", Value::Null);
    let env = &hostile.env;
    hostile.write(Format::Conda, &[unhashed]);
    let (mirror, index) = (
        hostile.channel.mirror(),
        Index::serve(&[Wheel::new("evil", "1.0")], Options::default()),
    );
    let ran = env.install_demo_from(&mirror, &index.url(), &["--strict"]).exits(5);
    assert_error!(env, "unhashed_conda_package", ran);
    env.has_no_environment();
    let allowed = ["--strict", "--allow-unhashed"];
    let certificate = env
        .install_demo_from(&mirror, &index.url(), &[&allowed[..], &["--json"]].concat())
        .exits(0)
        .says("the channel lists no hash of `tool`, so a changed archive would not be noticed")
        .json();
    assert_eq!(certificate["fallbacks"], json!(["unhashed-conda"]));
    hostile.nothing_changed();
    // Each new installation has to allow it again.
    env.install_demo_from(&mirror, &index.url(), &["--strict", "--force"])
        .exits(5);
}

#[test]
fn an_archive_that_differs_from_its_record_is_refused() {
    let hostile = Hostile::new();
    let http = Index::files(&hostile.channel.folder);
    let zeros = |digits: usize| json!("0".repeat(digits));
    for (package, text) in [
        (
            evil().recorded("size", json!(1)),
            "size mismatch: the channel lists 1 bytes",
        ),
        (
            evil().recorded("sha256", zeros(64)),
            "hash mismatch: the channel lists SHA-256 0000",
        ),
        (
            evil().recorded("sha256", Value::Null).recorded("md5", zeros(32)),
            "hash mismatch: the channel lists MD5 0000",
        ),
    ] {
        for format in Format::BOTH {
            hostile.write(format, &[package.clone().file("share/x")]);
            for mirror in [hostile.channel.mirror(), format!("conda-forge={}", http.root())] {
                let ran = hostile.env.install_demo_from(&mirror, DEAD_INDEX, &["--strict"]);
                ran.exits(5).says("conda::damaged").says(text);
                hostile.nothing_changed();
                hostile.env.has_no_environment();
            }
        }
    }
    // A correct MD5 alone is enough.
    hostile.write(Format::Conda, &[evil().recorded("sha256", Value::Null).file("share/x")]);
    let ran = hostile
        .env
        .install_demo_from(&hostile.channel.mirror(), DEAD_INDEX, &["--strict"]);
    assert!(
        !ran.stderr.contains("mismatch") && !ran.stderr.contains("unsafe"),
        "{ran}"
    );
}

/// Bug: a package of 1.8 KB filled the disk with 2 GB.
#[test]
fn a_package_that_unpacks_to_too_much_is_refused() {
    let hostile = Hostile::new();
    let mebi = 1024 * 1024;
    // More than any archive of this size may have, although it declares the size.
    hostile.refuses(
        &[evil().zeros("share/zeros", 80 * mebi, 80 * mebi)],
        "it unpacks to more than",
    );
    // More than it declares itself.
    let mirror = hostile.channel.mirror();
    let lies = evil().zeros("share/zeros", 20 * mebi, 10);
    hostile.refuses_as(Format::Conda, &mirror, &[lies], "it unpacks to more than");
    let http = Index::files(&hostile.channel.folder);
    let http = format!("conda-forge={}", http.root());
    let many = (0..140_000).fold(evil(), |package, number| {
        package.entry(EntryType::Directory, &format!("share/{number}"), "", 0o755)
    });
    hostile.refuses_as(Format::Conda, &http, &[many], "it unpacks to more than");
    // Nothing of it is left in the cache.
    let cache = hostile.env.path("rattler-cache");
    let large = crate::support::files_below(&cache).into_iter().any(|path| {
        let found = fs_err::symlink_metadata(path);
        found.is_ok_and(|found| found.len() > 10 * 1024 * 1024)
    });
    assert!(!large, "a large file in the cache");
}

#[test]
fn a_listed_file_that_the_archive_does_not_contain_is_refused() {
    let hostile = Hostile::new();
    hostile.refuses(
        &[evil().listed("share/x", "hardlink")],
        "`share/x` is listed in info/paths.json, but the archive does not contain it",
    );
}

/// A package that was refused is not left in the cache, which other programs use as well.
#[test]
fn a_refused_package_is_removed_from_the_cache_and_an_intact_one_is_installed() {
    let hostile = Hostile::new();
    hostile.refuses(&[evil().file("../../../.bashrc")], "contains `..`");
    assert!(!hostile.env.path("rattler-cache/pkgs/evil-1.0-0").exists());
    hostile.write(Format::Conda, &[evil().file("share/x")]);
    let ran = hostile
        .env
        .install_demo_from(&hostile.channel.mirror(), DEAD_INDEX, &["--strict"]);
    assert!(!ran.stderr.contains("unsafe"), "{ran}");
    hostile.nothing_changed();
}
