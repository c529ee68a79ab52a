use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::ProbeResult;
use crate::{
    context::Context,
    files::layout,
    finding::{Code, Finding, Scope, Severity},
    manifest::Check,
    process::{Ended, Job},
    profile::system_libraries,
    store::Generation,
};

/// The maximum size of a check's kept output, in bytes.
const KEPT: usize = 4000;

/// Errors of running checks. A failed check is a [`Finding`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A folder for the checks could not be created.
    #[error("failed to run the probes")]
    Io(#[source] std::io::Error),
    /// The folder does not contain a trained model.
    #[error("{} does not contain `{file}`", folder.display())]
    NoModel {
        /// The folder.
        folder: PathBuf,
        /// The missing file.
        file: String,
        /// A folder below it that contains a model.
        below: Option<PathBuf>,
    },
    /// The folder of the trained model cannot be read.
    #[error("failed to read the trained model")]
    Model(#[source] std::io::Error),
}

/// The environment and the folders of a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) env: &'a str,
    pub(super) prefix: &'a Path,
    pub(super) work: &'a Path,
    pub(super) model_dir: Option<&'a Path>,
}

/// Runs one check and returns its result.
#[tracing::instrument(name = "probe", skip_all, fields(probe = check.name))]
pub(super) async fn run(
    ctx: &Context,
    place: &Place<'_>,
    at: usize,
    check: &Check,
) -> Result<ProbeResult, VerifyError> {
    let home = place.work.join(format!("home-{at}"));
    fs_err::create_dir_all(&home).map_err(VerifyError::Io)?;
    let started = Instant::now();
    // A file instead of `-c`, because SLEAP's GUI restarts itself with its own arguments.
    let script = place.work.join(format!("check-{at}.py"));
    if let Some(code) = &check.python {
        fs_err::write(&script, code).map_err(VerifyError::Io)?;
    }
    let ended = job(ctx, place, check, &home, &script).run().await;
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (ok, output, how) = match ended {
        Ok(ended) => (ended.success(), output(&ended), ended.how()),
        Err(error) => (false, error.to_string(), "it did not start".to_owned()),
    };
    let finding = (!ok).then(|| failed(place, check, &how, &output));
    Ok(ProbeResult {
        name: check.name.clone(),
        ok,
        ms,
        output,
        skipped: None,
        finding,
    })
}

fn job(ctx: &Context, place: &Place<'_>, check: &Check, home: &Path, script: &Path) -> Job {
    let mut variables = ctx.settings.variables.needed_inside(place.prefix);
    // Settings in the user's home must not affect the checks.
    variables.retain(|name, _| !name.to_str().is_some_and(|name| name.starts_with("XDG_")));
    let mut job = match &check.command {
        None => Job::new(layout::python(place.prefix), variables).args([script]),
        Some(command) => {
            let mut words = command.iter().map(|word| fill(word, place));
            let program = words.next().unwrap_or_default();
            Job::new(program_in(place.prefix, &program), variables).args(words)
        }
    };
    for (name, value) in &check.environment {
        job = job.env(name, fill(value, place));
    }
    if let Some(model_dir) = place.model_dir {
        job = job.env("MATENV_MODEL_DIR", model_dir);
    }
    job.env("HOME", home)
        .env("USERPROFILE", home)
        .env("MATENV_WORK_DIR", place.work)
        .cwd(home)
        .limit(Duration::from_secs(check.timeout_s))
}

fn fill(word: &str, place: &Place<'_>) -> String {
    let model_dir = place.model_dir.unwrap_or(Path::new(""));
    word.replace("{model_dir}", &model_dir.to_string_lossy())
        .replace("{work_dir}", &place.work.to_string_lossy())
}

/// Returns the path of a command in the environment; never of another one on `PATH`.
fn program_in(prefix: &Path, name: &str) -> PathBuf {
    layout::executable_dirs(prefix)
        .iter()
        .map(|folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .find(|path| path.is_file())
        .unwrap_or_else(|| prefix.join("bin").join(name))
}

fn output(ended: &Ended) -> String {
    let mut text = ended.stdout_text();
    if !ended.stderr.trim().is_empty() {
        text.push_str(&ended.stderr);
    }
    let text = text.trim();
    let mut start = text.len().saturating_sub(KEPT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

fn failed(place: &Place<'_>, check: &Check, how: &str, output: &str) -> Finding {
    let missing = system_libraries::missing_library(output);
    if check.window
        && let Some(missing) = &missing
    {
        return Finding::new(
            Code::SystemLibraryMissing,
            Severity::Warning,
            Scope::Host,
            format!(
                "the window cannot open here: this machine has no {}; everything else works",
                missing.library
            ),
        )
        .with_evidence([missing.line.clone()])
        .with_libraries([missing.library.clone()])
        .with_remedy(missing.remedy.clone());
    }
    let last: Vec<&str> = output
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(3)
        .collect();
    Finding::new(
        Code::ProbeFailed,
        Severity::Error,
        // No change to the environment can add a system library.
        if missing.is_some() {
            Scope::Host
        } else {
            Scope::Environment
        },
        format!("the probe \"{}\" failed: {how}", check.name),
    )
    .with_evidence(last.into_iter().rev())
    .with_remedy(match (missing, place.model_dir, Generation::at_prefix(place.prefix)) {
        (Some(missing), ..) => missing.remedy,
        // The environment's own probes passed, so the cause is the model, or the model does not fit the environment.
        (None, Some(model_dir), _) => format!("try another model, or check this one: {}", model_dir.display()),
        // With `--source`, the program's source is outside of the environment, so a repair would fail again.
        (None, None, Some(generation)) if !place.env.contains("--source") => {
            format!("matenv repair {}", generation.env)
        }
        // With `--source`, or if the environment is still being created.
        (None, None, _) => format!("matenv install {} --force", place.env),
    })
}
