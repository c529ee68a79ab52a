//! What is left after matenv or uv was killed or the disk failed, and that the next command removes it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{DEAD_CHANNEL, Index, Options, Ran, TestEnv, Wheel, compile_library, shared_uv};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";

fn small() -> Index {
    Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default())
}

/// Waits until `is_done`, for at most `limit`. Returns whether it is.
fn wait_until(limit: Duration, mut is_done: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < limit {
        if is_done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    is_done()
}

fn stalling() -> Index {
    let options = Options {
        stalls: true,
        ..Options::default()
    };
    Index::serve(&[Wheel::new("demo-app", "1.0").padding(1_000_000)], options)
}

/// Waits until uv has begun to download the wheel. Before that, matenv itself requests the end of it.
#[track_caller]
fn wait_for_download(env: &TestEnv, index: &Index) {
    let began = wait_until(Duration::from_mins(1), || {
        index
            .requests()
            .iter()
            .any(|path| path.ends_with("demo_app-1.0-py3-none-any.whl"))
    });
    assert!(began, "the wheel was not requested");
    let mut since = Instant::now();
    let runs = wait_until(Duration::from_mins(1), || {
        if env.children() == 0 {
            since = Instant::now();
        }
        since.elapsed() > Duration::from_millis(500)
    });
    assert!(runs, "uv did not start");
}

/// A killed matenv left a uv that downloaded for 12 more seconds.
#[test]
fn uv_ends_when_matenv_is_killed_and_the_next_command_removes_the_rest() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = stalling();
    let mut child = env.spawn_demo_from(DEAD_CHANNEL, &index.url(), &[]);
    wait_for_download(&env, &index);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = Instant::now();
    let gone = wait_until(Duration::from_secs(5), || env.children() == 0);
    assert!(
        gone && killed.elapsed() < Duration::from_secs(1),
        "after {:?}",
        killed.elapsed()
    );
    let temporary = env.home().join(".matenv/tmp");
    assert!(folders(&temporary) > 0, "nothing was left");
    env.matenv(&["clean", "--dry-run"])
        .exits(0)
        .says("would remove 0 old generations");
    assert!(folders(&temporary) > 0, "a dry run removed something");
    env.matenv(&["clean"]).exits(0).says("leftover");
    env.has_no_environment();
    assert_eq!(folders(&temporary), 0);
    env.matenv(&["clean"]).exits(0).says("nothing to remove");
}

fn folders(folder: &Path) -> usize {
    let entries = fs_err::read_dir(folder).unwrap().flatten();
    entries.filter(|entry| entry.path().is_dir()).count()
}

#[test]
fn a_command_that_changes_nothing_removes_leftovers_too() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = small();
    env.install_demo(&index.url(), &[]).exits(0);
    let home = env.home().join(".matenv");
    let left = ["store/.removed-demo-7.abcdef", "store/demo-9.abcdef", "tmp/1-abcdef"].map(|name| home.join(name));
    for folder in &left {
        fs_err::create_dir_all(folder.join("files")).unwrap();
    }
    env.install_demo(&index.url(), &[]).exits(0).says("nothing to do");
    assert!(left.iter().all(|folder| !folder.exists()));
    env.demo();
}

/// `nohup` sets the signal to be ignored, and such a process must not end.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = stalling();
    let manifests = env.path("manifests");
    let mirror = format!("pypi={}", index.url());
    let arguments = [
        "install",
        "demo",
        "--profile",
        "cpu",
        "--mirror",
        &mirror,
        "--mirror",
        DEAD_CHANNEL,
    ];
    let command = env.command(&[&arguments[..], &["--manifest-dir", manifests.to_str().unwrap()]].concat());
    let mut ignoring = Command::new("sh");
    ignoring
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(command.get_current_dir().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = ignoring.spawn().unwrap();
    wait_for_download(&env, &index);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::HUP).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it ended");
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Writes a uv that a signal kills while it installs.
fn killed_uv(env: &TestEnv) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = env.path("killed-uv");
    let uv = shared_uv();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'pip install'*) kill -KILL $$ ;; esac\nexec '{}' \"$@\"\n",
        uv.display()
    );
    fs_err::write(&path, script).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A second attempt found half of the wheels in the prefix, and the broken environment became current.
#[test]
fn a_killed_uv_is_an_error_and_no_environment() {
    let mut env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = small();
    let killed = killed_uv(&env);
    env.set("MATENV_UV", &killed);
    env.install_demo(&index.url(), &["--no-verify"])
        .exits(1)
        .says("signal 9");
    env.has_no_environment();
    env.set("MATENV_UV", shared_uv());
    env.install_demo(&index.url(), &[]).exits(0);
    let demo = env.demo();
    // The same set is in the cache now, which was the first of two attempts.
    env.set("MATENV_UV", &killed);
    env.install_demo(&index.url(), &["--no-verify", "--force"])
        .exits(1)
        .says("signal 9");
    assert_eq!(env.demo(), demo);
    env.has_no_unfinished_generation();
}

/// Returns a file of the unpacked wheel in uv's cache.
fn cached(env: &TestEnv, name: &str) -> PathBuf {
    let archives = fs_err::read_dir(env.path("uv-cache/archive-v0")).unwrap().flatten();
    let mut files = archives.map(|archive| archive.path().join("demo_app-1.0.dist-info").join(name));
    files.find(|file| file.exists()).unwrap()
}

/// uv failed with exit code 3 in every following run.
#[test]
fn a_damaged_file_in_the_cache_is_downloaded_again() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = small();
    env.install_demo(&index.url(), &[]).exits(0);
    for (name, damage) in [("METADATA", true), ("METADATA", false), ("WHEEL", true)] {
        let file = cached(&env, name);
        if damage {
            fs_err::write(file, "").unwrap();
        } else {
            fs_err::remove_file(file).unwrap();
        }
        index.requests();
        let ran = env.install_demo(&index.url(), &["--force"]);
        assert_eq!(ran.code, Some(0), "{name}: {ran}");
        env.demo();
        let fetched = index.requests().iter().any(|path| path.ends_with("-none-any.whl"));
        assert!(fetched, "{name} was not downloaded again: {ran}");
    }
}

#[test]
fn wheels_that_were_removed_from_the_cache_are_downloaded_into_a_new_prefix() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = small();
    env.install_demo(&index.url(), &[]).exits(0);
    fs_err::remove_dir_all(env.path("uv-cache/archive-v0")).unwrap();
    env.install_demo(&index.url(), &["--force"]).exits(0);
    env.demo();
    env.has_no_unfinished_generation();
}

/// A library that fails `fsync` at one place.
const FAILING_FSYNC: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int renamed;

static int ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int result = real(from, to);
    if (result == 0 && ends_with(to, "/envs/demo")) renamed = 1;
    return result;
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    const char *when = getenv("FSYNC_FAILS");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    int fails = when && strcmp(when, "after") == 0 ? renamed && ends_with(path, "/envs")
              : when && !renamed && ends_with(path, when);
    if (fails) {
        FILE *log = fopen(getenv("FSYNC_LOG"), "a");
        if (log) { fprintf(log, "%s\n", path); fclose(log); }
        errno = EIO;
        return -1;
    }
    return real(fd);
}
"#;

/// An older version reported an error and removed the generation that was current already.
#[test]
fn a_failed_sync_after_the_rename_leaves_the_new_generation_and_one_before_it_the_old() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    // The path of a library to load must have no space.
    let folder = tempfile::Builder::new()
        .prefix("fsync-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let library = folder.path().join("fsync.so");
    if compile_library(&library, FAILING_FSYNC, &["-ldl"]).is_none() {
        return;
    }
    let index = small();
    env.install_demo(&index.url(), &[]).exits(0);
    let log = env.path("failed");
    let (manifests, mirror) = (env.path("manifests"), format!("pypi={}", index.url()));
    let install = |when: &str| -> Ran {
        let _ = fs_err::remove_file(&log);
        let arguments = [
            "install",
            "demo",
            "--profile",
            "cpu",
            "--force",
            "--no-bench",
            "--mirror",
            &mirror,
        ];
        let more = ["--mirror", DEAD_CHANNEL, "--manifest-dir", manifests.to_str().unwrap()];
        let mut command = env.command(&[&arguments[..], &more].concat());
        command
            .env("LD_PRELOAD", &library)
            .env("FSYNC_FAILS", when)
            .env("FSYNC_LOG", &log);
        command.output().unwrap().into()
    };
    let old = env.demo();
    for before in ["/share/matenv", "/store", "/.matenv"] {
        install(before).exits(1).says("failed to write to the store");
        assert!(log.exists(), "{before} was not synced");
        assert_eq!(env.demo(), old, "{before}");
        env.has_no_unfinished_generation();
    }
    install("after").exits(0);
    assert!(log.exists(), "the folder of the link was not synced");
    assert_ne!(env.demo(), old);
    env.has_no_unfinished_generation();
    env.matenv(&["doctor", "demo", "--offline"]).exits(0);
}

#[test]
fn clean_keeps_the_current_generation_and_shows_the_rest() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = small();
    for _ in 0..2 {
        env.install_demo(&index.url(), &["--force"]).exits(0);
    }
    let demo = env.demo();
    let dry = env
        .matenv(&["clean", "demo", "--keep", "1", "--dry-run", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (dry["dry_run"].as_bool(), dry["generations"].as_array().unwrap().len()),
        (Some(true), 1),
        "{dry:#}"
    );
    assert_eq!(env.demo(), demo);
    let cleaned = env.matenv(&["clean", "--keep", "1", "--json"]).exits(0).json();
    assert_eq!(cleaned["generations"], dry["generations"]);
    assert!(cleaned["freed_bytes"].as_u64().unwrap() > 0, "{cleaned:#}");
    assert_eq!(folders(&env.home().join(".matenv/store")), 1);
    env.demo();
    env.matenv(&["clean", "--keep", "0"]).exits(2);
    env.matenv(&["clean", "nothing"]).exits(2);
}

#[test]
fn a_removal_that_was_killed_is_finished_by_the_next_command() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = small();
    env.install_demo(&index.url(), &[]).exits(0);
    env.install_demo(&index.url(), &["--name", "rig"]).exits(0);
    // `strace` could stop it at the right moment, but few machines have it. This is what it leaves.
    let home = env.home().join(".matenv");
    fs_err::write(home.join("state/demo.removing"), "").unwrap();
    fs_err::remove_file(home.join("envs/demo")).unwrap();
    env.install_demo(&index.url(), &["--name", "rig"])
        .exits(0)
        .says("nothing to do");
    assert_eq!(folders(&home.join("store")), 1, "only rig stays");
    assert!(!home.join("state/demo.removing").exists());
    assert!(!env.home().join(".conda/envs/demo").is_symlink());
}
