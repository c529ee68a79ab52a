//! Disks that are full, out of inodes, read-only or noexec. The tests mount small filesystems.
//!
//! matenv may detect a small disk before the download or while the disk fills. Each time the exit code is 1, the error
//! names the folder and the variable that moves it, and nothing is left.

use std::path::PathBuf;

use matenv::packages::conda::pack::PackageBuilder;

use crate::support::{Channel, DEAD_INDEX, Index, Mount, Options, Ran, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";
const APP_2: &str = "[[pypi]]\nrequirement = \"demo-app>=2\"\nbecause = \"the demo\"\n";

/// The size of a disk, and a number of zeros that is a small download but does not fit on it.
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

/// Mounts a disk at `folder` of the test.
fn disk(folder: &'static str, options: &'static str) -> impl FnOnce(&TestEnv) -> Vec<Mount> {
    move |env| vec![Mount::Disk(env.path(folder), options)]
}

#[track_caller]
fn refused(ran: Ran, texts: &[&str], variable: &str) {
    ran.exits(1).says_one_of(texts).says(&format!("{variable}=DIR"));
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
    refused(env.install_demo_from(&channel, DEAD_INDEX, &[]), &FULL, "MATENV_HOME");
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
    // An older version reported an unreachable source.
    env.manifest("packages = [\"large\"]\n");
    refused(
        env.install_demo_from(&channel, DEAD_INDEX, &[]),
        &FULL,
        "RATTLER_CACHE_DIR",
    );
    env.has_no_environment();
}

#[test]
fn a_full_temporary_folder_of_the_system_is_not_used() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let Some(env) = env.with_mounts(disk("tmp", "size=4k")) else {
        return;
    };
    env.install_demo_from(&channel, &small().url(), &[]).exits(0);
    env.demo();
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

/// No estimate can detect this before: the environment is complete, but its record does not fit on the disk.
#[test]
fn a_disk_that_is_full_when_the_environment_becomes_current_leaves_the_old_one() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let Some(env) = env.with_mounts(disk("home/.matenv", DISK)) else {
        return;
    };
    let index = small();
    env.install_demo_from(&channel, &index.url(), &[]).exits(0);
    let demo = env.demo();
    let fill = "[[probe]]\nname = \"fills the disk\"\npython = '''\nimport sys\n\
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

/// If uv did not fit on the disk, matenv reported that no source has uv.
#[test]
fn a_disk_that_is_too_small_for_uv_is_not_reported_as_unreachable_source() {
    let mut env = TestEnv::new();
    env.manifest(APP);
    let tools: toml::Table = toml::from_str(include_str!("../../profiles/tools.toml")).unwrap();
    let version = tools["uv"]["pinned"].as_str().unwrap();
    let uv = PackageBuilder::new("uv", version, "0", "noarch")
        .executable("bin/uv", "#!/bin/sh\n")
        .file("share/zeros.bin", vec![0; TOO_MUCH]);
    let channel = Channel::new(&env, &[uv]).mirror();
    // The machine may have its own uv, and pip must not download another.
    env.set("PATH", "/usr/bin:/bin");
    env.set("PIP_DEAD_INDEX", "1");
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

/// matenv keeps the records of an HTTP channel in the cache. If that fails, the channel is not the cause.
#[test]
fn a_read_only_cache_is_not_reported_as_unreachable_channel() {
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
fn a_store_on_a_noexec_disk_is_refused() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let Some(env) = env.with_mounts(disk("home/.matenv", "noexec")) else {
        return;
    };
    let ran = env.install_demo_from(&channel, &small().url(), &[]).exits(1);
    assert_error!(env, "noexec_store", ran);
    env.has_no_environment();
}

/// With store and caches on one disk, an older version named only one folder and one variable.
#[test]
fn one_disk_for_store_and_caches_is_refused_before_the_download_with_all_variables() {
    let env = TestEnv::new().with_uv();
    env.manifest("packages = [\"noise\"]\n");
    // Bytes that do not compress. matenv estimates 60 MB of unpacked files from the 12 MB of the archive.
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
    env.install_demo_from(&channel, DEAD_INDEX, &[])
        .exits(1)
        .says("not enough disk space in the file system of")
        .says("home/rattler")
        .says("MATENV_HOME=DIR RATTLER_CACHE_DIR=DIR");
    env.has_no_environment();
}
