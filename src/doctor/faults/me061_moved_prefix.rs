//! `bad interpreter: No such file or directory`, or `No module named` an installed package: the folder was moved, renamed or copied
//!
//! The programs of a conda or virtual environment contain its path. In another folder they do not start, or
//! they start the Python of the old folder. matenv detects this in the first lines of the environment's
//! scripts.
//!
//! Remedy: move the folder back, or create the environment again in the new place:
//! `matenv install ENV --force`.

use crate::{
    doctor::{examined::ExaminedPrefix, host::Moved},
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(moved: Option<&Moved>, examined: &ExaminedPrefix) -> Vec<Finding> {
    let Some(moved) = moved else { return Vec::new() };
    let does = if moved.is_there {
        "its programs start the Python of that folder"
    } else {
        "its programs do not start"
    };
    let old = moved.written_for.display();
    let remedy = match (&examined.install_arguments, moved.is_there) {
        (Some(typed), _) => format!("matenv install {typed} --force"),
        (None, true) => format!("use the original: {old}"),
        (None, false) => format!("move it back: mv \"{}\" \"{old}\"", examined.prefix.display()),
    };
    vec![
        Finding::new(
            Code::MovedPrefix,
            Severity::Error,
            Scope::Environment,
            format!("{} was created in {old}, and {does}", examined.name()),
        )
        .with_evidence([format!(
            "{} of its scripts contain that path, such as {}",
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
    fn the_effect_on_its_programs_is_reported() {
        let examined = ExaminedPrefix::foreign(Path::new("/new"));
        assert_eq!(detect(None, &examined), []);
        let of = |is_there| {
            let moved = Moved {
                written_for: "/old".into(),
                says: "/new/bin/sleap-label".into(),
                files: 12,
                is_there,
            };
            detect(Some(&moved), &examined).remove(0)
        };
        insta::assert_snapshot!(of(false).render(), @r#"
        [error] ME061 /new was created in /old, and its programs do not start
          12 of its scripts contain that path, such as /new/bin/sleap-label
          do: move it back: mv "/new" "/old"
        "#);
        insta::assert_snapshot!(of(true).render(), @"
        [error] ME061 /new was created in /old, and its programs start the Python of that folder
          12 of its scripts contain that path, such as /new/bin/sleap-label
          do: use the original: /old
        ");
    }
}
