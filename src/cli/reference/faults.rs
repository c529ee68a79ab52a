use std::fmt::Write as _;

use crate::{doctor::faults::explained, finding::Code};

const HEAD: &str = "\
# Faults

What `matenv doctor`, `verify`, `repair` and the certificate call by a code, with the text by which people search for it. A finding is an
*error* if something that the environment needs is missing, damaged or contradicted, a *warning* if it works now and may not later, or an *info*.
It lies in the *environment*'s files, in this shell's variables (*process*), or in the machine (*host*).

";

/// Every fault, by code.
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
