//! Verification: what an environment does when it is used.
//!
//! In: a prefix and the checks of a plan. Out: one [`ProbeResult`] each. Every check runs in a process of its own, with
//! a home folder of its own, clean of what other programs left in this shell; independent ones run side by side.

mod check;

pub use check::VerifyError;

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
    finding::Finding,
    manifest::Check,
    profile::Needs,
};
use check::{Place, run};

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeResult {
    /// Its name.
    pub name: String,
    /// Whether it proves what it is for.
    pub ok: bool,
    /// Milliseconds.
    pub ms: u64,
    /// The end of what it printed.
    pub output: String,
    /// Why it was not run, such as `needs an NVIDIA driver`. It is neither proven nor failed then, and `ok` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why it is not ok. A warning does not block: what is missing is the operating system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}

impl ProbeResult {
    /// One that was not run, and why.
    #[must_use]
    pub fn skipped(check: &Check, reason: &str) -> Self {
        Self {
            name: check.name.clone(),
            ok: false,
            ms: 0,
            output: String::new(),
            skipped: Some(reason.to_owned()),
            finding: None,
        }
    }

    /// Whether it ran and did not prove what it is for.
    #[must_use]
    pub fn failed(&self) -> bool {
        !self.ok && self.skipped.is_none()
    }
}

/// How many of several checks ended in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub all: usize,
    /// Those that proved something.
    pub passed: usize,
    /// Those that were not run.
    pub skipped: usize,
}

impl Tally {
    /// Count `probes`.
    #[must_use]
    pub fn of(probes: &[ProbeResult]) -> Self {
        Self {
            all: probes.len(),
            passed: probes.iter().filter(|probe| probe.ok).count(),
            skipped: probes.iter().filter(|probe| probe.skipped.is_some()).count(),
        }
    }

    /// As in `7 of 8 probes passed, 1 skipped`, for what `noun` names.
    #[must_use]
    pub fn words(self, noun: &str) -> String {
        let skipped = match self.skipped {
            0 => String::new(),
            some => format!(", {some} skipped"),
        };
        format!("{} of {}{noun} passed{skipped}", self.passed, self.all)
    }
}

/// What the probes came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// In the manifest's order.
    pub probes: Vec<ProbeResult>,
}

/// What the smoke tests came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Smoke {
    /// In the manifest's order; those after a failed one did not run.
    pub probes: Vec<ProbeResult>,
    /// The model that they exported, for the benchmark.
    pub model: Option<PathBuf>,
    /// Shapes of its inputs by name.
    pub shapes: BTreeMap<String, Vec<u64>>,
}

impl Verification {
    /// Whether a probe found an error; one that was skipped found nothing.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.probes
            .iter()
            .any(|probe| probe.failed() && probe.finding.as_ref().is_none_or(Finding::blocks))
    }
}

/// Run the probes of an environment side by side. `absent` says that this machine has no NVIDIA GPU and driver, as in
/// `needs an NVIDIA driver`: probes that need one are skipped for that reason.
pub async fn verify(
    ctx: &Context,
    prefix: &Path,
    env: &str,
    probes: &[Check],
    absent: Option<&str>,
) -> Result<Verification, VerifyError> {
    let work = tempfile::tempdir().map_err(VerifyError::Io)?;
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
            // Never closed; without a permit the probe would run all the same.
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

/// Why a check is not run where `absent` says what there is not.
fn skips<'a>(check: &Check, absent: Option<&'a str>) -> Option<&'a str> {
    absent.filter(|_| check.needs == Needs::Nvidia)
}

/// Whether `model_dir` is a folder that holds `files`.
///
/// # Errors
/// It is not; a folder below it that does is named.
pub fn check_model_dir(model_dir: &Path, files: &[String]) -> Result<(), VerifyError> {
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

/// Run the smoke tests on the trained model in `model_dir`, one after the other; what they leave stays in `work`.
/// `absent` as in [`verify`]. Those after a skipped one run: what builds on it says in the manifest that it needs the same.
pub async fn smoke(
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
            // Without shapes the bench says which input wants one.
            smoke.shapes = fs_err::read(work.join(file).with_extension("shapes.json"))
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or_default();
        }
    }
    Ok(smoke)
}

#[cfg(all(test, unix))]
mod tests;
