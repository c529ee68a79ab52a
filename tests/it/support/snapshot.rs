use rattler_conda_types::subdir::Subdir;

/// Compares the error of a run, with its help line, to a snapshot file. `$env` is the [`TestEnv`](super::TestEnv).
macro_rules! assert_error {
    ($env:expr, $name:expr, $ran:expr) => {{
        let env: &$crate::support::TestEnv = &$env;
        let error = env.hide_folders(&$ran.error());
        $crate::support::filters().bind(|| insta::assert_snapshot!($name, error));
    }};
}
pub(crate) use assert_error;

/// Replaces the parts of a snapshot that differ between machines and runs. `[HASH]` is the suffix of a generation's
/// folder, `[PLATFORM]` the platform of this machine, `[PYTHON]` the version of a Python, `[TIME]` a duration.
pub(crate) fn filters() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (regex, name) in [
        (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:[PORT]"),
        (r"\(os error \d+\)", "([OS ERROR])"),
        (Subdir::current().unwrap().as_str(), "[PLATFORM]"),
        (r"\b(demo(-two)?-\d+)\.[0-9a-f]{6,}", "$1.[HASH]"),
        (r"\b\d+(\.\d+)? (B|kB|MB|GB|KiB|MiB|GiB)\b", "[SIZE]"),
        (r"\b\d+\.\d+ ?(ms|s)\b", "[TIME]"),
        (r"\b3\.(9|1\d)(\.\d+)?\b", "[PYTHON]"),
    ] {
        settings.add_filter(regex, name);
    }
    settings
}
