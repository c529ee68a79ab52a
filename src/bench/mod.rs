//! Bench: inference on an environment's own ONNX Runtime, checked against a reference and then timed.
//!
//! In: a prefix, a model, one execution provider. Out: a [`Benchmark`]. The runtime is loaded by a worker, which is this
//! program started again: when it crashes, hangs or hits an instruction that the processor lacks, that is a finding.
//! Absent on purpose: a fallback. The provider that is asked for runs the model, or the benchmark fails.

mod library;
mod pattern;
mod statistics;
mod worker;

pub use worker::{WORKER_WORD, worker};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    context::Context,
    doctor::{Code, Finding, Scope, Severity},
    event::{Stage, Unit},
    process::{Ended, Job},
};
use worker::{Answer, Order};

const UNET: &[u8] = include_bytes!("../../assets/bench/unet.onnx");
const REFERENCE: &[u8] = include_bytes!("../../assets/bench/unet.reference");

/// Largest absolute difference to the reference that passes.
const TOLERANCE: f64 = 1e-4;

/// A worker that needs longer is stopped.
const PATIENCE: Duration = Duration::from_mins(3);

/// What is timed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// A UNet like a small SLEAP model's backbone: 1 x 384 x 384, with a reference.
    BuiltIn,
    /// A model of the user's, without a reference.
    File {
        /// The `.onnx` file.
        path: PathBuf,
        /// Shapes of inputs with dynamic axes; an empty name means the only input.
        shapes: BTreeMap<String, Vec<u64>>,
    },
}

/// What is to be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRequest {
    /// The model.
    pub model: Model,
    /// Execution providers, the best first: that one is asked for, and no other.
    pub providers: Vec<String>,
    /// Batch sizes; a model that is not built in is run as it is.
    pub batches: Vec<u64>,
    /// Seconds that each batch size is timed for.
    pub seconds: f64,
}

/// The shape of an input: `images=1x1x384x384`, or `1x1x384x384` for the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The input; empty for the only one.
    pub input: String,
    /// Its axes.
    pub axes: Vec<u64>,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (input, axes) = text.rsplit_once('=').unwrap_or(("", text));
        let axes = axes
            .split(['x', ','])
            .map(|axis| axis.trim().parse().ok().filter(|axis| *axis > 0))
            .collect::<Option<Vec<u64>>>()
            .ok_or_else(|| format!("`{text}` is no shape: write INPUT=1x1x384x384"))?;
        Ok(Self {
            input: input.to_owned(),
            axes,
        })
    }
}

/// The measurement of one batch size. Times are milliseconds for the whole batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Images at once.
    pub batch: u64,
    /// Half of the runs took no longer.
    pub p50_ms: f64,
    /// 95 of 100 runs took no longer.
    pub p95_ms: f64,
    /// 99 of 100 runs took no longer.
    pub p99_ms: f64,
    /// Images a second over all timed runs.
    pub images_per_s: f64,
    /// Creation of the session.
    pub session_ms: f64,
}

/// A benchmark of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Name of the model.
    pub model: String,
    /// The execution provider that ran it.
    pub provider: String,
    /// Such as `onnxruntime 1.32.0`.
    pub runtime: String,
    /// Whether the output is the reference's; a model without a reference has none to differ from.
    pub reference_ok: bool,
    /// Largest absolute difference to the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_error: Option<f64>,
    /// Threads that the runtime was given.
    pub threads: u64,
    /// One for each batch size.
    pub rows: Vec<Row>,
    /// Other models timed in the same environment.
    #[serde(default)]
    pub others: Vec<Benchmark>,
    /// What went wrong.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

impl Benchmark {
    /// What went wrong with this model and with the others.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .chain(self.others.iter().flat_map(|other| &other.findings))
    }
}

/// Why nothing could be measured; what the worker found is no error.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The environment has no ONNX Runtime.
    #[error("{} holds no ONNX Runtime", prefix.display())]
    NoRuntime {
        /// The prefix.
        prefix: PathBuf,
    },
    /// The model cannot be read.
    #[error("cannot read the model {}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The worker could not be started.
    #[error("cannot start the bench worker")]
    Start(#[source] std::io::Error),
}

/// Check and time one model on the environment at `prefix`.
pub async fn bench(ctx: &Context, prefix: &Path, request: &BenchRequest) -> Result<Benchmark, BenchError> {
    let runtime = library::find(prefix).ok_or_else(|| BenchError::NoRuntime {
        prefix: prefix.to_owned(),
    })?;
    let work = tempfile::tempdir().map_err(BenchError::Start)?;
    let (name, model, shapes, built_in) = match &request.model {
        Model::BuiltIn => {
            let path = work.path().join("unet.onnx");
            fs_err::write(&path, UNET).map_err(BenchError::Start)?;
            ("unet-384".to_owned(), path, BTreeMap::new(), true)
        }
        Model::File { path, shapes } => {
            let path = fs_err::canonicalize(path).map_err(|source| BenchError::Model {
                path: path.clone(),
                source,
            })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, path, shapes.clone(), false)
        }
    };
    let order = Order {
        library: runtime.path.clone(),
        model,
        provider: request.providers.first().cloned().unwrap_or_default(),
        batches: if built_in { request.batches.clone() } else { vec![1] },
        shapes,
        built_in,
        seconds: request.seconds,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    ctx.events.progress(
        Stage::Bench,
        0,
        None,
        Unit::Items,
        format!("{name} on {}", order.provider),
    );
    let ended = run_worker(ctx, prefix, work.path(), &order)
        .await
        .map_err(BenchError::Start)?;
    Ok(judge(&name, &runtime, &order, &ended))
}

async fn run_worker(ctx: &Context, prefix: &Path, work: &Path, order: &Order) -> std::io::Result<Ended> {
    let file = work.join("order.json");
    fs_err::write(&file, serde_json::to_string(order)?)?;
    let variables = ctx.settings.variables.inside(prefix);
    Job::new(std::env::current_exe()?, variables)
        .args([WORKER_WORD.into(), file.into_os_string()])
        .env("HOME", work)
        .env("USERPROFILE", work)
        .cwd(work)
        .limit(PATIENCE)
        .run()
        .await
}

/// What the worker's end means.
fn judge(name: &str, runtime: &library::Runtime, order: &Order, ended: &Ended) -> Benchmark {
    let text = ended.stdout_text();
    let answer = text
        .lines()
        .last()
        .and_then(|line| serde_json::from_str::<Answer>(line).ok());
    let mut bench = Benchmark {
        model: name.to_owned(),
        provider: order.provider.clone(),
        runtime: format!("onnxruntime {}", runtime.version),
        reference_ok: !order.built_in,
        reference_error: None,
        threads: order.threads as u64,
        rows: Vec::new(),
        others: Vec::new(),
        findings: Vec::new(),
    };
    let failed = |message: String| {
        let last: Vec<String> = ended.stderr.lines().rev().take(5).map(ToOwned::to_owned).collect();
        Finding::new(Code::BenchFailed, Severity::Error, Scope::Environment, message)
            .with_evidence(last.into_iter().rev())
            .with_remedy("run it again by hand: matenv bench ENV -v; reinstall: matenv install ENV --force")
    };
    match answer {
        Some(answer) if ended.success() => {
            bench.rows = answer.rows;
            bench.reference_error = answer.reference_error;
            if let Some(error) = answer.error {
                bench.findings.push(failed(error));
            }
            if let (true, Some(error)) = (order.built_in, bench.reference_error) {
                bench.reference_ok = error <= TOLERANCE;
                if !bench.reference_ok {
                    bench.findings.push(
                        Finding::new(
                            Code::BenchWrong,
                            Severity::Error,
                            Scope::Environment,
                            format!(
                                "{} computes something else than the reference: off by {error:.1e}",
                                bench.runtime
                            ),
                        )
                        .with_evidence([format!("{TOLERANCE:.0e} passes")])
                        .with_remedy("reinstall: matenv install ENV --force"),
                    );
                }
            }
        }
        Some(_) | None => {
            let message = format!("the bench worker ended with {} before it had an answer", ended.how());
            bench.findings.push(failed(message));
        }
    }
    bench
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_with_and_without_a_name() {
        let named: Shape = "images=1x1x384x384".parse().expect("a shape");
        assert_eq!(
            (named.input.as_str(), named.axes.as_slice()),
            ("images", &[1, 1, 384, 384][..])
        );
        let bare: Shape = "1,3,224,224".parse().expect("a shape");
        assert_eq!((bare.input.as_str(), bare.axes.len()), ("", 4));
        for bad in ["", "x", "images=", "1x0", "1x-1"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn the_reference_has_one_number_for_each_output_pixel() {
        assert_eq!(REFERENCE.len(), 96 * 96 * 4);
    }
}
