//! `bad interpreter: No such file or directory`, `No module named` what is installed: the folder was moved, renamed or copied
//!
//! The programs of a conda environment or a virtual environment have its path inside. In another place they do not start, or they start the
//! Python of the old place. Seen in the first lines of its scripts.
//!
//! Remedy: move it back, or make it anew where it shall be: `matenv install ENV --force`.

use crate::finding::Code;
use crate::{
    doctor::{host::Moved, patient::Patient},
    finding::{Finding, Scope, Severity},
};

pub(crate) fn detect(moved: Option<&Moved>, patient: &Patient) -> Vec<Finding> {
    let Some(moved) = moved else { return Vec::new() };
    let does = if moved.is_there {
        "its programs start the Python of that place"
    } else {
        "its programs do not start"
    };
    let old = moved.written_for.display();
    let remedy = match (&patient.typed, moved.is_there) {
        (Some(typed), _) => format!("matenv install {typed} --force"),
        (None, true) => format!("use it where it was made: {old}"),
        (None, false) => format!("move it back: mv \"{}\" \"{old}\"", patient.prefix.display()),
    };
    vec![
        Finding::new(
            Code::MovedPrefix,
            Severity::Error,
            Scope::Environment,
            format!("{} was made for {old}, and {does}", patient.name()),
        )
        .with_evidence([format!(
            "{} of its scripts say so, such as {}",
            moved.files,
            moved.says.display()
        )])
        .with_remedy(remedy),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_its_programs_do_is_told() {
        let patient = Patient::foreign(Path::new("/new"));
        assert_eq!(detect(None, &patient), []);
        let of = |is_there| {
            let moved = Moved {
                written_for: "/old".into(),
                says: "/new/bin/sleap-label".into(),
                files: 12,
                is_there,
            };
            detect(Some(&moved), &patient).remove(0)
        };
        insta::assert_snapshot!(of(false).message, @"/new was made for /old, and its programs do not start");
        insta::assert_snapshot!(of(true).message, @"/new was made for /old, and its programs start the Python of that place");
        assert!(of(false).blocks());
    }
}
