//! Times inference on the ONNX Runtime of an environment, after a check that it computes the right thing.
//!
//! In: a prefix and a [`BenchRequest`]. Out: a [`Benchmark`]; a crash, a wrong output or another provider than the
//! asked one is a [`Finding`] in it. The work is done by a [`worker`] process of this same program, which loads the
//! environment's own library: what is measured is what the environment's programs get, less Python.
//!
//! The built-in model is a U-Net like the backbone of a SLEAP model; `scripts/make-bench-model.py` made it and computed
//! its reference output without ONNX Runtime. Absent on purpose: preprocessing, Python, and any comparison of machines.

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

pub use self::{
    error::BenchError,
    shape::{Shape, ShapeError},
    worker::worker,
};
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
    finding::Finding,
    packages::preload,
    process::{Ended, Job},
};

/// The first argument that makes this program the bench's worker.
pub const WORKER_WORD: &str = "bench-worker";

/// ONNX Runtime's provider for the processor.
pub const CPU: &str = "CPUExecutionProvider";
const CUDA: &str = "CUDAExecutionProvider";
const TENSORRT: &str = "TensorrtExecutionProvider";
const CORE_ML: &str = "CoreMLExecutionProvider";
const PROVIDERS: [&str; 4] = [CPU, CUDA, TENSORRT, CORE_ML];

const UNET: &[u8] = include_bytes!("../../assets/bench/unet.onnx");
const UNET_REFERENCE: &[u8] = include_bytes!("../../assets/bench/unet-reference.f32");
const UNET_NAME: &str = "unet-1x384x384";

/// What is timed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// The network that matenv brings, which has a reference output.
    BuiltIn,
    /// An ONNX file.
    File {
        /// The file.
        path: PathBuf,
        /// Shapes of inputs with open axes, by name; the only input may stand under the empty name. An open first axis
        /// is the batch size, or times it where a shape is given.
        shapes: BTreeMap<String, Vec<u64>>,
    },
}

/// A benchmark to run.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRequest {
    /// What is timed.
    pub model: Model,
    /// Execution providers by ONNX Runtime's names; exactly one is asked for, the first.
    pub providers: Vec<String>,
    /// Batch sizes, in order. A model whose own batch size is fixed is timed at that one only.
    pub batches: Vec<u64>,
    /// Seconds that each batch size is timed for; a slow model gets up to twice as long, for enough runs.
    pub seconds: f64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Benchmark {
    /// The model: the built-in one's name, or a file's.
    pub model: String,
    /// The provider that ran the model, by ONNX Runtime's own profile; the one that was asked for if nothing ran.
    pub provider: String,
    /// What the library says it is, such as `onnxruntime 1.32.0`.
    pub runtime: String,
    /// Whether the output is the reference's; a model without a reference has none to differ from.
    pub reference_ok: bool,
    /// Largest absolute difference from the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_error: Option<f64>,
    /// Threads that work on one operator.
    pub threads: u64,
    /// One row a batch size.
    pub rows: Vec<Row>,
    /// Other models, timed on the same environment.
    #[serde(default)]
    pub others: Vec<Benchmark>,
    /// What went wrong.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Why it was not run, such as `needs an NVIDIA driver`. Nothing was measured then, and nothing is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl Benchmark {
    /// One that is not run, and why.
    #[must_use]
    pub fn skipped(request: &BenchRequest, reason: &str) -> Self {
        let provider = request.providers.first().map_or("", String::as_str);
        Self {
            skipped: Some(reason.to_owned()),
            ..Self::unmeasured(request, provider)
        }
    }

    /// One that nothing is known of yet but what was asked for.
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

    /// Whether it, or one of the others, was not run.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        std::iter::once(self)
            .chain(&self.others)
            .any(|one| one.skipped.is_some())
    }

    /// What went wrong with this model and with the others.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let others = self.others.iter().flat_map(|other| &other.findings);
        self.findings.iter().chain(others)
    }
}

/// One batch size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Images in one run.
    pub batch: u64,
    /// Median of a run, in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// `batch` images in every median.
    pub images_per_s: f64,
    /// How long it took to create the session, optimisation of the graph included.
    pub session_ms: f64,
}

/// Check and time a model on the environment at `prefix`.
pub async fn bench(ctx: &Context, prefix: &Path, request: &BenchRequest) -> Result<Benchmark, BenchError> {
    let program = std::env::current_exe().map_err(BenchError::Start)?;
    bench_with(ctx, prefix, request, &program).await
}

/// [`bench()`] with another program as the worker: one that calls [`worker`] when its first argument is [`WORKER_WORD`].
pub async fn bench_with(
    ctx: &Context,
    prefix: &Path,
    request: &BenchRequest,
    program: &Path,
) -> Result<Benchmark, BenchError> {
    let provider = known_provider(request)?;
    if request.batches.is_empty() || request.batches.contains(&0) {
        return Err(BenchError::Batch);
    }
    let mut benchmark = Benchmark::unmeasured(request, provider);
    let work = tempfile::tempdir().map_err(BenchError::Work)?;
    let mut asked = Request {
        library: PathBuf::new(),
        preload: Vec::new(),
        model: work.path().join("unet.onnx"),
        reference: None,
        provider: provider.to_owned(),
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
            fs_err::File::open(path).map_err(BenchError::Model)?;
            asked.model = std::path::absolute(path).map_err(BenchError::Model)?;
            asked.shapes.clone_from(shapes);
        }
    }
    match Runtime::find(prefix) {
        Runtime::Library { path, version } => {
            asked.library = std::path::absolute(path).map_err(BenchError::Work)?;
            if [CUDA, TENSORRT].contains(&provider) {
                // What the environment's Python preloads, so that the worker lacks what Python would lack.
                let prefix = std::path::absolute(prefix).map_err(BenchError::Work)?;
                asked.preload = preload::installed(&prefix);
            }
            // The library itself is asked later, if it loads.
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
        .extend(findings::of_ending(&ended, report.is_some(), &at, &asked));
    if let Some(report) = report {
        enter(ctx, &mut benchmark, report, &asked)?;
    }
    Ok(benchmark)
}

fn known_provider(request: &BenchRequest) -> Result<&'static str, BenchError> {
    let asked = request.providers.first().map_or("", String::as_str);
    PROVIDERS
        .into_iter()
        .find(|known| *known == asked)
        .ok_or_else(|| BenchError::UnknownProvider {
            provider: asked.to_owned(),
            known: PROVIDERS.join(", "),
        })
}

/// Far more than a slow machine needs: it only ends what hangs.
fn limit(model: &Model, provider: &str) -> Duration {
    // TensorRT builds an engine for each batch size, which takes minutes on a slow card.
    match (model, provider == TENSORRT) {
        (Model::BuiltIn, false) => Duration::from_mins(3),
        (Model::File { .. }, false) => Duration::from_mins(10),
        (Model::BuiltIn, true) => Duration::from_mins(15),
        (Model::File { .. }, true) => Duration::from_mins(45),
    }
}

/// Variables of the worker besides the environment's own.
fn variables(asked: &Request) -> Option<(&'static str, &'static str)> {
    // TensorFloat-32 is too coarse for the reference's tolerance, and ONNX Runtime has no option for it with TensorRT
    // (https://github.com/microsoft/onnxruntime/issues/26029): NVIDIA's libraries read this when they are loaded.
    (asked.reference.is_some() && [CUDA, TENSORRT].contains(&asked.provider.as_str()))
        .then_some(("NVIDIA_TF32_OVERRIDE", "0"))
}

/// Run the worker; gives how it ended and what it said last about what it was doing.
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
    let mut inside = ctx.settings.variables.inside(prefix);
    inside.extend(variables(asked).map(|(name, value)| (name.into(), value.into())));
    let ended = Job::new(program, inside)
        .args([WORKER_WORD.into(), file.into_os_string()])
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
    tracing::debug!(how = ended.how(), stderr = ended.stderr, "the bench's worker ended");
    Ok((ended, at))
}

/// The last line of standard output: a library may write there too.
fn report_in(ended: &Ended) -> Option<Report> {
    let text = ended.stdout_text();
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    serde_json::from_str(last).ok()
}

/// Put what the worker reports into the benchmark.
fn enter(ctx: &Context, benchmark: &mut Benchmark, report: Report, asked: &Request) -> Result<(), BenchError> {
    tracing::debug!(max_error = report.max_error, placement = ?report.placement, "the bench's worker reported");
    if !report.runtime.is_empty() {
        benchmark.runtime = format!("onnxruntime {}", report.runtime);
    }
    benchmark.threads = report.threads;
    benchmark.reference_error = report.max_error;
    if asked.reference.is_some() {
        // Each row was checked before it was timed; after a wrong one there is a failure.
        let wrong = matches!(report.failure, Some(protocol::Failure::Wrong { .. }));
        benchmark.reference_ok = report.max_error.is_some() && !wrong;
    }
    let fixed = report.failure.is_none() && report.rows.len() < asked.batches.len();
    if let (true, Some(row)) = (fixed, report.rows.first()) {
        let text = format!("{} runs at its own batch size only, {}", benchmark.model, row.batch);
        ctx.events.note(text);
    }
    benchmark.rows = report.rows;
    if let Some(main) = report.placement.main() {
        main.clone_into(&mut benchmark.provider);
    }
    if let Some(stray) = report.placement.stray(&asked.provider) {
        benchmark.findings.push(findings::stray(asked, &stray));
    } else if let count @ 1.. = report.placement.elsewhere(&asked.provider) {
        let text = format!(
            "{count} light operators of {} ran elsewhere than on {}, as they should",
            benchmark.model, asked.provider
        );
        ctx.events.note(text);
    }
    if let Some(failure) = report.failure {
        let finding = findings::of_failure(failure, asked)?;
        benchmark.findings.push(finding.with_evidence(report.not_preloaded));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
