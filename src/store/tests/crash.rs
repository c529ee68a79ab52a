//! What a crash or a damaged record leaves, and what is removed of it.

use super::*;
use crate::context::event::Events;

/// Makes a generation with readable records.
fn make_proven(store: &Store) -> Generation {
    make_with(store, true)
}

fn make_with(store: &Store, proven: bool) -> Generation {
    let staged = store.stage(&env()).expect("staged");
    let records = layout::records(&staged.prefix);
    fs_err::create_dir_all(&records).expect("created");
    for name in ["plan.json", "matenv.lock", "lock.json"] {
        fs_err::write(records.join(name), "as written").expect("written");
    }
    fs_err::write(records.join("certificate.json"), r#"{"schema": 1, "env": "sleap"}"#).expect("written");
    let record = GenerationRecord {
        proven,
        ok: proven,
        ..record(1)
    };
    store.commit(staged, &record).expect("committed")
}

fn empty(generation: &Generation, record: &str) {
    fs_err::write(layout::records(&generation.prefix).join(record), "").expect("written");
}

fn clean(store: &Store, keep: usize, dry_run: bool) -> Cleaned {
    let request = CleanRequest {
        envs: Vec::new(),
        keep,
        dry_run,
        who: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime
        .block_on(store.clean(&Events::silent(), &request))
        .expect("cleaned")
}

/// Two installations without a proof removed the last generation that was proven.
#[test]
fn the_newest_proven_and_readable_generation_is_kept() {
    let bench = Bench::new();
    let store = bench.store();
    let (proven, damaged) = (make_proven(&store), make_proven(&store));
    let (third, fourth) = (make_with(&store, false), make_with(&store, false));
    empty(&damaged, "plan.json");
    assert_eq!(damaged.damaged_records(), [RecordFile::Plan]);
    assert_eq!(store.newest_readable(&env()).expect("read"), Some(proven.clone()));
    assert_eq!(
        store.prune(&env()).expect("pruned"),
        std::slice::from_ref(&damaged.prefix)
    );
    for kept in [&proven, &third, &fourth] {
        assert!(kept.prefix.exists(), "{}", kept.number);
    }
    let newer = make_proven(&store);
    assert_eq!(store.prune(&env()).expect("pruned"), [proven.prefix, third.prefix]);
    assert!(fourth.prefix.exists() && newer.prefix.exists());
}

#[test]
fn a_generation_whose_own_record_is_damaged_is_pruned_but_not_if_it_is_pinned() {
    let bench = Bench::new();
    let store = bench.store();
    let (pinned, damaged) = (make_proven(&store), make_proven(&store));
    let (third, _fourth) = (make_proven(&store), make_proven(&store));
    store.pin(&pinned).expect("pinned");
    empty(&pinned, "generation.json");
    empty(&damaged, "generation.json");
    assert_eq!(store.prune(&env()).expect("pruned"), [damaged.prefix]);
    assert!(pinned.prefix.exists() && third.prefix.exists());
    assert_eq!(store.tidy(), Vec::<PathBuf>::new(), "a pin was removed");
}

/// The link may lead to an older generation, and the next installation replaces that one.
#[test]
fn after_a_rollback_the_generation_that_was_current_is_kept() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, second, third) = (make_proven(&store), make_proven(&store), make_proven(&store));
    link::replace(&first.prefix, &store.link(&env())).expect("replaced");
    assert_eq!(
        store.prune(&env()).expect("pruned"),
        std::slice::from_ref(&second.prefix)
    );
    assert!(first.prefix.exists() && third.prefix.exists());
    let fourth = make_with(&store, false);
    assert_eq!(
        fourth.record.replaced.as_deref(),
        first.prefix.file_name().and_then(|name| name.to_str())
    );
    assert_eq!(
        store.prune(&env()).expect("pruned"),
        Vec::<PathBuf>::new(),
        "the third is the newest proven one"
    );
    assert!(first.prefix.exists() && third.prefix.exists());
}

#[test]
fn each_damage_to_the_record_is_no_error_and_no_generation() {
    let damages: [fn(&Path); 6] = [
        |file| fs_err::write(file, "").expect("written"),
        |file| fs_err::write(file, r#"{"schema": 1"#).expect("written"),
        |file| fs_err::write(file, b"\xff\xfe").expect("written"),
        |file| {
            let text = fs_err::read_to_string(file).expect("read");
            fs_err::write(file, text.replace("\"schema\": 1", "\"schema\": 2")).expect("written");
        },
        |file| {
            fs_err::remove_file(file).expect("removed");
            fs_err::create_dir(file).expect("created");
        },
        |file| {
            fs_err::remove_file(file).expect("removed");
            fs_err::os::unix::fs::symlink("nowhere", file).expect("linked");
        },
    ];
    for (which, damage) in damages.into_iter().enumerate() {
        let bench = Bench::new();
        let store = bench.store();
        let (first, second) = (make_proven(&store), make_proven(&store));
        damage(&generation::path(&second.prefix));
        assert_eq!(store.current(&env()).expect("read"), None, "damage {which}");
        assert_eq!(store.generations(&env()).expect("read"), std::slice::from_ref(&first));
        let lost = store.lost(&env()).expect("read").expect("lost");
        assert_eq!((lost.target, lost.newest), (second.prefix.clone(), Some(first)));
        assert_eq!(store.tidy(), Vec::<PathBuf>::new(), "damage {which}: it was removed");
        assert!(second.prefix.exists());
        assert_eq!(make_proven(&store).number, 3);
        store.remove(&env(), false).expect("removed");
        assert_eq!(names_in(&store.store()).expect("read"), Vec::<String>::new());
    }
}

/// Another environment's record says nothing about this one.
#[test]
fn a_record_of_another_generation_is_damaged() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, second) = (make(&store), make(&store));
    fs_err::copy(generation::path(&first.prefix), generation::path(&second.prefix)).expect("copied");
    assert_eq!(store.current(&env()).expect("read"), None);
}

#[test]
fn an_interrupted_removal_is_finished_by_the_next_command() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, second) = (make(&store), make(&store));
    crate::store::conda_link::create_conda_link(&bench.settings(), &env(), &env()).expect("created");
    store.pin(&first).expect("pinned");
    fs_err::write(store.removing(&env()), "").expect("written");
    // It was interrupted before it removed the link, so nothing happened yet.
    assert_eq!(store.tidy(), [store.removing(&env())]);
    assert_eq!(store.current(&env()).expect("read"), Some(second));
    fs_err::write(store.removing(&env()), "").expect("written");
    link::remove(&store.link(&env())).expect("removed");
    assert_eq!(store.lost(&env()).expect("read"), None, "it is being removed");
    assert_eq!(store.untidy().expect("found").len(), 3, "two generations and the mark");
    assert!(first.prefix.exists(), "untidy removed something");
    store.tidy();
    for folder in [store.store(), bench.folder.path().join(".conda/envs")] {
        assert_eq!(
            names_in(&folder).expect("read"),
            Vec::<String>::new(),
            "{}",
            folder.display()
        );
    }
    assert_eq!(names_in(&store.state()).expect("read"), ["sleap.lock"]);
}

#[test]
fn leftovers_are_removed_unless_another_process_works_on_the_environment() {
    let bench = Bench::new();
    let store = bench.store();
    let current = make(&store);
    let staged = store.stage(&env()).expect("staged");
    let unfinished = staged.prefix.clone();
    std::mem::forget(staged);
    let in_store = |name: &str| store.store().join(name);
    let strays = [
        in_store(".removed-sleap-7.abcdef"),
        in_store("sleap-9.abcdef"),
        in_store("other-1.abcdef"),
    ];
    for stray in &strays {
        fs_err::create_dir(stray).expect("created");
    }
    let marks = [
        "sleap-8.abcdef.unfinished",
        "sleap-8.abcdef.pinned",
        "gone-1.abcdef.unfinished",
    ];
    for mark in marks {
        fs_err::write(store.state().join(mark), "").expect("written");
    }
    let new_link = link::temporary(&store.link(&env()));
    fs_err::os::unix::fs::symlink("nowhere", &new_link).expect("linked");
    let theirs = [
        in_store("notes"),
        in_store(".removed-notes"),
        store.state().join("logs"),
    ];
    for path in &theirs {
        fs_err::create_dir(path).expect("created");
    }
    let held = EnvLock::try_acquire(&store.state(), "sleap").expect("held");
    let removed = store.tidy();
    assert_eq!(removed.len(), 2, "only those of other environments: {removed:?}");
    assert!(unfinished.exists() && strays[0].exists() && !strays[2].exists());
    drop(held);
    store.tidy();
    assert!(!unfinished.exists() && !new_link.is_symlink());
    assert!(
        strays
            .iter()
            .chain(&marks.map(|mark| store.state().join(mark)))
            .all(|path| !path.exists())
    );
    assert!(theirs.iter().all(|path| path.exists()), "something else was removed");
    assert_eq!(store.current(&env()).expect("read"), Some(current));
    assert_eq!(store.tidy(), Vec::<PathBuf>::new());
}

#[test]
fn clean_removes_old_generations_and_leftovers_and_counts_the_bytes() {
    let bench = Bench::new();
    let store = bench.store();
    let made: Vec<Generation> = (0..4).map(|_| make_proven(&store)).collect();
    let cached = bench.folder.path().join("cached");
    fs_err::write(&cached, vec![1; 1_000_000]).expect("written");
    fs_err::hard_link(&cached, made[0].prefix.join("cached")).expect("linked");
    fs_err::write(made[1].prefix.join("own"), vec![1; 3_000_000]).expect("written");
    store.pin(&made[2]).expect("pinned");
    let stray = store.store().join(".removed-sleap-9.abcdef");
    fs_err::create_dir(&stray).expect("created");
    fs_err::write(stray.join("file"), vec![1; 2_000_000]).expect("written");
    let dry = clean(&store, 1, true);
    assert_eq!(dry.generations, [made[0].prefix.clone(), made[1].prefix.clone()]);
    assert_eq!(dry.leftovers, std::slice::from_ref(&stray));
    assert!((5_000_000..5_500_000).contains(&dry.freed_bytes), "{}", dry.freed_bytes);
    assert!(stray.exists() && made[0].prefix.exists(), "a dry run removed something");
    assert_eq!(clean(&store, 1, false), dry);
    assert!(!stray.exists() && !made[0].prefix.exists() && !made[1].prefix.exists());
    assert!(made[2].prefix.exists() && made[3].prefix.exists());
    assert_eq!(clean(&store, 1, false).generations, Vec::<PathBuf>::new());
}
