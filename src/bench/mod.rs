//! Benchmark: checks the output of inference on the ONNX Runtime of an environment, then times it.
//!
//! Input: a prefix and a [`BenchRequest`]. Output: a [`Benchmark`]. A crash, a wrong output, or a run on another
//! provider than requested is a [`Finding`] in it. A [`worker`] process of this same program does the work. It loads
//! the library of the environment, so the times are those of the environment's programs without the overhead of Python.
//!
//! The built-in model is a U-Net like the backbone of a SLEAP model. `scripts/make-bench-model.py` created it and
//! computed its reference output without ONNX Runtime. This module does not measure preprocessing or
//! Python, and does not compare machines.

mod cause;
mod error;
mod findings;
mod input;
mod profile;
pub mod protocol;
mod runtime;
mod shape;
mod statistics;
mod worker;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{error::BenchError, shape::Shape, worker::worker};
use self::{
    protocol::{Report, Request},
    runtime::Runtime,
    worker::PROGRESS,
};
use crate::{
    context::{
        Context,
        event::{Stage, Unit},
    },
    files::TemporaryFolder,
    finding::Finding,
    names::ExecutionProvider,
    packages::preload,
    process::{Ended, Job},
};

/// The first argument that starts this program as the worker of the benchmark.
pub const WORKER_ARGUMENT: &str = "bench-worker";

const UNET: &[u8] = include_bytes!("../../assets/bench/unet.onnx");
const UNET_REFERENCE: &[u8] = include_bytes!("../../assets/bench/unet-reference.f32");
const UNET_NAME: &str = "unet-1x384x384";

/// The model to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// The model that is part of matenv and has a reference output.
    BuiltIn,
    /// An ONNX file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The shapes of inputs with open axes, by name. The name of a single input may be empty. An open first axis
        /// gets the batch size, or the given size times the batch size.
        shapes: BTreeMap<String, Vec<u64>>,
    },
}

/// A benchmark to run.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRequest {
    /// The model to time.
    pub model: Model,
    /// Execution providers. Only the first one is used.
    pub providers: Vec<ExecutionProvider>,
    /// Batch sizes, in order. A model with a fixed batch size is timed only with that size.
    pub batches: Vec<u64>,
    /// The time for each batch size in seconds. A slow model gets up to twice as long, for enough runs.
    pub seconds: f64,
}

/// The result of a benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Benchmark {
    /// The name of the built-in model or of the model file.
    pub model: String,
    /// The execution provider that ran most of the model, according to ONNX Runtime's profile. If nothing ran, the
    /// requested provider.
    pub provider: String,
    /// The name and version of the library, such as `onnxruntime 1.32.0`.
    pub runtime: String,
    /// Whether the output matches the reference. Always true for a model without a reference.
    pub reference_ok: bool,
    /// The largest absolute difference from the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_error: Option<f64>,
    /// The number of threads for one operator.
    pub threads: u64,
    /// One row per batch size.
    pub rows: Vec<Row>,
    /// The results for other models on the same environment.
    #[serde(default)]
    pub others: Vec<Benchmark>,
    /// The problems found.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The reason why it was skipped, such as `needs an NVIDIA driver`. Nothing was measured, and this is not an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl Benchmark {
    /// Creates the result of a benchmark that is skipped for `reason`.
    #[must_use]
    pub fn skipped(request: &BenchRequest, reason: &str) -> Self {
        let provider = request.providers.first().map_or("", |provider| provider.as_str());
        Self {
            skipped: Some(reason.to_owned()),
            ..Self::unmeasured(request, provider)
        }
    }

    /// Creates a result without measurements.
    fn unmeasured(request: &BenchRequest, provider: &str) -> Self {
        let model = match &request.model {
            Model::BuiltIn => UNET_NAME.to_owned(),
            Model::File { path, .. } => path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned(),
        };
        Self {
            model,
            provider: provider.to_owned(),
            runtime: "onnxruntime".to_owned(),
            reference_ok: request.model != Model::BuiltIn,
            reference_error: None,
            threads: 0,
            rows: Vec::new(),
            others: Vec::new(),
            findings: Vec::new(),
            skipped: None,
        }
    }

    /// Returns whether this benchmark, or one of the others, was skipped.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        std::iter::once(self)
            .chain(&self.others)
            .any(|one| one.skipped.is_some())
    }

    /// Returns the findings for this model and for the others.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let others = self.others.iter().flat_map(|other| &other.findings);
        self.findings.iter().chain(others)
    }
}

/// The result for one batch size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The number of images in one run.
    pub batch: u64,
    /// The median time of a run, in milliseconds.
    pub p50_ms: f64,
    /// The 95th percentile, in milliseconds.
    pub p95_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// Images per second: `batch` divided by the median time.
    pub images_per_s: f64,
    /// The time to create the session, including graph optimization, in milliseconds.
    pub session_ms: f64,
}

/// Checks and times a model on the environment at `prefix`.
pub async fn bench(ctx: &Context, prefix: &Path, request: &BenchRequest) -> Result<Benchmark, BenchError> {
    let program = std::env::current_exe().map_err(BenchError::Start)?;
    bench_with(ctx, prefix, request, &program).await
}

/// Like [`bench()`], with another program as the worker. It must call [`worker`] if its first argument is
/// [`WORKER_ARGUMENT`].
pub async fn bench_with(
    ctx: &Context,
    prefix: &Path,
    request: &BenchRequest,
    program: &Path,
) -> Result<Benchmark, BenchError> {
    let provider = *request.providers.first().ok_or(BenchError::NoProvider)?;
    if request.batches.is_empty() || request.batches.contains(&0) {
        return Err(BenchError::Batch);
    }
    let mut benchmark = Benchmark::unmeasured(request, provider.as_str());
    let work = TemporaryFolder::new(&ctx.settings.home).map_err(BenchError::Work)?;
    let mut asked = Request {
        library: PathBuf::new(),
        preload: Vec::new(),
        model: work.path().join("unet.onnx"),
        reference: None,
        provider,
        shapes: BTreeMap::new(),
        batches: request.batches.clone(),
        seconds: request.seconds,
        work: work.path().to_owned(),
    };
    match &request.model {
        Model::BuiltIn => {
            let reference = work.path().join("unet-reference.f32");
            fs_err::write(&asked.model, UNET).map_err(BenchError::Work)?;
            fs_err::write(&reference, UNET_REFERENCE).map_err(BenchError::Work)?;
            asked.reference = Some(reference);
        }
        Model::File { path, shapes } => {
            crate::input::open(path).map_err(BenchError::Model)?;
            asked.model = std::path::absolute(path).map_err(BenchError::Model)?;
            asked.shapes.clone_from(shapes);
        }
    }
    match Runtime::find(prefix) {
        Runtime::Library { path, version } => {
            asked.library = std::path::absolute(path).map_err(BenchError::Work)?;
            if [ExecutionProvider::Cuda, ExecutionProvider::TensorRt].contains(&provider) {
                // Preload the same libraries as the environment's Python.
                let prefix = std::path::absolute(prefix).map_err(BenchError::Work)?;
                asked.preload = preload::installed_libraries(&prefix);
            }
            // The worker reads the version from the library later, if it loads.
            benchmark.runtime = format!("onnxruntime {version}");
        }
        Runtime::NoLibrary { folder } => {
            benchmark.findings.push(findings::no_library(&folder));
            return Ok(benchmark);
        }
        Runtime::Absent => {
            benchmark.findings.push(findings::absent(prefix));
            return Ok(benchmark);
        }
    }
    let (ended, at) = run(ctx, prefix, &asked, program, limit(&request.model, provider)).await?;
    let report = report_in(&ended);
    benchmark
        .findings
        .extend(findings::from_exit(&ended, report.is_some(), &at, &asked));
    if let Some(report) = report {
        apply_report(ctx, &mut benchmark, report, &asked)?;
    }
    Ok(benchmark)
}

/// Returns the time limit. It only stops a worker that hangs: a slow machine needs far less.
fn limit(model: &Model, provider: ExecutionProvider) -> Duration {
    // TensorRT builds an engine for each batch size, which takes minutes on a slow GPU.
    match (model, provider == ExecutionProvider::TensorRt) {
        (Model::BuiltIn, false) => Duration::from_mins(3),
        (Model::File { .. }, false) => Duration::from_mins(10),
        (Model::BuiltIn, true) => Duration::from_mins(15),
        (Model::File { .. }, true) => Duration::from_mins(45),
    }
}

/// Returns an extra environment variable for the worker.
fn variables(asked: &Request) -> Option<(&'static str, &'static str)> {
    // TensorFloat-32 is too imprecise for the tolerance of the reference, and ONNX Runtime cannot disable it for
    // TensorRT (https://github.com/microsoft/onnxruntime/issues/26029). NVIDIA's libraries read this when they load.
    (asked.reference.is_some() && [ExecutionProvider::Cuda, ExecutionProvider::TensorRt].contains(&asked.provider))
        .then_some(("NVIDIA_TF32_OVERRIDE", "0"))
}

/// Runs the worker. Returns how it ended, and the last step that it reported.
async fn run(
    ctx: &Context,
    prefix: &Path,
    asked: &Request,
    program: &Path,
    limit: Duration,
) -> Result<(Ended, String), BenchError> {
    let file = asked.work.join("request.json");
    let text = serde_json::to_vec(asked).map_err(|error| BenchError::Work(error.into()))?;
    fs_err::write(&file, text).map_err(BenchError::Work)?;
    let mut at = "start".to_owned();
    let mut inside = ctx.settings.variables.needed_inside(prefix);
    inside.extend(variables(asked).map(|(name, value)| (name.into(), value.into())));
    let ended = Job::new(program, inside)
        .args([WORKER_ARGUMENT.into(), file.into_os_string()])
        .cwd(&asked.work)
        .limit(limit)
        .run_with(|line| {
            let Some((count, what)) = line.strip_prefix(PROGRESS).and_then(|rest| rest.split_once(' ')) else {
                return;
            };
            if let Some((done, total)) = count.split_once('/')
                && let Ok(done) = done.parse()
            {
                ctx.events
                    .progress(Stage::Bench, done, total.parse().ok(), Unit::Items, what);
            }
            what.clone_into(&mut at);
        })
        .await
        .map_err(BenchError::Start)?;
    tracing::debug!(how = ended.how(), stderr = ended.stderr, "the benchmark worker ended");
    Ok((ended, at))
}

/// Reads the report from the last line of standard output. A library may write other lines before it.
fn report_in(ended: &Ended) -> Option<Report> {
    let text = ended.stdout_text();
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    serde_json::from_str(last).ok()
}

/// Copies the report of the worker into the benchmark.
fn apply_report(ctx: &Context, benchmark: &mut Benchmark, report: Report, asked: &Request) -> Result<(), BenchError> {
    tracing::debug!(max_error = report.max_error, placement = ?report.placement, "the benchmark worker reported");
    if !report.runtime.is_empty() {
        benchmark.runtime = format!("onnxruntime {}", report.runtime);
    }
    benchmark.threads = report.threads;
    benchmark.reference_error = report.max_error;
    if asked.reference.is_some() {
        // Each batch size is checked before it is timed. A wrong output is reported as a failure.
        let wrong = matches!(report.failure, Some(protocol::Failure::Wrong { .. }));
        benchmark.reference_ok = report.max_error.is_some() && !wrong;
    }
    let fixed = report.failure.is_none() && report.rows.len() < asked.batches.len();
    if let (true, Some(row)) = (fixed, report.rows.first()) {
        let text = format!(
            "{} has a fixed batch size, so only batch size {} was timed",
            benchmark.model, row.batch
        );
        ctx.events.note(text);
    }
    benchmark.rows = report.rows;
    if let Some(main) = report.placement.main() {
        main.clone_into(&mut benchmark.provider);
    }
    if let Some(stray) = report.placement.stray(asked.provider) {
        benchmark.findings.push(findings::stray(asked, &stray));
    } else if let count @ 1.. = report.placement.count_on_others(asked.provider) {
        let text = format!(
            "{count} light operators of {} did not run on {}, as expected",
            benchmark.model, asked.provider
        );
        ctx.events.note(text);
    }
    if let Some(failure) = report.failure {
        let finding = findings::from_failure(failure, asked)?;
        benchmark.findings.push(finding.with_evidence(report.not_preloaded));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
