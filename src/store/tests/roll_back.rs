//! Going back to earlier generations.

use super::*;
use crate::store::history::{Action, Event, GenerationId};

fn id(generation: &Generation) -> GenerationId {
    GenerationId::from(generation)
}

fn event(action: Action, generation: &Generation, before: Option<&Generation>) -> Event {
    Event {
        generation: Some(id(generation)),
        before: before.map(id),
        ..Event::now(action, None)
    }
}

/// Returns four generations without folders. Number 3 is not proven.
fn four() -> [Generation; 4] {
    [1, 2, 3, 4].map(|number| Generation {
        env: env(),
        number,
        prefix: PathBuf::from(format!("/store/sleap-{number}.aaaaaa")),
        record: GenerationRecord {
            ok: number != 3,
            ..record(number)
        },
    })
}

fn number_before(current: Option<&Generation>, intact: &[Generation], events: &[Event]) -> Option<u64> {
    proven_before(current.map(id).as_ref(), intact, events).map(|found| found.number)
}

#[test]
fn the_link_moves_to_another_generation_and_back() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, second) = (make(&store), make(&store));
    store.roll_back(&first).expect("rolled back");
    assert_eq!(store.current(&env()).expect("read"), Some(first.clone()));
    store.roll_back(&second).expect("rolled back");
    assert_eq!(store.current_id(&env()).expect("read"), Some(id(&second)));
    let link = store.link(&env());
    link::remove(&link).expect("removed");
    fs_err::create_dir(&link).expect("created");
    assert!(matches!(store.roll_back(&first), Err(StoreError::NotALink { .. })));
}

/// Bug: the mark that a crash directly after a switch left made the generation look unfinished once another was current.
#[test]
fn a_rollback_after_a_crash_keeps_the_generation_that_was_current() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, second) = (make(&store), make(&store));
    fs_err::write(store.mark(&second.prefix), "").expect("written");
    store.roll_back(&first).expect("rolled back");
    store.tidy();
    assert_eq!(store.generations(&env()).expect("read"), [first, second]);
}

#[test]
fn pruning_keeps_the_generation_that_was_current_before() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, _) = (make(&store), make(&store));
    store.roll_back(&first).expect("rolled back");
    let third = make(&store);
    let removed = store.prune(&env()).expect("pruned");
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert_eq!(store.generations(&env()).expect("read"), [first, third]);
}

#[test]
fn damaged_generations_are_kept_in_the_list_and_unfinished_ones_are_not() {
    let bench = Bench::new();
    let store = bench.store();
    let (first, second) = (make(&store), make(&store));
    fs_err::remove_file(layout::records(&first.prefix).join("generation.json")).expect("removed");
    let _staged = store.stage(&env()).expect("staged");
    // The mark is left from a crash after the switch.
    fs_err::write(store.mark(&second.prefix), "").expect("written");
    let kept = store.kept(&env()).expect("read");
    // `stage` removes a folder without a record, which cannot be told from the remains of a crash.
    assert_eq!(kept, [Kept::Intact(Box::new(second.clone()))]);
    fs_err::write(layout::records(&second.prefix).join("generation.json"), "{").expect("written");
    assert_eq!(store.kept(&env()).expect("read"), [Kept::Damaged(id(&second))]);
}

#[test]
fn the_generation_before_is_the_one_that_was_current() {
    let all = four();
    let [one, two, three, four] = &all;
    let events = [
        event(Action::Install, one, None),
        event(Action::Install, two, Some(one)),
        event(Action::Install, three, Some(two)),
        event(Action::Rollback, one, Some(three)),
        event(Action::Install, four, Some(one)),
    ];
    assert_eq!(number_before(Some(four), &all, &events), Some(1));
    assert_eq!(number_before(Some(three), &all, &events), Some(2));
    assert_eq!(number_before(Some(two), &all, &events), Some(1));
    assert_eq!(
        number_before(Some(one), &all, &events),
        None,
        "a rollback never goes forward"
    );
    // Generation 2 was removed: the one before it counts.
    let without = [one.clone(), three.clone(), four.clone()];
    assert_eq!(number_before(Some(three), &without, &events), Some(1));
}

#[test]
fn without_a_history_the_newest_proven_one_with_a_smaller_number_counts() {
    let all = four();
    assert_eq!(number_before(Some(&all[3]), &all, &[]), Some(2), "3 is not proven");
    assert_eq!(number_before(Some(&all[0]), &all, &[]), None);
    assert_eq!(number_before(None, &all, &[]), Some(4));
}

#[test]
fn a_history_that_is_a_circle_ends() {
    let all = four();
    let events = [
        event(Action::Install, &all[2], Some(&all[2])),
        event(Action::Install, &all[3], Some(&all[2])),
    ];
    assert_eq!(number_before(Some(&all[3]), &all, &events), Some(2));
    assert_eq!(number_before(Some(&all[2]), &all, &events), Some(2));
}
