//! Skipped tests. The unit tests and the integration tests use this file.

use std::io::Write as _;

/// The reason of tests that use a fake NVIDIA driver.
pub(crate) const OWN_DRIVER: &str = "this machine has an NVIDIA driver";

/// The reason of tests for machines without a GPU.
pub(crate) const OWN_GPU: &str = "this machine has an NVIDIA GPU";

/// The reasons that `MATENV_TEST_STRICT=1` accepts, each with the cause why the machine cannot be prepared for the
/// test.
const ALLOWED_SKIPS: &[(&str, &str)] = &[
    (
        "this machine has no pwsh",
        "Debian and Ubuntu have no package of PowerShell",
    ),
    (
        "root can write into read-only folders",
        "the checks run as root in containers; another test makes a write fail for root too",
    ),
    ("root can read every file", "the checks run as root in containers"),
    (
        "two real users need root",
        "only root can start programs as two users; the checks also run as root in containers",
    ),
    (OWN_DRIVER, "a real driver answers before the fake one"),
    (OWN_GPU, "the test checks what happens without a GPU"),
];

/// Reports on the terminal that a test, or a part of it, is skipped. The caller returns afterwards.
///
/// With `MATENV_TEST_STRICT=1` it panics, unless the reason is in [`ALLOWED_SKIPS`]: a skipped test counts as passed
/// otherwise.
#[track_caller]
pub(crate) fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    #[expect(clippy::disallowed_methods, reason = "a variable of the tests only")]
    let strict = std::env::var("MATENV_TEST_STRICT").is_ok_and(|value| value == "1");
    match skip_line(&test, reason, strict) {
        // The `print` macros are captured and shown for failed tests only.
        Ok(line) => drop(writeln!(std::io::stderr(), "{line}")),
        Err(error) => panic!("{error}"),
    }
}

/// Returns the line for the terminal, or the message of the panic.
fn skip_line(test: &str, reason: &str, strict: bool) -> Result<String, String> {
    let allowed = ALLOWED_SKIPS.iter().find(|(allowed, _)| *allowed == reason);
    match allowed {
        Some((_, cause)) => Ok(format!("SKIPPED: {test}: {reason} ({cause})")),
        None if strict => Err(format!(
            "{test} cannot be skipped with MATENV_TEST_STRICT=1: {reason}; install what is missing, or add the reason to \
             ALLOWED_SKIPS in src/context/skip.rs"
        )),
        None => Ok(format!("SKIPPED: {test}: {reason}")),
    }
}

#[test]
fn a_skip_fails_in_strict_mode_unless_its_reason_is_allowed() {
    let missing = "there is no C compiler (cc)";
    assert_eq!(
        skip_line("a::test", missing, false).unwrap(),
        "SKIPPED: a::test: there is no C compiler (cc)"
    );
    let error = skip_line("a::test", missing, true).unwrap_err();
    assert!(
        error.starts_with("a::test cannot be skipped with MATENV_TEST_STRICT=1: there is no C compiler (cc);"),
        "{error}"
    );
    for (reason, cause) in ALLOWED_SKIPS {
        let line = skip_line("a::test", reason, true).unwrap();
        assert_eq!(line, format!("SKIPPED: a::test: {reason} ({cause})"));
        assert_eq!(skip_line("a::test", reason, false).unwrap(), line);
    }
}
