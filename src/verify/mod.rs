//! Verification: runs checks (probes and smoke tests) in an environment.
//!
//! Input: a prefix and the checks of a plan. Output: one [`ProbeResult`] for each check. Every check runs in its own process
//! with its own home folder, without this shell's variables that would affect it. Probes run concurrently.

mod check;

pub(crate) use check::VerifyError;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    context::{
        Context,
        event::{Stage, Unit},
    },
    files::TemporaryFolder,
    finding::Finding,
    input::{self, Input},
    manifest::Check,
    profile::Needs,
};
use check::{Place, run};

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProbeResult {
    /// The name of the check.
    pub name: String,
    /// Whether the check passed.
    pub ok: bool,
    /// The duration in milliseconds.
    pub ms: u64,
    /// The end of its output.
    pub output: String,
    /// Why the check was skipped, such as `needs an NVIDIA driver`. It has neither passed nor failed then, and `ok`
    /// is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The finding of a failed check. If it is a warning, the environment is still good: the operating system lacks
    /// something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}

impl ProbeResult {
    /// Creates the result of a skipped check.
    #[must_use]
    pub(crate) fn skipped(check: &Check, reason: &str) -> Self {
        Self {
            name: check.name.clone(),
            ok: false,
            ms: 0,
            output: String::new(),
            skipped: Some(reason.to_owned()),
            finding: None,
        }
    }

    /// Returns whether the check ran and failed.
    #[must_use]
    pub(crate) fn failed(&self) -> bool {
        !self.ok && self.skipped.is_none()
    }
}

/// The number of passed and skipped checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The number of all checks.
    pub all: usize,
    /// The number of passed checks.
    pub passed: usize,
    /// The number of skipped checks.
    pub skipped: usize,
}

impl Tally {
    /// Counts `probes`.
    #[must_use]
    pub(crate) fn count(probes: &[ProbeResult]) -> Self {
        Self {
            all: probes.len(),
            passed: probes.iter().filter(|probe| probe.ok).count(),
            skipped: probes.iter().filter(|probe| probe.skipped.is_some()).count(),
        }
    }

    /// Renders the numbers: `7 of 8 probes passed, 1 skipped`. `noun` follows the second number.
    #[must_use]
    pub(crate) fn describe(self, noun: &str) -> String {
        let skipped = match self.skipped {
            0 => String::new(),
            some => format!(", {some} skipped"),
        };
        format!("{} of {}{noun} passed{skipped}", self.passed, self.all)
    }
}

/// The results of the probes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Verification {
    /// The results in the order of the manifest.
    pub probes: Vec<ProbeResult>,
}

/// The results of the smoke tests.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Smoke {
    /// The results in the order of the manifest. Tests after a failed one did not run.
    pub probes: Vec<ProbeResult>,
    /// The model that a test exported, for the benchmark.
    pub model: Option<PathBuf>,
    /// The shapes of the model's inputs, by name.
    pub shapes: BTreeMap<String, Vec<u64>>,
}

impl Verification {
    /// Returns whether a probe failed with an error. Skipped probes do not count.
    #[must_use]
    pub(crate) fn blocks(&self) -> bool {
        self.probes
            .iter()
            .any(|probe| probe.failed() && probe.finding.as_ref().is_none_or(Finding::blocks))
    }
}

/// Runs the probes of an environment concurrently. If this machine has no NVIDIA GPU or driver, `absent` is the reason,
/// such as `needs an NVIDIA driver`, and the probes that need one are skipped.
pub(crate) async fn verify(
    ctx: &Context,
    prefix: &Path,
    env: &str,
    probes: &[Check],
    absent: Option<&str>,
) -> Result<Verification, VerifyError> {
    let work = TemporaryFolder::new(&ctx.settings.home).map_err(VerifyError::Io)?;
    let total = probes.len() as u64;
    let place = Place {
        env,
        prefix,
        work: work.path(),
        model_dir: None,
    };
    let mut done = 0;
    let mut running: FuturesUnordered<_> = probes
        .iter()
        .enumerate()
        .map(|(at, probe)| async move {
            if let Some(reason) = skips(probe, absent) {
                return (at, Ok(ProbeResult::skipped(probe, reason)));
            }
            // The semaphore is never closed; without a permit, the probe would run anyway.
            let _turn = ctx.shared.probes.acquire().await;
            (at, run(ctx, &place, at, probe).await)
        })
        .collect();
    let mut results = Vec::new();
    while let Some((at, result)) = running.next().await {
        let result = result?;
        done += 1;
        ctx.events
            .step(Stage::Verify, Duration::from_millis(result.ms), &result.name);
        ctx.events
            .progress(Stage::Verify, done, Some(total), Unit::Items, result.name.clone());
        results.push((at, result));
    }
    results.sort_by_key(|(at, _)| *at);
    Ok(Verification {
        probes: results.into_iter().map(|(_, result)| result).collect(),
    })
}

/// Returns why a check is skipped, if it is.
fn skips<'a>(check: &Check, absent: Option<&'a str>) -> Option<&'a str> {
    absent.filter(|_| check.needs == Needs::Nvidia)
}

/// Checks that `model_dir` is a folder that contains `files`.
///
/// # Errors
/// It is not. The error names a folder below it that contains them, if there is one.
pub(crate) fn check_model_dir(model_dir: &Path, files: &[String]) -> Result<(), VerifyError> {
    let lacks = |folder: &Path| files.iter().find(|file| !folder.join(file).is_file());
    let entries = fs_err::read_dir(model_dir).map_err(VerifyError::Model)?;
    let Some(file) = lacks(model_dir) else {
        return Ok(());
    };
    let below = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.is_dir() && lacks(path).is_none());
    Err(VerifyError::NoModel {
        folder: model_dir.to_owned(),
        file: file.clone(),
        below,
    })
}

/// Runs the smoke tests on the trained model in `model_dir`, one after the other. Their files stay in `work`.
/// `absent` is as in [`verify`]. Tests after a skipped one still run: a test that depends on it has the same `needs`
/// in the manifest.
pub(crate) async fn smoke(
    ctx: &Context,
    prefix: &Path,
    env: &str,
    checks: &[Check],
    model_dir: &Path,
    work: &Path,
    absent: Option<&str>,
) -> Result<Smoke, VerifyError> {
    let model_dir = fs_err::canonicalize(model_dir).map_err(VerifyError::Model)?;
    let place = Place {
        env,
        prefix,
        work,
        model_dir: Some(&model_dir),
    };
    let mut smoke = Smoke::default();
    for (at, check) in checks.iter().enumerate() {
        if let Some(reason) = skips(check, absent) {
            smoke.probes.push(ProbeResult::skipped(check, reason));
            continue;
        }
        ctx.events.progress(
            Stage::Smoke,
            at as u64,
            Some(checks.len() as u64),
            Unit::Items,
            check.name.clone(),
        );
        let result = run(ctx, &place, at, check).await?;
        let ok = result.ok;
        ctx.events
            .step(Stage::Smoke, Duration::from_millis(result.ms), &result.name);
        smoke.probes.push(result);
        if !ok {
            break;
        }
        if let Some(file) = &check.produces {
            smoke.model = Some(work.join(file)).filter(|path| path.is_file());
            // Without shapes, the benchmark reports which input needs one.
            smoke.shapes = input::read(&work.join(file).with_extension("shapes.json"), Input::Output)
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or_default();
        }
    }
    Ok(smoke)
}

#[cfg(all(test, unix))]
mod tests;
