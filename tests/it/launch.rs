//! `matenv launch`: starting a program from the terminal, from the menu, and with `--wait`.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
use crate::support::skip;
use crate::support::{Index, Options, TestEnv, Wheel, assert_error};

/// Creates the manifest of `demo` with a program to launch: Python, so that each test can pass its own code.
fn launchable() -> (TestEnv, Index) {
    let env = TestEnv::new().with_uv();
    let file = env
        .manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n")
        .join("demo.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.replace("[python]", "launch = \"python -u\"\n[python]")).unwrap();
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    (env, index)
}

#[cfg(unix)]
fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[cfg(unix)]
#[test]
fn a_launched_program_keeps_running_and_its_output_is_logged() {
    let (mut env, index) = launchable();
    env.install_demo(&index.url(), &[]).exits(0);
    let log = env.home().join(".matenv/state/logs/demo.log");
    env.set("LD_LIBRARY_PATH", "/bad");

    let code = "import os, sys, time; print('LD_LIBRARY_PATH' in os.environ, os.getsid(0) == os.getpid(), sys.stdin.read()); \
                print(sys.argv[1], file=sys.stderr); time.sleep(60)";
    let launched = env
        .matenv(&["launch", "demo", "--json", "--", "-c", code, "--an argument"])
        .exits(0)
        .json();
    assert_eq!(
        (&launched["running"], &launched["env"]),
        (&true.into(), &"demo".into()),
        "{launched}"
    );
    assert_eq!(launched["log"], log.to_str().unwrap());
    let pid = i32::try_from(launched["pid"].as_i64().unwrap()).unwrap();
    let output = fs_err::read_to_string(&log).unwrap();
    env.matenv(&["remove", "demo"])
        .exits(1)
        .says("a running program uses `demo`");
    kill(pid);
    assert_eq!(output, "False True \n--an argument\n");

    let failing = "import sys; print('no display', file=sys.stderr); sys.exit(3)";
    assert_error!(
        env,
        "failing_program",
        env.matenv(&["launch", "demo", "--", "-c", failing]).exits(1)
    );
    assert_eq!(fs_err::read_to_string(&log).unwrap(), "no display\n");
    assert_eq!(fs_err::read_to_string(log.with_extension("log.1")).unwrap(), output);
    env.matenv(&["launch", "demo", "--", "-c", "pass"])
        .exits(0)
        .says("has already ended, without an error");

    env.matenv(&["launch", "demo", "--wait", "--", "-c", "import sys; sys.exit(7)"])
        .exits(7);
    let killed = env
        .command(&[
            "launch",
            "demo",
            "--wait",
            "--",
            "-c",
            "import os; os.kill(os.getpid(), 9)",
        ])
        .status()
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&killed), Some(9));

    wait_for_end(pid);
    env.matenv(&["remove", "demo"]).exits(0);
    assert!(!log.exists() && !log.with_extension("log.1").exists(), "a log is left");
}

/// Waits until the killed program is no longer in the process table, which `remove` reads.
#[cfg(unix)]
fn wait_for_end(pid: i32) {
    let since = Instant::now();
    while Path::new(&format!("/proc/{pid}/exe")).exists() && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn launch_fails_without_a_program() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &["--menu"])
        .exits(0)
        .says("demo has no program to launch, so it has no menu entry");
    assert_error!(env, "no_program", env.matenv(&["launch", "demo"]).exits(2));
    assert_error!(env, "not_installed", env.matenv(&["launch", "dema"]).exits(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_menu_entry_is_written_on_request_and_removed_with_the_environment() {
    let (mut env, index) = launchable();
    let home = env.path("a 100% big disk");
    env.set("MATENV_HOME", &home);
    let desktop = env.home().join(".local/share/applications/matenv-demo.desktop");
    let icon = env
        .home()
        .join(".local/share/icons/hicolor/scalable/apps/matenv-demo.svg");
    env.install_demo(&index.url(), &[]).exits(0);
    assert!(!desktop.exists(), "the menu entry was written without --menu");
    env.install_demo(&index.url(), &["--menu"])
        .exits(0)
        .says("demo is in the menu");
    assert!(icon.is_file());
    let text = fs_err::read_to_string(&desktop).unwrap();
    assert!(
        text.contains("\nName=demo\nComment=a demo\nExec=env \"MATENV_HOME="),
        "{text}"
    );
    match Command::new("desktop-file-validate").arg(&desktop).output() {
        Ok(output) => assert!(
            output.status.success() && output.stdout.is_empty(),
            "{}{text}",
            String::from_utf8_lossy(&output.stdout)
        ),
        Err(_) => skip("there is no desktop-file-validate"),
    }
    the_desktop_starts_it(&env, &desktop);
    // The entry starts whatever is current, so a rollback leaves it as it is.
    env.install_demo(&index.url(), &["--force"]).exits(0);
    env.matenv(&["rollback", "demo", "--to", "1", "--no-verify"]).exits(0);
    assert_eq!(fs_err::read_to_string(&desktop).unwrap(), text);
    the_desktop_starts_it(&env, &desktop);
    let removed = env.matenv(&["remove", "demo", "--json"]).exits(0).json();
    assert_eq!(removed["menu"].as_array().map(Vec::len), Some(2));
    assert!(!desktop.exists() && !icon.exists(), "the menu entry is left");
}

/// Starts the entry with `GLib`, which GNOME and most other desktops use.
#[cfg(target_os = "linux")]
fn the_desktop_starts_it(env: &TestEnv, desktop: &Path) {
    match env_command(env, "gio").arg("launch").arg(desktop).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let log = env.path("a 100% big disk").join("state/logs/demo.log");
            let since = Instant::now();
            while !log.exists() {
                assert!(
                    since.elapsed() < Duration::from_secs(20),
                    "the program was not launched"
                );
                std::thread::sleep(Duration::from_millis(50));
            }
            // Python without input ends immediately.
            std::thread::sleep(Duration::from_secs(2));
        }
        Err(_) => skip("there is no gio"),
    }
}

/// Returns a command with the variables of a desktop session: `HOME`, but not `MATENV_HOME`.
#[cfg(target_os = "linux")]
fn env_command(env: &TestEnv, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", env.home())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}
