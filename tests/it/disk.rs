//! Bad luck with disks, on real ones of a few megabytes: full, out of inodes, read-only, without execution.
//!
//! A disk may be found too small before the first byte or while it fills. Either way it is exit 1, the folder and the
//! variable that names another are told, and nothing is left.

use std::path::PathBuf;

use matenv::packages::conda::pack::PackageBuilder;

use crate::support::{Channel, Index, Mount, Options, Ran, TestEnv, Wheel, own_python};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";
const APP_2: &str = "[[pypi]]\nrequirement = \"demo-app>=2\"\nbecause = \"the demo\"\n";

/// Nothing listens there, and nothing needs to.
const NO_INDEX: &str = "http://127.0.0.1:9/simple";

/// A disk for what is tried here, and zeros that are a small download and do not fit on it.
const DISK: &str = "size=32m";
const TOO_MUCH: usize = 48_000_000;

const FULL: [&str; 2] = ["No space left", "free"];
const NOT_WRITABLE: [&str; 5] = [
    "Permission denied",
    "Read-only",
    "writable",
    "cannot write",
    "failed to write",
];

fn small() -> Index {
    Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default())
}

fn large() -> Index {
    Index::serve(&[Wheel::new("demo-app", "2.0").zeros(TOO_MUCH)], Options::default())
}

fn large_package() -> PackageBuilder {
    PackageBuilder::new("large", "1.0", "0", "noarch").file("share/zeros.bin", vec![0; TOO_MUCH])
}

/// A disk in the place of `folder` of HOME's parent.
fn disk(folder: &'static str, options: &'static str) -> impl FnOnce(&TestEnv) -> Vec<Mount> {
    move |env| vec![Mount::Disk(env.path(folder), options)]
}

#[track_caller]
fn refused(ran: Ran, words: &[&str], variable: &str) {
    ran.exits(1).says_one_of(words).says(&format!("{variable}=DIR"));
}

#[test]
fn a_disk_that_the_wheels_fill_leaves_the_old_environment() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let Some(env) = env.with_mounts(disk("home/.matenv", DISK)) else {
        return;
    };
    env.install_demo_from(&channel, &small().url(), &[]).exits(0);
    let demo = env.demo();
    env.manifest(APP_2);
    refused(
        env.install_demo_from(&channel, &large().url(), &[]),
        &FULL,
        "MATENV_HOME",
    );
    assert_eq!(env.demo(), demo);
    env.has_no_unfinished_generation();
}

#[test]
fn a_disk_that_conda_packages_fill_leaves_nothing() {
    let env = TestEnv::new().with_uv();
    env.manifest("packages = [\"large\"]\n");
    let channel = Channel::new(&env, &[large_package()]).mirror();
    let Some(env) = env.with_mounts(disk("home/.matenv", DISK)) else {
        return;
    };
    refused(env.install_demo_from(&channel, NO_INDEX, &[]), &FULL, "MATENV_HOME");
    env.has_no_environment();
}

#[test]
fn a_full_cache_is_named_with_its_variable() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[large_package()]).mirror();
    let Some(env) = env.with_mounts(|env| {
        vec![
            Mount::Disk(env.path("uv-cache"), DISK),
            Mount::Disk(env.path("rattler-cache"), DISK),
        ]
    }) else {
        return;
    };
    refused(
        env.install_demo_from(&channel, &large().url(), &[]),
        &FULL,
        "UV_CACHE_DIR",
    );
    // This was taken for a source that does not answer.
    env.manifest("packages = [\"large\"]\n");
    refused(
        env.install_demo_from(&channel, NO_INDEX, &[]),
        &FULL,
        "RATTLER_CACHE_DIR",
    );
    env.has_no_environment();
}

#[test]
fn a_full_temporary_folder_is_named_with_its_variable() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let Some(env) = env.with_mounts(disk("tmp", "size=4k")) else {
        return;
    };
    refused(env.install_demo_from(&channel, &small().url(), &[]), &FULL, "TMPDIR");
    env.has_no_environment();
}

#[test]
fn a_disk_without_inodes_leaves_the_old_environment() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let Some(env) = env.with_mounts(disk("home/.matenv", "nr_inodes=1000")) else {
        return;
    };
    env.install_demo_from(&channel, &small().url(), &[]).exits(0);
    let demo = env.demo();
    env.manifest(APP_2);
    let many = Index::serve(&[Wheel::new("demo-app", "2.0").empty_files(1500)], Options::default());
    refused(
        env.install_demo_from(&channel, &many.url(), &[]),
        &["No space left", "inodes"],
        "MATENV_HOME",
    );
    assert_eq!(env.demo(), demo);
    env.has_no_unfinished_generation();
}

/// No estimate foresees it: the environment is whole, and then there is no room for what says so.
#[test]
fn a_disk_that_is_full_when_the_environment_would_become_current_leaves_the_old_one() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let Some(env) = env.with_mounts(disk("home/.matenv", DISK)) else {
        return;
    };
    let index = small();
    env.install_demo_from(&channel, &index.url(), &[]).exits(0);
    let demo = env.demo();
    let fill = "[[probe]]\nname = \"greedy\"\npython = '''\nimport sys\n\
                with open(sys.prefix + '/filled', 'wb', buffering=0) as file:\n    \
                for size in [1 << 20, 1 << 10, 1]:\n        try:\n            \
                while file.write(bytes(size)): pass\n        except OSError: pass\n'''\n";
    env.manifest(&format!("{APP}{fill}"));
    refused(
        env.install_demo_from(&channel, &index.url(), &["--force"]),
        &["No space left"],
        "MATENV_HOME",
    );
    assert_eq!(env.demo(), demo);
    env.has_no_unfinished_generation();
}

/// A uv that does not fit was taken for one that no source delivers.
#[test]
fn a_disk_without_room_for_uv_is_no_unreachable_source() {
    let mut env = TestEnv::new();
    env.manifest(APP);
    let tools: toml::Table = toml::from_str(include_str!("../../profiles/tools.toml")).unwrap();
    let version = tools["uv"]["pinned"].as_str().unwrap();
    let uv = PackageBuilder::new("uv", version, "0", "noarch")
        .executable("bin/uv", "#!/bin/sh\n")
        .file("share/zeros.bin", vec![0; TOO_MUCH]);
    let channel = Channel::new(&env, &[uv]).mirror();
    // A machine may have a uv of its own, and pip must not find another.
    env.set("PATH", "/usr/bin:/bin");
    env.set("PIP_NO_INDEX", "1");
    let Some(env) = env.with_mounts(disk("home/.matenv", DISK)) else {
        return;
    };
    refused(
        env.install_demo_from(&channel, &small().url(), &[]),
        &FULL,
        "MATENV_HOME",
    );
    env.has_no_environment();
    assert_eq!(env.names_in(".matenv/tools"), Vec::<std::ffi::OsString>::new());
}

#[test]
fn without_write_permission_the_old_environment_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let index = small();
    env.install_demo_from(&channel, &index.url(), &[]).exits(0);
    let demo = env.demo();
    let Some(env) = env.without_privileges() else { return };
    let mode = |folder: &PathBuf, mode| {
        fs_err::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (folder, variable) in [
        ("home/.matenv/store", "MATENV_HOME"),
        ("home/.matenv/envs", "MATENV_HOME"),
        ("home/.matenv/state", "MATENV_HOME"),
        ("uv-cache", "UV_CACHE_DIR"),
        ("tmp", "TMPDIR"),
    ] {
        let path = env.path(folder);
        mode(&path, 0o555);
        let ran = env.install_demo_from(&channel, &index.url(), &["--force"]);
        mode(&path, 0o755);
        refused(ran, &NOT_WRITABLE, variable);
        assert_eq!(env.demo(), demo, "{folder}");
        env.has_no_unfinished_generation();
    }
}

#[test]
fn read_only_disks_leave_the_old_environment() {
    for (folder, variable) in [
        ("home/.matenv", "MATENV_HOME"),
        ("uv-cache", "UV_CACHE_DIR"),
        ("rattler-cache", "RATTLER_CACHE_DIR"),
        ("tmp", "TMPDIR"),
    ] {
        let env = TestEnv::new().with_uv();
        env.manifest(APP);
        let channel = Channel::new(&env, &[]).mirror();
        let index = small();
        env.install_demo_from(&channel, &index.url(), &[]).exits(0);
        let demo = env.demo();
        let Some(env) = env.with_mounts(|env| vec![Mount::ReadOnly(env.path(folder))]) else {
            return;
        };
        let ran = env.install_demo_from(&channel, &index.url(), &["--force"]);
        refused(ran, &NOT_WRITABLE, variable);
        assert_eq!(env.demo(), demo, "{folder}");
        env.has_no_unfinished_generation();
    }
}

/// Records of a channel that is served over HTTP are kept in the cache; that they cannot be is not the channel's fault.
#[test]
fn a_read_only_cache_is_no_unreachable_channel() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Index::files(&Channel::new(&env, &[]).folder);
    let Some(env) = env.with_mounts(|env| vec![Mount::ReadOnly(env.path("rattler-cache"))]) else {
        return;
    };
    let mirror = format!("conda-forge={}", channel.root());
    refused(
        env.install_demo_from(&mirror, &small().url(), &["--strict"]),
        &NOT_WRITABLE,
        "RATTLER_CACHE_DIR",
    );
    env.has_no_environment();
}

#[test]
fn a_store_that_may_not_execute_is_refused() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::with_python(&env, &own_python(), &[]).mirror();
    let Some(env) = env.with_mounts(disk("home/.matenv", "noexec")) else {
        return;
    };
    refused(
        env.install_demo_from(&channel, &small().url(), &[]),
        &["noexec"],
        "MATENV_HOME",
    );
    env.has_no_environment();
}

/// On one disk the folder that was asked first was named, whatever it took, and one variable that moves half of it.
#[test]
fn one_disk_for_all_is_refused_before_the_first_byte_with_all_that_moves_it() {
    let env = TestEnv::new().with_uv();
    env.manifest("packages = [\"noise\"]\n");
    // Bytes that no archive makes smaller: 12 MB that count as 60 when they are unpacked.
    let mut state = 1_u32;
    let noise = (0..12_000_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let package =
        PackageBuilder::new("noise", "1.0", "0", "noarch").file("share/noise.bin", noise.collect::<Vec<u8>>());
    let channel = Channel::new(&env, &[package]).mirror();
    let Some(mut env) = env.with_mounts(disk("home", DISK)) else {
        return;
    };
    for (name, folder) in [("UV_CACHE_DIR", "home/uv"), ("RATTLER_CACHE_DIR", "home/rattler")] {
        let path = env.path(folder);
        env.set(name, path);
    }
    env.install_demo_from(&channel, NO_INDEX, &[])
        .exits(1)
        .says("not enough disk space in the filesystem of")
        .says("home/rattler")
        .says("MATENV_HOME=DIR RATTLER_CACHE_DIR=DIR");
    env.has_no_environment();
}
