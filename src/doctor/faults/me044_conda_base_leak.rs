//! `(base)` is in the prompt but `which python` prints another environment, or the reverse: `conda install` changes the wrong one
//!
//! `CONDA_PREFIX` in your shell names one environment, but the first `python` on PATH belongs to another one.
//! This happens after `conda activate` if the shell's start-up files put a folder at the front of PATH, or if
//! PATH is set by hand. Programs then mix both environments.
//!
//! Remedy: use `matenv run ENV -- …`, which is not affected. Or run `conda deactivate` until no environment
//! is active, then `conda activate ENV`.

use crate::{
    doctor::{examined::ExaminedPrefix, process::MixedActivation},
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(mixed: Option<&MixedActivation>, examined: &ExaminedPrefix) -> Vec<Finding> {
    let Some(mixed) = mixed else { return Vec::new() };
    let remedy = match examined.env() {
        Some(env) => format!("matenv run {env} -- python …   or   conda deactivate, then conda activate {env}"),
        None => "conda deactivate, then activate the environment again".to_owned(),
    };
    vec![
        Finding::new(
            Code::CondaBaseLeak,
            Severity::Warning,
            Scope::Process,
            format!(
                "this shell mixes {} with another environment: {} names one, and `python` belongs to the other",
                examined.name(),
                mixed.variable
            ),
        )
        .with_evidence([
            format!("{}={}", mixed.variable, mixed.active.display()),
            format!("python is {}", mixed.python.display()),
        ])
        .with_remedy(remedy),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn both_environments_are_named() {
        let examined = ExaminedPrefix::foreign(Path::new("/e"));
        assert_eq!(detect(None, &examined), []);
        let mixed = MixedActivation {
            variable: "CONDA_PREFIX",
            active: "/home/you/miniforge3".into(),
            python: "/e/bin/python".into(),
        };
        let found = detect(Some(&mixed), &examined);
        insta::assert_snapshot!(found[0].render(), @"
        [warning] ME044 this shell mixes /e with another environment: CONDA_PREFIX names one, and `python` belongs to the other
          CONDA_PREFIX=/home/you/miniforge3
          python is /e/bin/python
          do: conda deactivate, then activate the environment again
        ");
    }
}
