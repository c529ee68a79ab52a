//! Test imports of packages that contain their own libraries, alone and in pairs, in both orders. If two packages
//! contain the same library, the first import decides which copy the process loads.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use super::process::{BINDINGS, Trial};
use crate::{
    context::Context,
    doctor::examined::ExaminedPrefix,
    files::layout,
    finding::{Code, Finding, Scope, Severity},
};

/// The modules to import, each with the folder that shows that it is installed.
const MODULES: [(&str, &str); 3] = [("onnxruntime", "onnxruntime"), ("torch", "torch"), ("cv2", "cv2")];

/// The results of the imports.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// The failures that are in the environment.
    pub(super) findings: Vec<Finding>,
    /// Missing libraries of the operating system, with the module whose import fails.
    pub(super) missing: BTreeMap<String, String>,
}

/// The cause of a failed import: the environment, or a missing system library.
#[derive(Debug, PartialEq)]
enum Failed {
    Here(Finding),
    Without { library: String, module: String },
}

/// Imports the modules and returns the failures.
pub(super) async fn try_imports(ctx: &Context, examined: &ExaminedPrefix) -> std::io::Result<Imports> {
    let Some(site_packages) = layout::site_packages_of(&examined.prefix) else {
        return Ok(Imports::default());
    };
    let there = |folder: &str| site_packages.join(folder).is_dir();
    let mut modules: Vec<String> = MODULES
        .iter()
        .filter(|(folder, _)| there(folder))
        .map(|(_, module)| (*module).to_owned())
        .collect();
    modules.extend(
        BINDINGS
            .iter()
            .filter(|name| there(name))
            .map(|name| format!("{name}.QtWidgets")),
    );
    let alone = try_join_all(modules.iter().map(|module| import(ctx, examined, vec![module.clone()]))).await?;
    // A module that fails alone also fails in each pair, and is reported once.
    let works: Vec<&String> = modules
        .iter()
        .zip(&alone)
        .filter(|(_, finding)| finding.is_none())
        .map(|(module, _)| module)
        .collect();
    let pairs = works.iter().flat_map(|first| {
        let others = works.iter().filter(move |second| second != &first);
        others.map(move |second| vec![(*first).clone(), (*second).clone()])
    });
    let paired = try_join_all(pairs.map(|pair| import(ctx, examined, pair))).await?;
    let mut imports = Imports::default();
    for failed in alone.into_iter().chain(paired).flatten() {
        match failed {
            Failed::Here(finding) => imports.findings.push(finding),
            Failed::Without { library, module } => {
                imports.missing.entry(library).or_insert(module);
            }
        }
    }
    Ok(imports)
}

/// Imports modules one after the other in a new process.
async fn import(ctx: &Context, examined: &ExaminedPrefix, modules: Vec<String>) -> std::io::Result<Option<Failed>> {
    let statements: Vec<String> = modules.iter().map(|module| format!("import {module}")).collect();
    let trial = Trial::run(ctx, examined, &statements, &[]).await?;
    Ok(failed(&trial, &modules, examined))
}

fn failed(trial: &Trial, modules: &[String], examined: &ExaminedPrefix) -> Option<Failed> {
    let failed = trial
        .ended
        .iter()
        .find_map(|(statement, ended)| Some((statement.clone(), ended.clone().err()?)));
    let (what, why) = match (&trial.crashed, failed) {
        (Some(how), Some((statement, _))) => (statement, how.clone()),
        // A crash of threads after all imports is not a failed import.
        (Some(_), None) if trial.ended.len() == modules.len() => return None,
        (Some(how), None) => ("python".to_owned(), how.clone()),
        (None, Some(failed)) => failed,
        (None, None) => return None,
    };
    // No change to the environment can add a system library.
    if let Some(missing) = crate::profile::system_libraries::missing_library(&why) {
        return Some(Failed::Without {
            library: missing.library,
            module: what.trim_start_matches("import ").to_owned(),
        });
    }
    let order = match modules {
        [first, _] if !what.ends_with(first.as_str()) => format!(" after `import {first}`"),
        _ => String::new(),
    };
    let message = format!("`{what}`{order} fails in {}", examined.name());
    let finding = Finding::new(Code::ProbeFailed, Severity::Error, Scope::Environment, message).with_evidence([why]);
    Some(Failed::Here(finding.with_remedy(match examined.env() {
        Some(env) => format!("matenv repair {env}"),
        None => format!("\"{}\" -c \"{what}\"", examined.python().display()),
    })))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_failed_pair_is_reported_with_its_order() {
        let examined = ExaminedPrefix::foreign(Path::new("/e"));
        let mut trial = Trial {
            prefix: Some("/e".into()),
            ..Trial::default()
        };
        let modules = ["torch".to_owned(), "cv2".to_owned()];
        trial.ended.insert("import torch".to_owned(), Ok(()));
        trial.ended.insert("import cv2".to_owned(), Ok(()));
        assert_eq!(failed(&trial, &modules, &examined), None);
        trial
            .ended
            .insert("import cv2".to_owned(), Err("the process ended here".to_owned()));
        trial.crashed = Some("signal 6 (abort): OMP: Error #15".to_owned());
        let Some(Failed::Here(found)) = failed(&trial, &modules, &examined) else {
            panic!("no finding");
        };
        assert_eq!(found.message, "`import cv2` after `import torch` fails in /e");
        assert_eq!(found.evidence, ["signal 6 (abort): OMP: Error #15"]);
        trial.crashed = None;
        let why = "ImportError: libEGL.so.1: cannot open shared object file: No such file or directory";
        trial.ended.insert("import cv2".to_owned(), Err(why.to_owned()));
        let (library, module) = ("libEGL.so.1".to_owned(), "cv2".to_owned());
        assert_eq!(
            failed(&trial, &modules, &examined),
            Some(Failed::Without { library, module }),
            "the operating system's"
        );
    }
}
