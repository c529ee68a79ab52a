//! `ModuleNotFoundError: No module named 'encodings'`, or a package with another version than the installed one: `PYTHONPATH`, `PYTHONHOME`
//!
//! `PYTHONPATH` in your shell names a folder with a package that the environment has too, and Python imports
//! the package from that folder. A `PYTHONHOME` makes Python search for its standard library in
//! another folder. matenv asks the environment's Python which files it would import. It then imports these, and a few
//! packages that need them. The finding is an *error* if that works only without the variable, and a
//! *warning* otherwise.
//!
//! Remedy: use `matenv run ENV -- …`, `matenv launch ENV` or `conda activate ENV`, which unset the variables.
//! Or run `unset PYTHONPATH`.

use crate::{
    doctor::{
        examined::ExaminedPrefix,
        process::{PythonPath, Shadowed, Shadowing},
    },
    finding::{Code, Finding, Scope, Severity},
};

/// Maximum number of modules in the evidence. The rest are only counted.
const SHOWN: usize = 5;

pub(crate) fn detect(python: &PythonPath, examined: &ExaminedPrefix) -> Vec<Finding> {
    let home = python.home.as_ref().map(|home| {
        let (message, evidence) = match (&home.prefix, &home.broken) {
            (Ok(_), Some((statement, why))) => (
                format!(
                    "PYTHONHOME in this shell makes `{statement}` fail in {}",
                    examined.name()
                ),
                why.clone(),
            ),
            (Ok(prefix), None) => (
                format!(
                    "PYTHONHOME in this shell makes the Python of {} search for its packages in another folder",
                    examined.name()
                ),
                format!("sys.prefix is {}", prefix.display()),
            ),
            (Err(why), _) => (
                format!(
                    "PYTHONHOME in this shell prevents the Python of {} from starting",
                    examined.name()
                ),
                why.clone(),
            ),
        };
        Finding::new(Code::PythonVariables, Severity::Error, Scope::Process, message)
            .with_evidence([format!("PYTHONHOME={}", home.value), evidence])
            .with_remedy(examined.without_variable("PYTHONHOME"))
    });
    let path = shadowing(
        &python.by_path,
        Code::PythonVariables,
        &format!("PYTHONPATH in this shell overrides modules of {}", examined.name()),
        &examined.without_variable("PYTHONPATH"),
    );
    home.into_iter().chain(path).collect()
}

/// Builds the finding for modules that are imported from another folder. `does` says what causes that.
pub(super) fn shadowing(shadowing: &Shadowing, code: Code, does: &str, remedy: &str) -> Option<Finding> {
    let shadowed = &shadowing.modules;
    let needed = |one: &&Shadowed| shadowing.broken.iter().any(|broken| broken.needs == one.module);
    let first = shadowed.iter().find(|one| one.broken.is_some());
    let first = first.or_else(|| shadowed.iter().find(needed)).or(shadowed.first())?;
    let more = match shadowed.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let module = &first.module;
    let (severity, message) = match &first.broken {
        Some(_) if module == "python" => (Severity::Error, format!("{does}, and Python does not start")),
        Some(_) => (Severity::Error, format!("{does}: `import {module}`{more} fails")),
        None => match shadowing.broken.first() {
            Some(broken) => (
                Severity::Error,
                format!("{does}: {module}{more}, and `import {}` fails", broken.module),
            ),
            None => (Severity::Warning, format!("{does}: {module}{more}")),
        },
    };
    let broken = shadowing.broken.iter().take(SHOWN);
    let mut evidence: Vec<String> = broken
        .map(|one| format!("{}, which needs {}: {}", one.module, one.needs, one.why))
        .collect();
    evidence.extend(first.broken.as_ref().map(|why| format!("{module}: {why}")));
    let ordered = std::iter::once(first).chain(shadowed.iter().filter(|one| *one != first));
    evidence.extend(ordered.take(SHOWN).map(|one| {
        format!(
            "{}: {} instead of {}",
            one.module,
            one.theirs.display(),
            one.ours.display()
        )
    }));
    if shadowed.len() > SHOWN {
        evidence.push(format!("and {} more", shadowed.len() - SHOWN));
    }
    Some(
        Finding::new(code, severity, Scope::Process, message)
            .with_evidence(evidence)
            .with_remedy(remedy),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::doctor::process::{Broken, Home};

    fn examined() -> ExaminedPrefix {
        ExaminedPrefix::foreign(Path::new("/e"))
    }

    /// Returns the first finding as text. Windows has another command.
    fn text(found: &[Finding]) -> String {
        let text = found[0].render();
        text.replace("do: set PYTHONPATH=", "do: unset PYTHONPATH")
    }

    fn numpy(broken: Option<&str>) -> PythonPath {
        PythonPath {
            by_path: Shadowing {
                modules: vec![Shadowed {
                    module: "numpy".to_owned(),
                    theirs: "/h/numpy/__init__.py".into(),
                    ours: "/e/numpy/__init__.py".into(),
                    broken: broken.map(ToOwned::to_owned),
                }],
                broken: Vec::new(),
            },
            ..PythonPath::default()
        }
    }

    #[test]
    fn a_shadowed_package_is_named_with_both_files() {
        assert_eq!(detect(&PythonPath::default(), &examined()), []);
        let found = detect(&numpy(None), &examined());
        insta::assert_snapshot!(text(&found), @"
        [warning] ME041 PYTHONPATH in this shell overrides modules of /e: numpy
          numpy: /h/numpy/__init__.py instead of /e/numpy/__init__.py
          do: unset PYTHONPATH
        ");
        let found = detect(&numpy(Some("ImportError: numpy._core")), &examined());
        assert_eq!(found[0].severity, Severity::Error);
    }

    /// An old numpy can itself be imported, which is only a warning.
    #[test]
    fn a_module_that_fails_with_the_shadowing_package_is_an_error() {
        let mut python = numpy(None);
        python.by_path.broken.push(Broken {
            module: "scipy".to_owned(),
            needs: "numpy".to_owned(),
            why: "ImportError: numpy is too old".to_owned(),
        });
        let found = detect(&python, &examined());
        insta::assert_snapshot!(text(&found), @"
        [error] ME041 PYTHONPATH in this shell overrides modules of /e: numpy, and `import scipy` fails
          scipy, which needs numpy: ImportError: numpy is too old
          numpy: /h/numpy/__init__.py instead of /e/numpy/__init__.py
          do: unset PYTHONPATH
        ");
    }

    #[test]
    fn another_home_is_an_error() {
        let python = |prefix| PythonPath {
            home: Some(Home {
                value: "/opt/python".to_owned(),
                prefix,
                broken: None,
            }),
            ..PythonPath::default()
        };
        for prefix in [
            Ok("/opt/python".into()),
            Err("exit code 1: No module named 'encodings'".to_owned()),
        ] {
            let found = detect(&python(prefix), &examined());
            assert_eq!(found[0].severity, Severity::Error);
            assert_eq!(found[0].evidence[0], "PYTHONHOME=/opt/python");
        }
    }
}
