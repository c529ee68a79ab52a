//! Ctrl-C, and the signal that a batch system sends first, in the middle of what takes long.

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

/// Send `signal` as soon as `now`, and expect the end that is promised: 130, soon, and no child left. Gives what was
/// said.
#[track_caller]
fn interrupt(env: &TestEnv, mut child: Child, signal: Signal, now: impl Fn() -> bool) -> String {
    let mut said = String::new();
    let started = Instant::now();
    while !now() {
        assert!(started.elapsed() < Duration::from_mins(1), "it never came so far");
        if let Some(status) = child.try_wait().unwrap() {
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("it ended by itself, {status}: {said}");
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    let sent = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let status = child.wait().unwrap();
    let took = sent.elapsed();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    // A second is promised; the other one is for machines that run many tests at once.
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert_eq!(env.children(), 0, "a child lives on");
    said
}

/// What an interrupted run had no time to remove goes with the next one.
#[track_caller]
fn leaves_nothing_after_the_next_run(env: &TestEnv) {
    env.install_demo(&small().url(), &[]).exits(0);
    env.has_no_unfinished_generation();
}

/// Whether a generation that is being built has more than `count` files in the folder that is so called.
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
    for signal in [Signal::INT, Signal::TERM] {
        let child = env.spawn_demo_from(DEAD_CHANNEL, &index.url(), &[]);
        interrupt(&env, child, signal, || {
            let asked = index.requests();
            asked.iter().any(|path| path.ends_with("demo_app-1.0-py3-none-any.whl"))
        });
        env.is_taken_for_no_environment();
    }
    leaves_nothing_after_the_next_run(&env);
}

#[test]
fn an_interrupt_while_conda_packages_are_linked_leaves_the_old_environment() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    // Many packages, and in each text that has to be rewritten: linking takes a while, in many threads.
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
        let said = interrupt(&env, child, signal, || has_files_in(&env, "share/many", 20));
        assert!(said.contains("interrupted") && !said.contains("✓ link"), "{said}");
        assert_eq!(env.demo(), demo);
    }
    // The next run removes what there was no time for.
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
    let said = interrupt(&env, child, Signal::TERM, || has_files_in(&env, &folder, 50));
    assert!(!said.contains("✓ wheels"), "{said}");
    env.is_taken_for_no_environment();
    // What the caches hold by then does no harm.
    env.install_demo(&many.url(), &[]).exits(0);
    env.has_no_unfinished_generation();
}

#[test]
fn an_interrupt_while_a_probe_runs_ends_the_probes_own_children_too() {
    let env = TestEnv::new().with_uv();
    let begun = env.path("begun");
    let code = format!(
        "import subprocess, time\\nsubprocess.Popen(['sleep', '60'])\\nopen('{}', 'w')\\ntime.sleep(60)",
        begun.display()
    );
    env.manifest(&format!("{APP}[[probe]]\nname = \"long\"\npython = \"{code}\"\n"));
    let index = small();
    let child = env.spawn_demo_from(DEAD_CHANNEL, &index.url(), &[]);
    interrupt(&env, child, Signal::INT, || Path::new(&begun).exists());
    env.is_taken_for_no_environment();
    env.manifest(APP);
    leaves_nothing_after_the_next_run(&env);
}
