//! Other users of the machine: who may change the store, who may use it, and what the files allow.
//!
//! Two real users share a store if the tests run as root.

use std::{
    collections::BTreeMap,
    io::Read as _,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use matenv::packages::conda::pack::PackageBuilder;
use tar::EntryType;

use crate::support::{
    Channel, DEAD_CHANNEL, Format, Index, Options, Ran, RawPackage, TestEnv, Wheel, assert_error, host_python,
    shared_uv, skip, write_noarch,
};

/// Two user IDs that no real user has. The first one is the owner of the store.
const ADMIN: u32 = 61_001;
const STUDENT: u32 = 61_002;

const APP: &str = "launch = \"sh -c env\"\n";
const PYPI: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                    [[probe]]\nname = \"import\"\npython = \"import demo_app\"\n";

fn set(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns whether programs can run as two users, with a Python that both may read.
fn has_two_users() -> bool {
    if !rustix::process::geteuid().is_root() {
        skip("two real users need root");
        return false;
    }
    let version = Command::new("/usr/bin/python3").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let fits = version.is_ok_and(|version| version.starts_with(&format!("Python {}.", host_python())));
    if !fits {
        skip("/usr/bin/python3 is missing or has another version than python3 on PATH");
    }
    fits
}

/// A lab with a store that belongs to [`ADMIN`].
struct Shared {
    env: TestEnv,
    index: Index,
}

impl Shared {
    fn new() -> Self {
        let env = TestEnv::new().with_uv();
        env.manifest(PYPI);
        let manifest = env.path("manifests/demo.toml");
        let text = fs_err::read_to_string(&manifest).unwrap();
        let text = text.replacen("default = true\n", &format!("default = true\n{APP}"), 1);
        fs_err::write(manifest, text).unwrap();
        set(&env.path(""), 0o755);
        for (user, name) in [(ADMIN, "admin"), (STUDENT, "student")] {
            for folder in ["", "home", "cache", "tmp"] {
                let path = env.path(name).join(folder);
                fs_err::create_dir_all(&path).unwrap();
                std::os::unix::fs::chown(&path, Some(user), Some(user)).unwrap();
            }
        }
        let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
        Self { env, index }
    }

    fn store(&self) -> PathBuf {
        self.env.path("admin/store")
    }

    fn command(&self, user: u32, arguments: &[&str]) -> Command {
        let name = if user == ADMIN { "admin" } else { "student" };
        let folder = |part: &str| self.env.path(name).join(part);
        let mut command = self.env.command(arguments);
        command
            .uid(user)
            .gid(user)
            .current_dir(folder("home"))
            .env("HOME", folder("home"))
            // The Python of the tests may be in the home of root.
            .env("PATH", "/usr/bin:/bin")
            .env_remove("PYENV_ROOT")
            .env("TMPDIR", folder("tmp"))
            .env("UV_CACHE_DIR", folder("cache/uv"))
            .env("RATTLER_CACHE_DIR", folder("cache/rattler"))
            .env("MATENV_HOME", self.store());
        command
    }

    fn run(&self, user: u32, arguments: &[&str]) -> Ran {
        self.command(user, arguments).output().unwrap().into()
    }

    fn install(&self, user: u32, more: &[&str]) -> Ran {
        let (mirror, folder) = (format!("pypi={}", self.index.url()), self.env.path("manifests"));
        let mut arguments = vec!["install", "demo", "--profile", "cpu", "--no-bench", "--mirror", &mirror];
        arguments.extend(["--mirror", DEAD_CHANNEL, "--manifest-dir", folder.to_str().unwrap()]);
        arguments.extend(more);
        self.run(user, &arguments)
    }

    /// Returns every file of the store with what a change would alter.
    fn listing(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        list(&self.store(), &mut |path, metadata| {
            let seen = format!(
                "{:o} {} {} {}.{}",
                metadata.mode(),
                metadata.uid(),
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec()
            );
            found.insert(path.to_owned(), seen);
        });
        found
    }
}

fn list(folder: &Path, seen: &mut dyn FnMut(&Path, &std::fs::Metadata)) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs_err::symlink_metadata(&path).unwrap();
        seen(&path, &metadata);
        if metadata.is_dir() {
            list(&path, seen);
        }
    }
}

#[test]
fn a_store_of_another_user_is_used_and_not_changed() {
    if !has_two_users() {
        return;
    }
    let lab = Shared::new();
    lab.install(ADMIN, &[]).exits(0);
    let before = lab.listing();
    assert!(before.len() > 20);
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["history", "demo"],
        &["diff", "demo", "1", "1"],
        &["info", "demo"],
        &["report", "demo"],
        &["run", "demo", "--", "python", "-c", "import demo_app"],
        &["doctor", "demo"],
    ] {
        lab.run(STUDENT, arguments).exits(0);
    }
    lab.run(STUDENT, &["verify", "demo"])
        .exits(0)
        .says("the result is not recorded");
    let report = lab.env.path("student/home/report.json");
    lab.run(STUDENT, &["verify", "demo", "--report", report.to_str().unwrap()])
        .exits(0);
    let report: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["verification"]["probes"][0]["ok"], true);
    // There is no ONNX Runtime in the environment. That is the result, and not that it cannot be recorded.
    let bench = lab.run(STUDENT, &["bench", "demo"]);
    assert!(!bench.stderr.contains("failed to write"), "{bench}");
    assert_ne!(bench.code, Some(1), "{bench}");
    let launched = lab.run(STUDENT, &["launch", "demo"]).exits(0);
    assert!(
        launched.stdout.contains("student/home/.matenv/state/logs/demo.log"),
        "{launched}"
    );
    assert_eq!(lab.listing(), before, "the store was changed");

    for arguments in [&["remove", "demo"][..], &["repair", "demo"]] {
        lab.run(STUDENT, arguments).exits(1).says("machine::foreign_folder");
    }
    let refused = lab.install(STUDENT, &[]).exits(1);
    assert_error!(lab.env, "install_into_the_store_of_another_user", refused);
    assert_eq!(lab.listing(), before, "the store was changed");
}

#[test]
fn an_update_does_not_break_the_running_program_of_another_user() {
    if !has_two_users() {
        return;
    }
    let lab = Shared::new();
    lab.install(ADMIN, &[]).exits(0);
    let code =
        "import sys; print('ready', flush=True); sys.stdin.readline(); import demo_app; print(demo_app.__version__)";
    let mut running = lab
        .command(STUDENT, &["run", "demo", "--", "python", "-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    running.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    lab.install(ADMIN, &["--force"]).exits(0);
    drop(running.stdin.take());
    let ended = running.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "1.0\n");
    lab.run(STUDENT, &["run", "demo", "--", "python", "-c", "import demo_app"])
        .exits(0);
}

#[test]
fn root_runs_nothing_from_the_folder_of_another_user() {
    if !has_two_users() {
        return;
    }
    let lab = Shared::new();
    let store = lab.store();
    let marker = lab.env.path("ran");
    let tool = plant_uv(&store, &marker);
    let mut path = tool.as_path();
    while path.starts_with(&store) {
        std::os::unix::fs::chown(path, Some(ADMIN), Some(ADMIN)).unwrap();
        path = path.parent().unwrap();
    }
    let mut env = TestEnv::new();
    env.set("MATENV_HOME", &store);
    env.manifest(PYPI);
    let refused = env.install_demo(&lab.index.url(), &[]).exits(1);
    assert_error!(lab.env, "root_in_the_store_of_another_user", refused);
    env.matenv(&["list"]).exits(1).says("machine::foreign_folder");
    env.matenv(&["hardware"]).exits(0);
    // Only a part of the home belongs to another user.
    std::os::unix::fs::chown(&store, Some(0), Some(0)).unwrap();
    env.matenv(&["list"]).exits(1).says("tools belongs to another user");
    assert!(!marker.exists(), "a planted program ran");
}

/// Writes a uv that creates `marker` when it runs.
fn plant_uv(home: &Path, marker: &Path) -> PathBuf {
    let tools: toml::Table = toml::from_str(include_str!("../../profiles/tools.toml")).unwrap();
    let version = tools["uv"]["pinned"].as_str().unwrap();
    let tool = home.join(format!("tools/uv-{version}/bin/uv"));
    fs_err::create_dir_all(tool.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\ntouch '{}'\nexec '{}' \"$@\"\n",
        marker.display(),
        shared_uv().display()
    );
    // The old file may be a hard link to a cache.
    let _ = fs_err::remove_file(&tool);
    fs_err::write(&tool, script).unwrap();
    set(&tool, 0o755);
    tool
}

#[test]
fn a_folder_that_everybody_can_change_is_refused() {
    let mut env = TestEnv::new().with_uv();
    env.manifest(PYPI);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    let home = env.home().join(".matenv");
    let generation = fs_err::canonicalize(env.prefix()).unwrap();
    for folder in [
        home.clone(),
        home.join("store"),
        home.join("envs"),
        home.join("state"),
        generation,
    ] {
        set(&folder, 0o777);
        for arguments in [
            &["list"][..],
            &["run", "demo", "--", "true"],
            &["launch", "demo"],
            &["doctor"],
        ] {
            env.matenv(arguments).exits(1).says("machine::world_writable");
        }
        set(&folder, 0o755);
    }
    set(&home, 0o777);
    let refused = env.install_demo(&index.url(), &[]).exits(1);
    assert_error!(env, "a_home_that_everybody_can_change", refused);
    set(&home, 0o755);
    let cache = env.path("open-cache");
    fs_err::create_dir(&cache).unwrap();
    set(&cache, 0o777);
    env.set("UV_CACHE_DIR", &cache);
    env.install_demo(&index.url(), &[])
        .exits(1)
        .says("machine::world_writable");
    env.matenv(&["list"]).exits(0);
}

/// Bug: a program at the place of the downloaded uv ran without a check.
#[test]
fn a_planted_or_changed_uv_does_not_run() {
    let mut env = TestEnv::new();
    env.manifest(PYPI);
    // No other uv.
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&path).filter(|folder| !folder.join("uv").exists());
    env.set("PATH", std::env::join_paths(folders).unwrap());
    let tools: toml::Table = toml::from_str(include_str!("../../profiles/tools.toml")).unwrap();
    let version = tools["uv"]["pinned"].as_str().unwrap().to_owned();
    let subdir = rattler_conda_types::subdir::Subdir::current().unwrap();
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", shared_uv().display());
    let uv = PackageBuilder::new("uv", &version, "0", subdir.as_str()).executable("bin/uv", script);
    let channel = Channel::new(&env, &[uv]);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    let install = |more: &[&str]| env.install_demo_from(&channel.mirror(), &index.url(), more);
    let home = env.home().join(".matenv");
    let marker = env.path("ran");
    let tool = plant_uv(&home, &marker);
    install(&[]).exits(0).says("is not the uv that matenv installed");
    let folder = tool.parent().unwrap().parent().unwrap();
    let recorded = fs_err::read_to_string(folder.join("uv.sha256")).unwrap();
    assert!(recorded.ends_with("  bin/uv\n"), "{recorded}");
    assert_eq!(fs_err::metadata(folder).unwrap().mode() & 0o777, 0o755);
    // The hash is right: it is not installed again.
    let again = install(&["--force"]).exits(0);
    assert!(!again.stderr.contains("downloading uv"), "{again}");
    plant_uv(&home, &marker);
    install(&["--force"])
        .exits(0)
        .says("is not the uv that matenv installed");
    assert!(!marker.exists(), "a planted program ran");
}

/// Returns a channel and an index whose archives contain files that everybody may change.
fn open_packages(env: &TestEnv) -> (Channel, Index) {
    env.manifest(&format!("packages = [\"wide\"]\n{PYPI}"));
    let channel = Channel::new(env, &[]);
    let wide = RawPackage::new("wide")
        .entry(EntryType::Regular, "etc/wide", "", 0o666)
        .listed("etc/wide", "hardlink")
        .entry(EntryType::Regular, "etc/group", "", 0o775)
        .listed("etc/group", "hardlink");
    write_noarch(&channel.folder, &[(&wide, Format::Conda)]);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    (channel, index)
}

fn with_umask(env: &TestEnv, umask: &str, arguments: &[&str]) -> Ran {
    let plain = env.command(arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("umask {umask} && exec \"$0\" \"$@\"")])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .current_dir(env.path(""));
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    command.output().unwrap().into()
}

fn install_with_umask(env: &TestEnv, umask: &str, channel: &Channel, index: &Index) {
    let (channel, index, folder) = (channel.mirror(), format!("pypi={}", index.url()), env.path("manifests"));
    let install = [
        "install",
        "demo",
        "--profile",
        "cpu",
        "--no-bench",
        "--mirror",
        &channel,
        "--mirror",
        &index,
    ];
    with_umask(
        env,
        umask,
        &[&install[..], &["--manifest-dir", folder.to_str().unwrap()]].concat(),
    )
    .exits(0);
}

/// Bug: with umask 000, other users could change 806 files, the scripts of `activate.d` among them.
#[test]
fn other_users_cannot_change_files_whatever_the_umask() {
    let env = TestEnv::new().with_uv();
    let (channel, index) = open_packages(&env);
    install_with_umask(&env, "000", &channel, &index);
    let mut count = 0;
    for folder in [env.home(), env.path("rattler-cache"), env.path("uv-cache")] {
        list(&folder, &mut |path, metadata| {
            count += 1;
            // uv and rattler choose the modes of their own locks in their caches.
            let is_lock = path.extension().is_some_and(|ending| ending == "lock") || path.ends_with(".lock");
            let is_open = !metadata.is_symlink() && metadata.mode() & 0o022 != 0;
            assert!(!is_open || is_lock, "{:o} {}", metadata.mode(), path.display());
        });
    }
    assert!(count > 50, "{count}");
    let umask = with_umask(&env, "027", &["run", "demo", "--", "sh", "-c", "umask"]).exits(0);
    assert_eq!(umask.stdout.trim(), "0027");
}

#[test]
fn the_group_of_a_shared_store_may_change_its_files() {
    let env = TestEnv::new().with_uv();
    let (channel, index) = open_packages(&env);
    let home = env.home().join(".matenv");
    fs_err::create_dir(&home).unwrap();
    set(&home, 0o2775);
    install_with_umask(&env, "002", &channel, &index);
    let mut seen = [0, 0];
    list(&home, &mut |path, metadata| {
        // Files of packages are hard links to a cache, which belongs to one user.
        if path.ends_with(".matenv/tmp") {
            assert_eq!(metadata.mode() & 0o777, 0o700, "temporary files are private");
        } else if metadata.is_dir() {
            assert_eq!(metadata.mode() & 0o7777, 0o2775, "{}", path.display());
            seen[0] += 1;
        } else if ["conda-meta", "matenv", "activate.d", "state"]
            .iter()
            .any(|one| path.parent().unwrap().ends_with(one))
        {
            assert_eq!(metadata.mode() & 0o666, 0o664, "{}", path.display());
            seen[1] += 1;
        }
    });
    assert!(seen[0] > 10 && seen[1] > 5, "{seen:?}");
}

#[test]
fn a_locked_environment_is_refused_after_the_wait() {
    let env = TestEnv::new().with_uv();
    env.manifest(PYPI);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    let lock = env.home().join(".matenv/state/demo.lock");
    let file = fs_err::OpenOptions::new().write(true).open(lock).unwrap();
    file.file().lock().unwrap();
    let refused = env.install_demo(&index.url(), &["--force", "--no-wait"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("another matenv process is working on `demo` (process "),
        "{refused}"
    );
    let began = Instant::now();
    env.matenv(&["remove", "demo", "--wait", "1"])
        .exits(1)
        .says("store::busy");
    assert!(began.elapsed() >= Duration::from_secs(1));
    env.matenv(&["remove", "demo", "--wait", "1", "--no-wait"])
        .exits(2)
        .says("cannot be used with");
    drop(file);
    env.matenv(&["remove", "demo", "--no-wait"]).exits(0);
}
