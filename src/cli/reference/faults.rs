use std::fmt::Write as _;

use crate::{doctor::faults::explained, finding::Code};

const HEAD: &str = "\
# Faults

This page explains the codes in the findings of `matenv doctor`, `verify`, `repair` and the certificate. Each section starts with the
message or symptom that you see.

A finding is an *error* if something that the environment needs is missing, damaged or contradictory. It is a *warning* if the environment
works now but may fail later, and an *info* otherwise. Its scope is the files of the *environment*, the variables of your shell (*process*),
or the machine (*host*).

";

/// Returns the page with all faults, ordered by code.
pub(super) fn page() -> String {
    let mut text = HEAD.to_owned();
    for code in Code::ALL {
        // Writing into a String cannot fail.
        let _ = write!(text, "## {code}\n\n{}\n", explained(*code));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
