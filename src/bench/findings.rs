//! What a failed benchmark says about the environment: `ME002` where it did not run, `ME003` where it ran wrong.

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

/// Lines of the worker's standard error that are worth keeping.
const TAIL: usize = 12;

/// Operators that a sentence names.
const TOLD: usize = 4;

fn failed(message: impl Into<String>) -> Finding {
    Finding::new(Code::BenchFailed, Severity::Error, Scope::Environment, message)
}

/// There is no ONNX Runtime.
pub(super) fn absent(prefix: &Path) -> Finding {
    failed("the environment has no ONNX Runtime, so no inference can be timed")
        .with_evidence([format!("no site-packages/onnxruntime/capi in {}", prefix.display())])
        .with_remedy("add `onnxruntime` to the manifest's packages, or install with `--no-bench`")
}

/// There is one, but only inside its Python module.
pub(super) fn no_library(folder: &Path) -> Finding {
    failed("this ONNX Runtime has no library that can be loaded outside Python: the wheels before 1.19 have none")
        .with_evidence([format!("no libonnxruntime in {}", folder.display())])
        .with_remedy("ask for `onnxruntime>=1.19` in the manifest, or install with `--no-bench`")
}

/// The model, or a part of it that counts, ran elsewhere than asked: however good the numbers are, they are not the asked
/// provider's.
pub(super) fn stray(asked: &Request, stray: &Stray) -> Finding {
    let Stray {
        provider,
        operators,
        percent,
    } = stray;
    // Less than a tenth of a percent must not read as nothing.
    let share = if *percent < 0.1 {
        "less than 0.1 %".to_owned()
    } else {
        format!("{percent:.1} %")
    };
    let names: Vec<&str> = operators.iter().take(TOLD).map(|(name, _)| name.as_str()).collect();
    let more = if operators.len() > TOLD { ", …" } else { "" };
    failed(format!(
        "inference was asked for on {}, and {share} of its time ran on {provider}: {}{more}",
        asked.provider,
        names.join(", ")
    ))
    .with_evidence([asked.library.display().to_string()])
    .with_evidence(operators.iter().take(TAIL).map(|(name, ran)| {
        let ms = Duration::from_nanos(ran.ns).as_secs_f64() * 1000.0;
        format!("{}x {name} on {provider}, {ms:.2} ms", ran.count)
    }))
    .with_remedy("install with `--profile cpu`, or look at what the environment lacks for that provider")
}

/// The worker did not end well: a crash, a time-out, a panic.
pub(super) fn of_ending(ended: &Ended, reported: bool, at: &str, asked: &Request) -> Option<Finding> {
    let (severity, message) = match (ended.success(), reported) {
        (true, true) => return None,
        // Everything was measured, then a library's own clean-up went wrong: programs that use it may end the same way.
        (false, true) => (
            Severity::Warning,
            format!(
                "ONNX Runtime was measured, but its process did not end well: {}",
                ended.how()
            ),
        ),
        (false, false) => (
            Severity::Error,
            format!(
                "the benchmark's process failed while it did this: {at} ({})",
                ended.how()
            ),
        ),
        (true, false) => (
            Severity::Error,
            "the benchmark's process ended without a report".to_owned(),
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
        "this build of ONNX Runtime needs a newer CPU: name an older release in the manifest, such as `onnxruntime<1.20`"
    } else {
        "install the environment again with `--force`; if it fails again, name another release of ONNX Runtime in the manifest"
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

/// What the worker itself says: a finding if the environment is at fault, an error if the request is.
pub(super) fn of_failure(failure: Failure, asked: &Request) -> Result<Finding, BenchError> {
    match failure {
        Failure::Runtime { doing, message } => {
            let (says, remedy, scope) = match cause::of(&message, &asked.provider) {
                Some(cause) => (format!(": {}", cause.says), cause.remedy, cause.scope),
                None => (
                    String::new(),
                    "install the environment again with `--force`".to_owned(),
                    Scope::Environment,
                ),
            };
            let message_told = format!("the benchmark could not {doing}{says}");
            Ok(Finding::new(Code::BenchFailed, Severity::Error, scope, message_told)
                .with_evidence([asked.library.display().to_string(), message.trim().to_owned()])
                .with_remedy(remedy))
        }
        Failure::Wrong { batch, max_error } => {
            let off = max_error.map_or_else(
                || "it is not a number, or of another size".to_owned(),
                |error| format!("it is off by {error:.1e}, and {TOLERANCE:.0e} is allowed"),
            );
            let message = format!("inference on {} gives a wrong output: {off}", asked.provider);
            let finding = Finding::new(Code::BenchWrong, Severity::Error, Scope::Environment, message);
            Ok(finding
                .with_evidence([asked.library.display().to_string(), format!("batch {batch}")])
                .with_remedy(
                    "do not trust this environment's results: name another release of ONNX Runtime in the manifest",
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
