//! A trial run: a few statements in an environment's Python, with or without the suspected variables.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{context::Context, doctor::examined::ExaminedPrefix, files::TemporaryFolder, process::Job};

const SCRIPT: &str = include_str!("trial.py");

/// torch alone takes 10 s on a cold disk.
const LIMIT: Duration = Duration::from_mins(2);

/// The result of a trial run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trial {
    /// The result of each statement; statements after a crash are missing.
    pub(crate) ended: BTreeMap<String, Result<(), String>>,
    /// `sys.prefix`; absent if Python did not start.
    pub(crate) prefix: Option<PathBuf>,
    /// Files that the process had mapped at the end (Linux).
    pub(crate) mapped: BTreeSet<PathBuf>,
    /// How the process crashed, with its last line of output.
    pub(crate) crashed: Option<String>,
}

impl Trial {
    /// Runs `statements` with the clean variables of the environment, changed by `more`. `None` removes a variable.
    pub(crate) async fn run(
        ctx: &Context,
        examined: &ExaminedPrefix,
        statements: &[String],
        more: &[(&str, Option<OsString>)],
    ) -> std::io::Result<Self> {
        let _turn = ctx.shared.probes.acquire().await;
        let work = TemporaryFolder::new(&ctx.settings.home)?;
        let script = work.path().join("matenv_trial.py");
        fs_err::write(&script, SCRIPT)?;
        let job = job(ctx, examined, work.path(), more)
            .args([script.into_os_string()])
            .args(statements);
        let ended = job.run().await?;
        let mut trial = Self::read(&ended.stdout_text());
        if !trial.completed(&ended.stdout_text()) {
            let last: Vec<&str> = ended.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = last.last().map(|line| format!(": {}", line.trim())).unwrap_or_default();
            trial.crashed = Some(format!("{}{last}", ended.how()));
        }
        Ok(trial)
    }

    fn read(output: &str) -> Self {
        let mut trial = Self::default();
        for line in output.lines() {
            let mut words = line.split('\t');
            if words.next() != Some("matenv") {
                continue;
            }
            let kind = words.next().unwrap_or_default();
            let first = words.next().unwrap_or_default();
            match kind {
                "prefix" => trial.prefix = Some(PathBuf::from(first)),
                "start" => {
                    let unfinished = Err("the process ended here".to_owned());
                    trial.ended.insert(first.to_owned(), unfinished);
                }
                "done" => {
                    trial.ended.insert(first.to_owned(), Ok(()));
                }
                "failed" => {
                    let why = words.next().unwrap_or_default().to_owned();
                    trial.ended.insert(first.to_owned(), Err(why));
                }
                "mapped" => {
                    trial.mapped.insert(PathBuf::from(first));
                }
                _ => {}
            }
        }
        trial
    }

    fn completed(&self, output: &str) -> bool {
        self.prefix.is_some() && output.lines().any(|line| line == "matenv\tend")
    }

    /// Returns whether Python started.
    pub(crate) fn started(&self) -> bool {
        self.prefix.is_some()
    }

    /// Returns the statements that fail here and succeed in `other`, each with the reason.
    pub(crate) fn broken_compared_to(&self, other: &Self) -> Vec<(String, String)> {
        if !self.started() && other.started() {
            let why = self.crashed.clone().unwrap_or_default();
            return vec![("python".to_owned(), why)];
        }
        other
            .ended
            .iter()
            .filter(|(_, ended)| ended.is_ok())
            .filter_map(|(statement, _)| match self.ended.get(statement) {
                Some(Err(why)) => match &self.crashed {
                    Some(how) => Some((statement.clone(), how.clone())),
                    None => Some((statement.clone(), why.clone())),
                },
                // A statement after a crash has no result, and the crash is already reported.
                Some(Ok(())) | None => None,
            })
            .collect()
    }
}

/// Prepares a run of the environment's Python with a temporary home folder, so that modules do not write into the
/// user's.
pub(super) fn job(ctx: &Context, examined: &ExaminedPrefix, work: &Path, more: &[(&str, Option<OsString>)]) -> Job {
    let mut variables = ctx.settings.variables.needed_inside(&examined.prefix);
    variables.retain(|name, _| !name.to_str().is_some_and(|name| name.starts_with("XDG_")));
    for (name, value) in more {
        match value {
            Some(value) => variables.insert((*name).into(), value.clone()),
            None => variables.remove(std::ffi::OsStr::new(name)),
        };
    }
    Job::new(examined.python(), variables)
        .env("HOME", work)
        .env("USERPROFILE", work)
        .cwd(work)
        .limit(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_succeed_in_the_other_trial_are_broken() {
        let good = Trial::read(
            "matenv\tprefix\t/e\nmatenv\tstart\timport a\nmatenv\tdone\timport a\nmatenv\tstart\timport b\nmatenv\tfailed\timport b\tImportError: no b\n",
        );
        let bad = Trial::read(
            "words of a module\nmatenv\tprefix\t/e\nmatenv\tstart\timport a\nmatenv\tfailed\timport a\tImportError: undefined symbol\nmatenv\tstart\timport b\nmatenv\tfailed\timport b\tImportError: no b\nmatenv\tmapped\t/x/liba.so\n",
        );
        assert_eq!(
            bad.broken_compared_to(&good),
            [("import a".to_owned(), "ImportError: undefined symbol".to_owned())]
        );
        assert!(bad.mapped.contains(Path::new("/x/liba.so")));
        assert_eq!(good.broken_compared_to(&good), []);
    }

    #[test]
    fn a_crash_is_reported_for_its_statement() {
        let good = Trial::read("matenv\tprefix\t/e\nmatenv\tstart\timport a\nmatenv\tdone\timport a\n");
        let mut bad = Trial::read("matenv\tprefix\t/e\nmatenv\tstart\timport a\n");
        bad.crashed = Some("signal 11 (segmentation fault)".to_owned());
        assert_eq!(bad.broken_compared_to(&good)[0].1, "signal 11 (segmentation fault)");
        let mut dead = Trial::read("");
        dead.crashed = Some("exit code 127: python: symbol lookup error".to_owned());
        assert_eq!(dead.broken_compared_to(&good)[0].0, "python");
    }
}
