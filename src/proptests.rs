//! Property tests of everything that reads files from outside: arbitrary and changed inputs never panic, and never take
//! long.
//!
//! Each test runs a few cases, always the same ones. `PROPTEST_CASES` sets another number, and `MATENV_PROPTEST_MINUTES` repeats each test
//! with new cases for that long. The seed of a case that failed is kept in `proptest-regressions`, and it runs first in
//! later runs.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner},
};

/// The number of cases of each test. All property tests together then take about half a minute.
const CASES: u32 = 96;

/// The longest time that one case may take. Tests run in debug builds on busy machines.
const LONGEST: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "tests have no settings")]
fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a test with cases of a strategy. `source` is `file!()` of the caller.
#[track_caller]
pub(crate) fn check<S: Strategy>(source: &'static str, strategy: &S, test: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let config = Config {
        cases: number("PROPTEST_CASES").unwrap_or(CASES),
        source_file: Some(source),
        failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel("proptest-regressions"))),
        ..Config::default()
    };
    let until = number("MATENV_PROPTEST_MINUTES").map(|minutes| Instant::now() + Duration::from_mins(1) * minutes);
    // The first round always has the same cases, so that no test fails by chance. Further rounds are random.
    let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    loop {
        let result = runner.run(strategy, |input| {
            let started = Instant::now();
            test(input);
            prop_assert!(started.elapsed() < LONGEST, "took {:?}", started.elapsed());
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
        if until.is_none_or(|until| Instant::now() >= until) {
            break;
        }
        runner = TestRunner::new(config.clone());
    }
}

/// A change of an input.
#[derive(Debug, Clone)]
enum Change {
    Insert(Vec<u8>),
    Replace(u8),
    Remove(usize),
    Repeat(usize),
    End,
}

/// Texts that a parser may not expect.
const TOKENS: &[&str] = &[
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "=",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\u{1b}[2J",
    "\u{feff}",
    "\u{202e}",
    "\u{10ffff}",
    "-1",
    "1e999",
    "-1e999",
    "nan",
    "NaN",
    "inf",
    "null",
    "true",
    "0x7fffffffffffffff",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775809",
    "1979-05-27T07:32:00Z",
    "99999-01-01",
    "\\u0000",
    "\\ud800",
    "..",
    "../",
    "/",
    "//",
    "\\\\",
    "C:\\",
    "~",
    "%00",
    "&a",
    "*a",
    "<<: *a",
    "!!binary x",
    "|",
    ">",
    "---",
    "- ",
    "#",
    "'''",
    "\"\"\"",
    "[[",
    "]]",
    "[[[[[[[[[[[[[[[[",
    "{{{{{{{{{{{{{{{{",
    "schema",
    "name",
    "version",
    "ſ",
    "İ",
    "ß",
    "e\u{301}",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => select(TOKENS).prop_map(|token| Change::Insert(token.as_bytes().to_vec())),
        1 => vec(any::<u8>(), 1..9).prop_map(Change::Insert),
        1 => (select(TOKENS), 1_usize..3000).prop_map(|(token, times)| Change::Insert(token.repeat(times).into_bytes())),
        3 => any::<u8>().prop_map(Change::Replace),
        2 => (1_usize..40).prop_map(Change::Remove),
        2 => (1_usize..200).prop_map(Change::Repeat),
        1 => Just(Change::End),
    ]
}

/// Returns copies of real inputs with a few changes each.
pub(crate) fn changed(inputs: &[&[u8]]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let inputs: Vec<Vec<u8>> = inputs.iter().map(|input| input.to_vec()).collect();
    (select(inputs), vec((any::<Index>(), change()), 0..6)).prop_map(|(mut input, changes)| {
        for (at, change) in changes {
            let at = at.index(input.len() + 1);
            let to = |length: usize| (at + length).min(input.len());
            match change {
                Change::Insert(bytes) => drop(input.splice(at..at, bytes)),
                Change::Replace(byte) => drop(input.splice(at..to(1), [byte])),
                Change::Remove(length) => drop(input.drain(at..to(length))),
                Change::Repeat(length) => {
                    let part = input[at..to(length)].to_vec();
                    drop(input.splice(at..at, part));
                }
                Change::End => input.truncate(at),
            }
        }
        input
    })
}

/// Returns arbitrary bytes, and copies of real inputs with a few changes each.
pub(crate) fn bytes(inputs: &[&[u8]]) -> impl Strategy<Value = Vec<u8>> + use<> {
    prop_oneof![1 => vec(any::<u8>(), 0..600), 7 => changed(inputs)]
}

/// Like [`bytes`], as text.
pub(crate) fn text(inputs: &[&str]) -> impl Strategy<Value = String> + use<> {
    let inputs: Vec<&[u8]> = inputs.iter().map(|input| input.as_bytes()).collect();
    bytes(&inputs).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns a text that opens a bracket, or another text, `100_000` times.
pub(crate) fn nested(before: &str, open: &str) -> String {
    format!("{before}{}", open.repeat(100_000))
}
