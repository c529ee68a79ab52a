//! `undefined symbol: ncclCommResume`, `version GLIBCXX_3.4.30 not found`, `cuDNN version incompatibility`, after `module load cuda`
//!
//! `LD_LIBRARY_PATH` or `LD_PRELOAD` in your shell (on a Mac, `DYLD_LIBRARY_PATH`) contains a library with
//! the same name as one that the environment needs. Which of the two is loaded depends on how the library
//! that needs it was built: a `DT_RPATH` comes before `LD_LIBRARY_PATH`, a `DT_RUNPATH` comes after it.
//! Libraries that are already loaded come before all others. So matenv runs the environment's Python with the
//! variable and without it. The finding is an *error* if something works only without the variable, a
//! *warning* if the other library is loaded and nothing fails, and an *info* if the environment loads its own
//! library anyway.
//!
//! Remedy: use `matenv run ENV -- …`, `matenv launch ENV` or `conda activate ENV`, which unset the variable.
//! Or run `unset LD_LIBRARY_PATH`.

use std::collections::BTreeSet;

use crate::{
    doctor::{
        examined::ExaminedPrefix,
        process::{Injection, Namesake},
    },
    finding::{Code, Finding, Scope, Severity},
};

/// Maximum number of files in the evidence. The rest are only counted.
const SHOWN: usize = 3;
/// Maximum number of failed imports in the evidence: usually all fail for one reason.
const SHOWN_FAILURES: usize = 2;

pub(crate) fn detect(injection: &Injection, examined: &ExaminedPrefix) -> Vec<Finding> {
    let loaded: Vec<&Namesake> = injection.namesakes.iter().filter(|one| one.taken).collect();
    if !injection.broken.is_empty() {
        // A library that fails at its first symbol does not stay loaded. Then any of them can be the cause.
        let suspects: Vec<&Namesake> = if loaded.is_empty() {
            injection.namesakes.iter().collect()
        } else {
            loaded
        };
        let what = &injection.broken[0].0;
        let (variables, message) = (
            variables(&suspects),
            format!(
                "`{what}` fails in {}: another {} comes first, from {} in this shell",
                examined.name(),
                names(&suspects),
                variables(&suspects)
            ),
        );
        let failures = injection
            .broken
            .iter()
            .take(SHOWN_FAILURES)
            .map(|(what, why)| format!("{what}: {why}"));
        let evidence: Vec<String> = failures.chain(files(&suspects)).collect();
        return vec![finding(Severity::Error, message, evidence, examined, &variables)];
    }
    if !loaded.is_empty() {
        let message = format!(
            "{} loads another {}, from {} in this shell; it works so far",
            examined.name(),
            names(&loaded),
            variables(&loaded)
        );
        return vec![finding(
            Severity::Warning,
            message,
            files(&loaded),
            examined,
            &variables(&loaded),
        )];
    }
    let idle: Vec<&Namesake> = injection.namesakes.iter().filter(|one| one.ours.is_some()).collect();
    if idle.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "{} loads its own {}, although {} in this shell contains another",
        examined.name(),
        names(&idle),
        variables(&idle)
    );
    vec![finding(
        Severity::Info,
        message,
        files(&idle),
        examined,
        &variables(&idle),
    )]
}

fn finding(
    severity: Severity,
    message: String,
    evidence: Vec<String>,
    examined: &ExaminedPrefix,
    variable: &str,
) -> Finding {
    let variable = variable.split(" and ").next().unwrap_or(variable);
    let finding = Finding::new(Code::ShadowedLibrary, severity, Scope::Process, message).with_evidence(evidence);
    // Without an effect there is nothing to fix.
    if severity == Severity::Info {
        finding
    } else {
        finding.with_remedy(examined.without_variable(variable))
    }
}

fn variables(namesakes: &[&Namesake]) -> String {
    let names: BTreeSet<&str> = namesakes.iter().map(|one| one.variable).collect();
    names.into_iter().collect::<Vec<_>>().join(" and ")
}

fn names(namesakes: &[&Namesake]) -> String {
    let names: Vec<&str> = namesakes.iter().map(|one| one.name.as_str()).collect();
    match names.as_slice() {
        [first, second, third, _, ..] => format!("{first}, {second}, {third} and {} more", names.len() - 3),
        few => few.join(", "),
    }
}

fn files(namesakes: &[&Namesake]) -> Vec<String> {
    let line = |one: &&Namesake| {
        let instead = match (&one.ours, one.asked_by.first()) {
            (Some(ours), _) => format!(" instead of {}", ours.display()),
            (None, Some(asks)) => format!(", which {} needs", asks.display()),
            (None, None) => String::new(),
        };
        format!("{}{instead}", one.file.display())
    };
    let mut lines: Vec<String> = namesakes.iter().take(SHOWN).map(line).collect();
    if namesakes.len() > SHOWN {
        lines.push(format!("and {} more", namesakes.len() - SHOWN));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn namesake(taken: bool, ours: bool) -> Namesake {
        Namesake {
            variable: "LD_LIBRARY_PATH",
            file: "/opt/old/libnccl.so.2".into(),
            name: "libnccl.so.2".to_owned(),
            ours: ours.then(|| "/e/site-packages/nvidia/nccl/lib/libnccl.so.2".into()),
            asked_by: vec!["/e/site-packages/torch/lib/libtorch_cuda.so".into()],
            taken,
        }
    }

    fn found(namesakes: Vec<Namesake>, broken: &[(&str, &str)]) -> Vec<Finding> {
        let broken = broken.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        detect(
            &Injection { namesakes, broken },
            &ExaminedPrefix::foreign(Path::new("/e")),
        )
    }

    #[test]
    fn the_severity_follows_from_the_trial() {
        assert_eq!(found(Vec::new(), &[]), []);
        let severity = |found: &[Finding]| found.iter().map(|one| one.severity).collect::<Vec<_>>();
        let idle = found(vec![namesake(false, true)], &[]);
        assert_eq!(severity(&idle), [Severity::Info], "DT_RPATH comes first");
        assert_eq!(
            found(vec![namesake(false, false)], &[]),
            [],
            "the system's library was loaded"
        );
        assert_eq!(severity(&found(vec![namesake(true, true)], &[])), [Severity::Warning]);
        let broken = found(
            vec![namesake(true, true)],
            &[("import torch", "ImportError: undefined symbol: ncclCommResume")],
        );
        assert_eq!(broken.len(), 1);
        // Windows has another command.
        let broken = broken[0]
            .render()
            .replace("do: set LD_LIBRARY_PATH=", "do: unset LD_LIBRARY_PATH");
        insta::assert_snapshot!(broken, @"
        [error] ME040 `import torch` fails in /e: another libnccl.so.2 comes first, from LD_LIBRARY_PATH in this shell
          import torch: ImportError: undefined symbol: ncclCommResume
          /opt/old/libnccl.so.2 instead of /e/site-packages/nvidia/nccl/lib/libnccl.so.2
          do: unset LD_LIBRARY_PATH
        ");
    }
}
