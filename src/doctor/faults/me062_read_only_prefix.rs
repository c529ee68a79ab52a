//! `Permission denied` or `Read-only file system` while an environment is changed: it may not be written to
//!
//! The environment is another user's, such as one that a lab shares, or lies on a disk that is mounted read-only. It works; it cannot be changed
//! from here, and Python cannot keep what it compiles, so the first import of each start takes longer.
//!
//! Remedy: none is needed to use it. To change it, work as its owner, or make one of your own: `MATENV_HOME=DIR matenv install ENV`.

use crate::finding::Code;
use crate::{
    doctor::patient::Patient,
    finding::{Finding, Scope, Severity},
};

pub(crate) fn detect(read_only: bool, patient: &Patient) -> Vec<Finding> {
    if !read_only {
        return Vec::new();
    }
    let finding = Finding::new(
        Code::ReadOnlyPrefix,
        Severity::Info,
        Scope::Host,
        format!("{} may be used and not changed by this user", patient.name()),
    )
    .with_evidence([format!("no write permission: {}", patient.prefix.display())]);
    vec![match &patient.typed {
        Some(typed) => finding.with_remedy(format!("for one of your own: MATENV_HOME=DIR matenv install {typed}")),
        None => finding,
    }]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn it_is_worth_a_word() {
        let patient = Patient::foreign(Path::new("/srv/lab/env"));
        assert_eq!(detect(false, &patient), []);
        assert_eq!(detect(true, &patient)[0].severity, Severity::Info);
    }
}
