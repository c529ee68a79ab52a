//! Ctrl-C, and the termination signal of a batch system, during long steps.

use std::{
    io::Read as _,
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use matenv::packages::conda::pack::PackageBuilder;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Channel, DEAD_CHANNEL, Index, Options, TestEnv, Wheel, host_python};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";

fn small() -> Index {
    Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default())
}

/// Sends `signal` as soon as `now` returns true. Checks that matenv ends quickly with exit code 130 and leaves no child
/// process. Returns standard error.
#[track_caller]
fn interrupt(env: &TestEnv, mut child: Child, signal: Signal, now: impl Fn() -> bool) -> String {
    let mut stderr = String::new();
    let started = Instant::now();
    while !now() {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "matenv did not reach this step"
        );
        if let Some(status) = child.try_wait().unwrap() {
            child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
            panic!("matenv ended before the signal, {status}: {stderr}");
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    let sent = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let status = child.wait().unwrap();
    let took = sent.elapsed();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(status.code(), Some(130), "{stderr}");
    // The documentation promises one second. Machines that run many tests in parallel need more.
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert_eq!(env.children(), 0, "a child process is still running");
    stderr
}

/// Checks that the next run removes the files that the interrupted one had no time to remove.
#[track_caller]
fn the_next_run_removes_unfinished_files(env: &TestEnv) {
    env.install_demo(&small().url(), &[]).exits(0);
    env.has_no_unfinished_generation();
}

/// Returns whether an unfinished generation has more than `count` files in `folder`.
fn has_files_in(env: &TestEnv, folder: &str, count: usize) -> bool {
    let store = env.home().join(".matenv/store");
    let prefixes = fs_err::read_dir(store).into_iter().flatten().flatten();
    prefixes
        .filter(|entry| entry.file_name() != ".removed")
        .any(|prefix| fs_err::read_dir(prefix.path().join(folder)).is_ok_and(|files| files.count() > count))
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let options = Options {
        stalls: true,
        ..Options::default()
    };
    let index = Index::serve(&[Wheel::new("demo-app", "1.0").padding(1_000_000)], options);
    let mut signals = vec![Signal::INT, Signal::TERM];
    // Under `nohup` the signal is ignored, in matenv as well.
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    if u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 0 {
        signals.push(Signal::HUP);
    }
    for signal in signals {
        let child = env.spawn_demo_from(DEAD_CHANNEL, &index.url(), &[]);
        interrupt(&env, child, signal, || {
            let requests = index.requests();
            requests
                .iter()
                .any(|path| path.ends_with("demo_app-1.0-py3-none-any.whl"))
        });
        env.has_no_visible_environment();
    }
    the_next_run_removes_unfinished_files(&env);
}

#[test]
fn an_interrupt_while_conda_packages_are_linked_leaves_the_old_environment() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    // Many packages with text files that must be rewritten, so that linking takes a while, in several threads.
    let placeholder = "/a/placeholder/for/the/prefix";
    let text = format!("{placeholder}/lib\n").repeat(100);
    let packages: Vec<PackageBuilder> = (0..40)
        .map(|number| {
            let package = PackageBuilder::new(format!("many{number}"), "1.0", "0", "noarch")
                .noarch_python()
                .depends("python")
                .entry_point(format!("many{number} = many:main"));
            (0..60).fold(package, |package, file| {
                package.with_placeholder(format!("share/many/{number}_{file}.txt"), &text, placeholder)
            })
        })
        .collect();
    let channel = Channel::new(&env, &packages).mirror();
    env.install_demo_from(&channel, &small().url(), &[]).exits(0);
    let demo = env.demo();
    let names: Vec<String> = (0..40).map(|number| format!("\"many{number}\"")).collect();
    env.manifest(&format!("packages = [{}]\n{APP}", names.join(", ")));
    for signal in [Signal::INT, Signal::TERM] {
        let child = env.spawn_demo_from(&channel, &small().url(), &[]);
        let stderr = interrupt(&env, child, signal, || has_files_in(&env, "share/many", 20));
        assert!(stderr.contains("interrupted") && !stderr.contains("✓ link"), "{stderr}");
        assert_eq!(env.demo(), demo);
    }
    // The next run removes unfinished files.
    env.install_demo_from(&channel, &small().url(), &["--no-verify"])
        .exits(0);
    env.has_no_unfinished_generation();
}

#[test]
fn a_termination_while_wheels_are_written_leaves_nothing() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let many = Index::serve(&[Wheel::new("demo-app", "1.0").empty_files(8000)], Options::default());
    let python = host_python();
    let child = env.spawn_demo_from(DEAD_CHANNEL, &many.url(), &[]);
    let folder = format!("lib/python{python}/site-packages/demo_app");
    let stderr = interrupt(&env, child, Signal::TERM, || has_files_in(&env, &folder, 50));
    assert!(!stderr.contains("✓ wheels"), "{stderr}");
    env.has_no_visible_environment();
    // The partly filled caches cause no problem.
    env.install_demo(&many.url(), &[]).exits(0);
    env.has_no_unfinished_generation();
}

#[test]
fn an_interrupt_while_a_probe_runs_ends_the_children_of_the_probe() {
    let env = TestEnv::new().with_uv();
    let started_file = env.path("started");
    let code = format!(
        "import subprocess, time\\nsubprocess.Popen(['sleep', '60'])\\nopen('{}', 'w')\\ntime.sleep(60)",
        started_file.display()
    );
    env.manifest(&format!("{APP}[[probe]]\nname = \"long\"\npython = \"{code}\"\n"));
    let index = small();
    let child = env.spawn_demo_from(DEAD_CHANNEL, &index.url(), &[]);
    interrupt(&env, child, Signal::INT, || Path::new(&started_file).exists());
    env.has_no_visible_environment();
    env.manifest(APP);
    the_next_run_removes_unfinished_files(&env);
}
