use std::{ffi::OsString, time::Duration};

use super::*;
use crate::{
    process::{Job, Variables},
    settings::Asked,
};

struct Bench {
    // Spaces, an umlaut and a quote are what real home folders have.
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
        let home = self.folder.path();
        let variables = Variables::from_pairs([
            ("HOME", home.as_os_str().to_owned()),
            ("PATH", OsString::from("/usr/bin:/bin")),
        ]);
        Settings::resolve(Asked::default(), variables, home).expect("settings")
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
        proven: true,
        ok: true,
    }
}

fn make(store: &Store) -> Generation {
    let staged = store.stage(&env()).expect("staged");
    let number = staged.number;
    store.commit(staged, &record(number)).expect("committed")
}

#[test]
fn a_generation_is_current_only_after_it_is_committed() {
    let bench = Bench::new();
    let store = bench.store();
    assert_eq!(store.current(&env()).expect("read"), None);
    let first = make(&store);
    let staged = store.stage(&env()).expect("staged");
    assert_eq!(staged.number, 2);
    assert_eq!(
        store.current(&env()).expect("read").map(|current| current.number),
        Some(1)
    );
    let unfinished = staged.prefix.clone();
    drop(staged);
    assert!(!unfinished.exists(), "an unfinished generation stayed");
    assert!(first.prefix.exists());
    assert_eq!(store.list().expect("read").len(), 1);
}

#[test]
fn what_a_crash_left_is_removed_by_the_next_run() {
    let bench = Bench::new();
    let store = bench.store();
    let first = make(&store);
    let leftover = first.prefix.with_file_name("sleap-9.abcdef");
    let neighbour = first.prefix.with_file_name("sleap-gpu-1.abcdef");
    for folder in [&leftover, &neighbour] {
        fs_err::create_dir(folder).expect("created");
    }
    let staged = store.stage(&env()).expect("staged");
    assert!(!leftover.exists(), "the leftover stayed");
    assert!(neighbour.exists(), "another environment's folder was removed");
    assert_eq!(staged.number, 2);
}

#[test]
fn the_generation_before_the_current_one_and_used_ones_are_kept() {
    let bench = Bench::new();
    let store = bench.store();
    let first = make(&store);
    let (second, third) = (make(&store), make(&store));
    let program = first.prefix.join("sleep");
    fs_err::copy("/bin/sleep", &program).expect("copied");
    #[expect(clippy::disallowed_methods, reason = "a stranger's program, not one of ours")]
    let mut child = std::process::Command::new(&program)
        .arg("60")
        .spawn()
        .expect("it starts");
    assert!(store.prune(&env()).expect("pruned").is_empty());
    let refused = store.remove(&env());
    assert!(matches!(refused, Err(StoreError::InUse { .. })), "{refused:?}");
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(
        store.prune(&env()).expect("pruned"),
        std::slice::from_ref(&first.prefix)
    );
    assert!(second.prefix.exists() && third.prefix.exists());
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
async fn a_second_installation_waits_and_says_so() {
    let bench = Bench::new();
    let store = bench.store();
    let (sender, said) = std::sync::mpsc::channel();
    let events = Events::new(move |event| {
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

#[test]
fn the_door_is_made_kept_and_removed_but_nobody_elses_is_touched() {
    let bench = Bench::new();
    let settings = bench.settings();
    let store = bench.store();
    make(&store);
    let opened = |settings: &Settings| door::open_door(settings, &env()).expect("looked");
    let door = door::link(&settings.user_home, &env());
    assert_eq!(opened(&settings), door::Door::Made(door.clone()));
    assert_eq!(opened(&settings), door::Door::Kept(door.clone()));
    let removed = store.remove(&env()).expect("removed");
    assert_eq!(removed.door.as_ref(), Some(&door));
    assert!(!door.exists() && fs_err::symlink_metadata(&door).is_err());

    make(&store);
    fs_err::create_dir_all(door.join("conda-meta")).expect("created");
    let door::Door::Taken(finding) = opened(&settings) else {
        panic!("a folder of somebody else was taken for ours");
    };
    assert!(finding.message.contains("already means"), "{}", finding.message);
    assert_eq!(store.remove(&env()).expect("removed").door, None);
    assert!(door.join("conda-meta").is_dir(), "somebody else's folder was removed");
}

#[test]
fn a_name_that_conda_finds_in_another_folder_first_is_told() {
    let bench = Bench::new();
    let settings = bench.settings();
    make(&bench.store());
    let other = settings.user_home.join("lab envs").join("sleap").join("conda-meta");
    fs_err::create_dir_all(&other).expect("created");
    fs_err::write(settings.user_home.join(".condarc"), "envs_dirs:\n  - ~/lab envs\n").expect("written");
    let opened = door::open_door(&settings, &env()).expect("looked");
    assert!(matches!(opened, door::Door::Taken(_)), "{opened:?}");
}

#[test]
fn conda_finds_what_it_wants_inside_a_generation() {
    let bench = Bench::new();
    let settings = bench.settings();
    let staged = bench.store().stage(&env()).expect("staged");
    let record = staged.prefix.join("conda-meta").join("python-1-0.json");
    fs_err::create_dir_all(record.parent().expect("a folder")).expect("created");
    fs_err::write(&record, "{}").expect("written");
    door::furnish(&settings, &staged.prefix, &env()).expect("furnished");
    let meta = staged.prefix.join("conda-meta");
    assert!(meta.join("history").is_file());
    let frozen = fs_err::read_to_string(meta.join("frozen")).expect("read");
    assert!(frozen.contains("matenv install sleap --force"), "{frozen}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs_err::metadata(&record).expect("read").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }
}

/// Source the scripts as conda does, twice and back, and print what the shell has at each step.
#[tokio::test]
async fn activation_holds_a_shell_to_the_generation_and_deactivation_restores_it() {
    let bench = Bench::new();
    let settings = bench.settings();
    let staged = bench.store().stage(&env()).expect("staged");
    door::furnish(&settings, &staged.prefix, &env()).expect("furnished");
    let store = staged.prefix.display().to_string();
    let link = door::link(&settings.user_home, &env()).display().to_string();
    let posix = r#"
        for d in activate activate deactivate deactivate; do
            . "$STORE/etc/conda/$d.d/00-matenv.sh"
            echo "$d|${LD_LIBRARY_PATH-unset}|${PYTHONPATH-unset}|${ORT_DISABLE_TELEMETRY-unset}|$CONDA_PREFIX|$PATH"
        done"#;
    let fish = r#"
        for d in activate activate deactivate deactivate
            source "$STORE/etc/conda/$d.d/00-matenv.fish"
            set -q LD_LIBRARY_PATH; and set l (string join : $LD_LIBRARY_PATH); or set l unset
            set -q PYTHONPATH; and set p "$PYTHONPATH"; or set p unset
            set -q ORT_DISABLE_TELEMETRY; and set o $ORT_DISABLE_TELEMETRY; or set o unset
            echo "$d|$l|$p|$o|$CONDA_PREFIX|"(string join : $PATH)
        end"#;
    let inside = format!("unset|unset|1|{store}|{store}/bin:/usr/bin:/bin");
    let outside = format!("/bad/cuda:/bad|  |unset|{store}|{store}/bin:/usr/bin:/bin");
    let expected = format!("activate|{inside}\nactivate|{inside}\ndeactivate|{inside}\ndeactivate|{outside}");
    for (shell, arguments, script) in [
        ("sh", vec!["-e", "-c"], posix),
        ("dash", vec!["-e", "-u", "-c"], posix),
        ("bash", vec!["-e", "-u", "-c"], posix),
        ("zsh", vec!["-e", "-u", "-c"], posix),
        ("fish", vec!["-c"], fish),
    ] {
        let variables = [
            ("HOME", bench.folder.path().display().to_string()),
            ("PATH", format!("{link}/bin:/usr/bin:/bin")),
            ("STORE", store.clone()),
            // fish reads paths by the locale.
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("CONDA_PREFIX", link.clone()),
            ("LD_LIBRARY_PATH", "/bad/cuda:/bad".to_owned()),
            ("PYTHONPATH", "  ".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into())).into();
        let Some(program) = ["/bin", "/usr/bin"]
            .iter()
            .map(|folder| Path::new(folder).join(shell))
            .find(|path| path.is_file())
        else {
            println!("SKIPPED: this machine has no {shell}");
            continue;
        };
        let ended = Job::new(program, variables)
            .args(arguments)
            .args([script])
            .run()
            .await
            .expect("it starts");
        assert_eq!(ended.stdout_text().trim_end(), expected, "{shell}: {}", ended.stderr);
    }
}
