//! The findings of a failed benchmark: `ME002` if it did not run, `ME003` if the output is wrong.

use std::{path::Path, time::Duration};

use super::{
    cause,
    error::BenchError,
    profile::Stray,
    protocol::{Failure, Request},
    worker::TOLERANCE,
};
use crate::{
    finding::{Code, Finding, Scope, Severity},
    process::Ended,
};

/// The number of lines of the worker's standard error in a finding.
const TAIL: usize = 12;

/// The number of operators that a message lists.
const LISTED: usize = 4;

fn failed(message: impl Into<String>) -> Finding {
    Finding::new(Code::BenchFailed, Severity::Error, Scope::Environment, message)
}

/// The finding for an environment without ONNX Runtime.
pub(super) fn absent(prefix: &Path) -> Finding {
    failed("the environment has no ONNX Runtime, so inference cannot be timed")
        .with_evidence([format!("no site-packages/onnxruntime/capi in {}", prefix.display())])
        .with_remedy("add `onnxruntime` to the manifest's packages, or install with `--no-bench`")
}

/// The finding for an ONNX Runtime that exists only inside its Python module.
pub(super) fn no_library(folder: &Path) -> Finding {
    failed("this ONNX Runtime has no library that can be loaded outside Python: wheels before 1.19 do not contain one")
        .with_evidence([format!("no libonnxruntime in {}", folder.display())])
        .with_remedy("require `onnxruntime>=1.19` in the manifest, or install with `--no-bench`")
}

/// The finding for a model that ran on another provider than requested, at least in a relevant part. The measured
/// times are then not those of the requested provider.
pub(super) fn stray(asked: &Request, stray: &Stray) -> Finding {
    let Stray {
        provider,
        operators,
        percent,
    } = stray;
    // Do not show a small share as 0.0 %.
    let share = if *percent < 0.1 {
        "less than 0.1 %".to_owned()
    } else {
        format!("{percent:.1} %")
    };
    let names: Vec<&str> = operators.iter().take(LISTED).map(|(name, _)| name.as_str()).collect();
    let more = if operators.len() > LISTED { ", …" } else { "" };
    failed(format!(
        "{share} of the inference time ran on {provider} instead of {}: {}{more}",
        asked.provider,
        names.join(", ")
    ))
    .with_evidence([asked.library.display().to_string()])
    .with_evidence(operators.iter().take(TAIL).map(|(name, ran)| {
        let ms = Duration::from_nanos(ran.ns).as_secs_f64() * 1000.0;
        format!("{}x {name} on {provider}, {ms:.2} ms", ran.count)
    }))
    .with_remedy("install with `--profile cpu`, or check what the environment is missing for that provider")
}

/// Returns the finding for a worker that crashed, panicked, ran out of time, or sent no report.
pub(super) fn from_exit(ended: &Ended, reported: bool, at: &str, asked: &Request) -> Option<Finding> {
    let (severity, message) = match (ended.success(), reported) {
        (true, true) => return None,
        // The clean-up of a library failed after the measurement. Programs that use it may fail the same way.
        (false, true) => (
            Severity::Warning,
            format!(
                "ONNX Runtime was measured, but its process then failed: {}",
                ended.how()
            ),
        ),
        (false, false) => (
            Severity::Error,
            format!("the benchmark process failed at this step: {at} ({})", ended.how()),
        ),
        (true, false) => (
            Severity::Error,
            "the benchmark process ended without a report".to_owned(),
        ),
    };
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.starts_with(super::PROGRESS) && !line.trim().is_empty())
        .collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..]
        .iter()
        .map(|line| (*line).to_owned());
    let finding = Finding::new(Code::BenchFailed, severity, Scope::Environment, message)
        .with_evidence([asked.library.display().to_string(), ended.how()])
        .with_evidence(tail);
    Some(finding.with_remedy(if illegal_instruction(ended) {
        "this build of ONNX Runtime needs a newer CPU: require an older release, such as `onnxruntime<1.20`"
    } else {
        "reinstall the environment with `--force`; if that fails, require another ONNX Runtime release in the manifest"
    }))
}

#[cfg(unix)]
fn illegal_instruction(ended: &Ended) -> bool {
    use std::os::unix::process::ExitStatusExt;
    // SIGILL is 4 on every Unix.
    ended.status.is_some_and(|status| status.signal() == Some(4))
}

#[cfg(not(unix))]
fn illegal_instruction(ended: &Ended) -> bool {
    // STATUS_ILLEGAL_INSTRUCTION.
    ended
        .status
        .and_then(|status| status.code())
        .is_some_and(|code| code.cast_unsigned() == 0xC000_001D)
}

/// Converts a failure that the worker reports: to a finding for a problem in the environment, or to an error for an
/// invalid request.
pub(super) fn from_failure(failure: Failure, asked: &Request) -> Result<Finding, BenchError> {
    match failure {
        Failure::Runtime { doing, message } => {
            let (says, remedy, scope) = match cause::find_cause(&message, asked.provider) {
                Some(cause) => (format!(": {}", cause.message), cause.remedy, cause.scope),
                None => (
                    String::new(),
                    "reinstall the environment with `--force`".to_owned(),
                    Scope::Environment,
                ),
            };
            let summary = format!("the benchmark failed to {doing}{says}");
            Ok(Finding::new(Code::BenchFailed, Severity::Error, scope, summary)
                .with_evidence([asked.library.display().to_string(), message.trim().to_owned()])
                .with_remedy(remedy))
        }
        Failure::Wrong { batch, max_error } => {
            let reason = max_error.map_or_else(
                || "it is not a number or has the wrong size".to_owned(),
                |error| format!("its error is {error:.1e}, but only {TOLERANCE:.0e} is allowed"),
            );
            let message = format!("inference on {} gives a wrong output: {reason}", asked.provider);
            let finding = Finding::new(Code::BenchWrong, Severity::Error, Scope::Environment, message);
            Ok(finding
                .with_evidence([asked.library.display().to_string(), format!("batch {batch}")])
                .with_remedy(
                    "do not use results from this environment: require another release of ONNX Runtime in the manifest",
                ))
        }
        Failure::ShapeMissing { input, axes } => Err(BenchError::ShapeMissing { input, axes }),
        Failure::ShapeWrong { input, shape, axes } => Err(BenchError::ShapeWrong { input, shape, axes }),
        Failure::NoSuchInput { input, inputs } => Err(BenchError::NoSuchInput {
            input,
            inputs: inputs.join(", "),
        }),
        Failure::InputType { input, element } => Err(BenchError::InputType { input, element }),
    }
}
