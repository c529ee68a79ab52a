//! Tests of the store on a real file system, with real links, locks and processes.

mod activation;
mod conda_link;
mod crash;
mod roll_back;
mod run;

use std::{collections::BTreeMap, ffi::OsString, io::ErrorKind, time::Duration};

use super::*;
use crate::{context::settings::GlobalOptions, files::layout, names::ProfileName, process::Variables};

struct Bench {
    // Real home folders have spaces, umlauts and quotes.
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::Builder::new()
                .prefix("Jörg's home ")
                .tempdir()
                .expect("a temp folder"),
        }
    }

    fn settings(&self) -> Settings {
        self.settings_with([])
    }

    fn settings_with<const N: usize>(&self, more: [(&str, &str); N]) -> Settings {
        let home = self.folder.path();
        let mut variables = vec![
            ("HOME", home.as_os_str().to_owned()),
            ("PATH", OsString::from("/usr/bin:/bin")),
        ];
        variables.extend(more.map(|(name, value)| (name, OsString::from(value))));
        Settings::resolve(GlobalOptions::default(), Variables::from_pairs(variables), home).expect("settings")
    }

    fn store(&self) -> Store {
        Store::open(&self.settings()).expect("a store")
    }
}

fn env() -> EnvName {
    "sleap".parse().expect("a name")
}

fn record(number: u64) -> GenerationRecord {
    GenerationRecord {
        schema: 1,
        env: env(),
        manifest: env(),
        profile: ProfileName::Cpu,
        number,
        plan_fingerprint: "f".to_owned(),
        created: "2026-11-24T00:00:00Z".to_owned(),
        prefix: None,
        proven: true,
        ok: true,
        cross: false,
        replaced: None,
        digests: BTreeMap::new(),
        created_by: None,
        made_with: Vec::new(),
    }
}

fn make(store: &Store) -> Generation {
    let staged = store.stage(&env()).expect("staged");
    let number = staged.number;
    store.commit(staged, &record(number)).expect("committed")
}

/// Returns a command of another program that runs for a while.
#[expect(
    clippy::disallowed_methods,
    reason = "not a program of matenv, and it outlives the call"
)]
fn sleep_command(program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.arg("60");
    command
}

fn start(mut command: std::process::Command) -> std::process::Child {
    loop {
        match command.spawn() {
            // A parallel test forked while the program was being written.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            started => return started.expect("it starts"),
        }
    }
}

#[test]
fn a_generation_is_current_only_after_it_is_committed() {
    let bench = Bench::new();
    let store = bench.store();
    assert!(!bench.settings().home.exists(), "opening the store created something");
    assert_eq!(store.current(&env()).expect("read"), None);
    let first = make(&store);
    let staged = store.stage(&env()).expect("staged");
    assert_eq!(staged.number, 2);
    assert_eq!(store.current(&env()).expect("read"), Some(first.clone()));
    let unfinished = staged.prefix.clone();
    drop(staged);
    assert!(!unfinished.exists(), "an unfinished generation stayed");
    let left: Vec<_> = names_in(&store.state()).expect("read");
    assert_eq!(left, Vec::<String>::new(), "marks stayed");
    assert_eq!(store.list().expect("read"), [first]);
}

#[test]
fn the_record_has_the_number_of_the_staged_generation() {
    let bench = Bench::new();
    let store = bench.store();
    make(&store);
    let staged = store.stage(&env()).expect("staged");
    let second = store.commit(staged, &record(77)).expect("committed");
    assert_eq!((second.number, second.record.number), (2, 2));
    assert_eq!(store.current(&env()).expect("read"), Some(second));
}

#[test]
fn what_a_crash_left_is_removed_by_the_next_run() {
    let bench = Bench::new();
    let store = bench.store();
    let first = make(&store);
    // A crash leaves the folder and its mark: no destructor runs.
    let crashed = store.stage(&env()).expect("staged");
    let (leftover, mark) = (crashed.prefix.clone(), store.mark(&crashed.prefix));
    // Even if it crashed between the record and the link.
    record(2).write(&leftover).expect("written");
    std::mem::forget(crashed);
    let half_removed = first.prefix.with_file_name(".removed-sleap-7.abcdef");
    let neighbours = ["sleap-gpu-1.abcdef", ".removed-sleap-gpu-1.abcdef", "sleap-notes"];
    for name in [".removed-sleap-7.abcdef", "sleap-9.abcdef"].iter().chain(&neighbours) {
        fs_err::create_dir(first.prefix.with_file_name(name)).expect("created");
    }
    assert_eq!(store.generations(&env()).expect("read"), std::slice::from_ref(&first));
    let staged = store.stage(&env()).expect("staged");
    assert!(!leftover.exists() && !mark.exists(), "the leftover stayed");
    assert!(!half_removed.exists(), "what was being removed stayed");
    for name in neighbours {
        assert!(first.prefix.with_file_name(name).exists(), "{name} was removed");
    }
    assert_eq!(staged.number, 2);
    assert_eq!(store.current(&env()).expect("read"), Some(first));
}

/// After Ctrl-C, matenv puts a file in the folder's place while it removes it. The process may be killed then.
#[test]
fn a_crash_while_an_interrupted_generation_is_removed_leaves_nothing_after_the_next_run() {
    let bench = Bench::new();
    let store = bench.store();
    let interrupted = store.stage(&env()).expect("staged");
    let (leftover, mark) = (interrupted.prefix.clone(), store.mark(&interrupted.prefix));
    std::mem::forget(interrupted);
    fs_err::remove_dir(&leftover).expect("removed");
    fs_err::write(&leftover, "").expect("written");
    assert_eq!(store.generations(&env()).expect("read"), []);
    // The new generation may have the same name as the old one.
    drop(store.stage(&env()).expect("staged"));
    assert!(!leftover.exists() && !mark.exists(), "the leftover stayed");
    let left = fs_err::read_dir(leftover.parent().expect("a folder")).expect("read");
    assert_eq!(left.count(), 0, "something stayed");
}

/// After Ctrl-C, matenv does not wait for threads that link conda packages, and they create missing folders.
#[test]
fn a_thread_that_still_links_cannot_make_the_folder_again() {
    let bench = Bench::new();
    let store = bench.store();
    let staged = store.stage(&env()).expect("staged");
    let prefix = staged.prefix.clone();
    for number in 0..300 {
        fs_err::create_dir_all(prefix.join(format!("share/{number}"))).expect("created");
    }
    let folder = prefix.join("bin");
    let linker = std::thread::spawn(move || {
        // Like a linking thread, it stops at its first error.
        while fs_err::create_dir_all(&folder).is_ok() {}
    });
    drop(staged);
    linker.join().expect("joined");
    // A file may be there: files that are not removed in time are left to the next run.
    assert!(!prefix.is_dir(), "the folder exists again");
    drop(store.stage(&env()).expect("staged"));
    assert!(!prefix.exists(), "the file stayed");
}

#[test]
fn a_crash_after_the_switch_leaves_the_new_generation() {
    let bench = Bench::new();
    let store = bench.store();
    let current = make(&store);
    fs_err::write(store.mark(&current.prefix), "").expect("written");
    drop(store.stage(&env()).expect("staged"));
    assert!(!store.mark(&current.prefix).exists());
    assert_eq!(store.current(&env()).expect("read"), Some(current));
}

#[test]
fn a_current_generation_without_a_record_is_replaced_and_not_removed_first() {
    let bench = Bench::new();
    let store = bench.store();
    let current = make(&store);
    let file = layout::records(&current.prefix).join("generation.json");
    fs_err::remove_file(&file).expect("removed");
    assert_eq!(store.current(&env()).expect("read"), None);
    let staged = store.stage(&env()).expect("staged");
    assert!(current.prefix.exists(), "the current one was removed");
    drop(staged);
    fs_err::write(&file, "{").expect("written");
    assert_eq!(store.current(&env()).expect("read"), None);
    assert_eq!(store.list().expect("a damaged one is left out"), []);
    assert_eq!(store.all_lost().expect("read").len(), 1, "and reported as broken");
    assert_eq!(make(&store).number, 2);
}

#[test]
fn a_folder_in_the_place_of_the_link_is_not_touched() {
    let bench = Bench::new();
    let store = bench.store();
    let link = store.link(&env());
    fs_err::create_dir_all(link.join("mine")).expect("created");
    assert!(matches!(store.current(&env()), Err(StoreError::NotALink { .. })));
    assert!(matches!(store.stage(&env()), Err(StoreError::NotALink { .. })));
    assert!(matches!(store.remove(&env(), true), Err(StoreError::NotALink { .. })));
    assert!(link.join("mine").exists());
}

#[test]
fn the_generation_before_the_current_one_and_used_ones_are_kept() {
    let bench = Bench::new();
    // The kernel reports a program's path with links resolved, and home folders are often behind a link.
    let link = bench.folder.path().join("link");
    link::make(bench.folder.path(), &link).expect("linked");
    let home = link.join("home");
    let store = Store::open(&bench.settings_with([("MATENV_HOME", home.to_str().expect("text"))])).expect("a store");
    let first = make(&store);
    let program = first.prefix.join("sleep");
    fs_err::copy("/bin/sleep", &program).expect("copied");
    let uses: [fn(&Path, &Path) -> std::process::Command; 3] = [
        |program, _| sleep_command(program),
        |_, prefix| {
            let mut inside = sleep_command(Path::new("/bin/sleep"));
            inside.current_dir(prefix);
            inside
        },
        |_, prefix| {
            let mut activated = sleep_command(Path::new("/bin/sleep"));
            activated.env("CONDA_PREFIX", prefix);
            activated
        },
    ];
    let (second, third) = (make(&store), make(&store));
    for (which, make_use) in uses.into_iter().enumerate() {
        let mut child = start(make_use(&program, &first.prefix));
        let pruned = store.prune(&env()).expect("pruned");
        let refused = store.remove(&env(), false);
        child.kill().expect("killed");
        child.wait().expect("gone");
        assert_eq!(pruned, Vec::<PathBuf>::new(), "use {which} was not seen");
        let Err(StoreError::InUse { pid, prefix, .. }) = refused else {
            panic!("use {which} was not seen: {refused:?}");
        };
        assert_eq!((pid, prefix), (child.id(), first.prefix.clone()));
    }
    assert_eq!(
        store.prune(&env()).expect("pruned"),
        std::slice::from_ref(&first.prefix)
    );
    assert!(second.prefix.exists() && third.prefix.exists());
}

#[test]
fn remove_takes_everything_of_one_environment() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, second) = (make(&store), make(&store));
    let program = first.prefix.join("sleep");
    fs_err::copy("/bin/sleep", &program).expect("copied");
    let mut child = start(sleep_command(&program));
    let removed = store.remove(&env(), true).expect("removed by force");
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(removed.generations, [first.prefix, second.prefix]);
    assert_eq!(names_in(&store.store()).expect("read"), Vec::<String>::new());
    assert_eq!(store.current(&env()).expect("read"), None);
    let again = store.remove(&env(), false).expect("nothing is there");
    assert_eq!(again.generations, Vec::<PathBuf>::new());
}

#[test]
fn a_path_that_conda_packages_cannot_hold_is_refused() {
    let bench = Bench::new();
    let long = bench.folder.path().join("x".repeat(240));
    let store = Store::open(&bench.settings_with([("MATENV_HOME", long.to_str().expect("text"))])).expect("a store");
    let refused = store.stage(&env());
    assert!(
        matches!(refused, Err(StoreError::TooLong { room: 255, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_reader_never_sees_the_link_missing_while_it_is_switched() {
    let bench = Bench::new();
    let store = bench.store();
    make(&store);
    let link = store.link(&env());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (seen, missing) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut seen, mut missing) = (0_u64, 0_u64);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                seen += 1;
                missing += u64::from(fs_err::read_link(&link).is_err());
            }
            (seen, missing)
        });
        for _ in 0..20 {
            make(&store);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().expect("the reader ends")
    });
    assert!(seen > 0);
    assert_eq!(missing, 0, "missing {missing} of {seen} times");
}

#[tokio::test]
async fn a_second_installation_prints_a_note_and_waits() {
    let bench = Bench::new();
    let store = bench.store();
    let (sender, said) = std::sync::mpsc::channel();
    let events = Events::new(move |_, event| {
        // The receiver lives as long as the test.
        let _ = sender.send(event);
    });
    let first = store.lock(&events, &env()).await.expect("held");
    let waiting = tokio::time::timeout(Duration::from_millis(400), store.lock(&events, &env())).await;
    assert!(waiting.is_err(), "the second one did not wait");
    assert!(format!("{:?}", said.try_recv()).contains("waiting for it"));
    drop(first);
    let second = tokio::time::timeout(Duration::from_secs(5), store.lock(&events, &env())).await;
    assert!(second.is_ok_and(|held| held.is_ok()));
}
