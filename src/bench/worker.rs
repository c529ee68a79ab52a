//! The worker: the one process that loads ONNX Runtime.
//!
//! In: an [`Order`] in a file. Out: an [`Answer`] as the last line of standard output.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use ort::{
    environment::Environment,
    ep::{CPU, CUDA, CoreML, ExecutionProviderDispatch, TensorRT},
    session::{Session, SessionInputValue, builder::GraphOptimizationLevel},
    value::{Tensor, TensorElementType, ValueType},
};
use serde::{Deserialize, Serialize};

use super::{REFERENCE, Row, pattern::pattern, statistics::percentile};

/// The first argument that makes this program a worker; no command has such a name.
pub const WORKER_WORD: &str = "bench-worker";

/// Runs before the timed ones.
const WARM_UP: usize = 3;
const AT_LEAST: usize = 10;
const AT_MOST: usize = 500;

/// What a worker is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) library: PathBuf,
    pub(super) model: PathBuf,
    pub(super) provider: String,
    pub(super) batches: Vec<u64>,
    pub(super) shapes: BTreeMap<String, Vec<u64>>,
    /// The built-in model: its batch axis is set, and its output compared.
    pub(super) built_in: bool,
    pub(super) seconds: f64,
    pub(super) threads: usize,
}

/// What a worker found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) reference_error: Option<f64>,
    pub(super) error: Option<String>,
}

/// The worker's whole life. `arguments` are those after [`WORKER_WORD`].
#[must_use]
pub fn worker(arguments: &[OsString]) -> ExitCode {
    let answer = match read(arguments) {
        Ok(order) => work(&order),
        Err(error) => Answer {
            error: Some(error),
            ..Answer::default()
        },
    };
    // Without a reader there is nobody to tell.
    if let Ok(line) = serde_json::to_string(&answer) {
        let _ = writeln!(std::io::stdout(), "\n{line}");
    }
    ExitCode::SUCCESS
}

fn read(arguments: &[OsString]) -> Result<Order, String> {
    let file = arguments.first().ok_or("a worker needs an order")?;
    let text = fs_err::read_to_string(Path::new(file)).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn work(order: &Order) -> Answer {
    let mut answer = Answer::default();
    let environment = match environment(order) {
        Ok(environment) => environment,
        Err(error) => {
            answer.error = Some(error);
            return answer;
        }
    };
    for batch in &order.batches {
        match measure(&environment, order, *batch) {
            Ok(measured) => {
                let worst = answer.reference_error.unwrap_or(0.0);
                answer.reference_error = measured.error.map(|error| error.max(worst));
                answer.rows.push(measured.row);
            }
            Err(error) => {
                answer.error = Some(error);
                break;
            }
        }
    }
    answer
}

struct Measured {
    row: Row,
    error: Option<f64>,
}

fn measure(environment: &Environment, order: &Order, batch: u64) -> Result<Measured, String> {
    let words = |error: ort::Error| error.to_string();
    let started = Instant::now();
    let mut session = session(environment, order, batch)?;
    let session_ms = milliseconds(started.elapsed());
    let inputs = inputs(order, &session, batch)?;
    let mut run = |output: Option<&mut Vec<f32>>| -> Result<(), String> {
        let views = inputs.iter().map(|(name, value)| (name.as_str(), value.into()));
        let outputs = session
            .run(views.collect::<Vec<(&str, SessionInputValue<'_>)>>())
            .map_err(words)?;
        if let (Some(output), true) = (output, order.built_in) {
            let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(words)?;
            output.extend_from_slice(values);
        }
        Ok(())
    };
    let mut output = Vec::new();
    run(Some(&mut output))?;
    let error = order.built_in.then(|| distance(&output));
    for _ in 0..WARM_UP {
        run(None)?;
    }
    let limit = Duration::from_secs_f64(order.seconds);
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < AT_LEAST || (times.len() < AT_MOST && begun.elapsed() < limit) {
        let one = Instant::now();
        run(None)?;
        times.push(milliseconds(one.elapsed()));
    }
    let all_s = begun.elapsed().as_secs_f64();
    let runs = times.len() as f64;
    times.sort_by(f64::total_cmp);
    Ok(Measured {
        row: Row {
            batch,
            p50_ms: percentile(&times, 50),
            p95_ms: percentile(&times, 95),
            p99_ms: percentile(&times, 99),
            images_per_s: runs * batch as f64 / all_s,
            session_ms,
        },
        error,
    })
}

/// The runtime, loaded: there can be one in a process.
fn environment(order: &Order) -> Result<Environment, String> {
    ort::init_from(&order.library)
        .map_err(|error| format!("{} cannot be loaded: {error}", order.library.display()))?
        .with_name("matenv")
        .with_telemetry(false)
        .build()
        .map_err(|error| error.to_string())
}

fn session(environment: &Environment, order: &Order, batch: u64) -> Result<Session, String> {
    let words = |error: ort::Error| error.to_string();
    let provider = provider(&order.provider)?;
    let mut builder = Session::builder(environment)
        .map_err(words)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(|error| error.to_string())?
        .with_intra_threads(order.threads)
        .map_err(|error| error.to_string())?
        .with_execution_providers([provider])
        .map_err(|error| error.to_string())?;
    if order.built_in {
        let batch = i64::try_from(batch).map_err(|error| error.to_string())?;
        builder = builder
            .with_dimension_override("batch", batch)
            .map_err(|error| error.to_string())?;
        if order.provider != "CPUExecutionProvider" {
            // Every node of the built-in model has a kernel everywhere: one on the processor is a failure.
            builder = builder.with_disable_cpu_fallback().map_err(|error| error.to_string())?;
        }
    }
    builder.commit_from_file(&order.model).map_err(words)
}

/// Exactly the provider that was asked for, and no session without it.
fn provider(name: &str) -> Result<ExecutionProviderDispatch, String> {
    let dispatch = match name {
        "CPUExecutionProvider" => CPU::default().with_arena_allocator(true).build(),
        "CUDAExecutionProvider" => CUDA::default().build(),
        "TensorrtExecutionProvider" => TensorRT::default().build(),
        "CoreMLExecutionProvider" => CoreML::default().build(),
        other => return Err(format!("the bench knows no execution provider `{other}`")),
    };
    Ok(dispatch.error_on_failure())
}

fn inputs(order: &Order, session: &Session, batch: u64) -> Result<Vec<(String, ort::value::DynValue)>, String> {
    let only = session.inputs().len() == 1;
    session
        .inputs()
        .iter()
        .map(|input| {
            let name = input.name().to_owned();
            let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
                return Err(format!("the input `{name}` is no tensor"));
            };
            let given = order
                .shapes
                .get(&name)
                .or_else(|| order.shapes.get("").filter(|_| only));
            let shape = resolve(&name, shape, given, order.built_in.then_some(batch))?;
            Ok((name, filled(*ty, &shape)?))
        })
        .collect()
}

/// The shape of an input: its own, with what is dynamic taken from what was given.
fn resolve(name: &str, own: &[i64], given: Option<&Vec<u64>>, batch: Option<u64>) -> Result<Vec<usize>, String> {
    let small = |axis: u64| usize::try_from(axis).map_err(|error| error.to_string());
    if let Some(given) = given {
        let fits = given.len() == own.len()
            && own
                .iter()
                .zip(given)
                .all(|(own, given)| *own < 0 || u64::try_from(*own) == Ok(*given));
        if !fits {
            return Err(format!(
                "the input `{name}` has the shape {own:?}, which {given:?} does not fit"
            ));
        }
        return given.iter().map(|axis| small(*axis)).collect();
    }
    own.iter()
        .enumerate()
        .map(|(at, axis)| match (u64::try_from(*axis), batch) {
            (Ok(axis), _) => small(axis),
            (Err(_), Some(batch)) if at == 0 => small(batch),
            (Err(_), _) => Err(format!(
                "the input `{name}` has dynamic axes {own:?}: say --shape {name}=AxBxC"
            )),
        })
        .collect()
}

/// A tensor with the pattern in it: 0 to 1 for floats, 0 to 255 for bytes, zeros for indices.
fn filled(ty: TensorElementType, shape: &[usize]) -> Result<ort::value::DynValue, String> {
    let count: usize = shape.iter().product();
    let words = |error: ort::Error| error.to_string();
    // Each image of a batch gets the same input, so that each has the same reference.
    let image = shape.iter().skip(1).product::<usize>().max(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255 fit")]
    let byte = |index: usize| (pattern(index % image) * 256.0) as u8;
    let value = match ty {
        TensorElementType::Float32 => {
            let data: Vec<f32> = (0..count).map(|index| pattern(index % image)).collect();
            Tensor::from_array((shape.to_vec(), data)).map_err(words)?.into_dyn()
        }
        TensorElementType::Float64 => {
            let data: Vec<f64> = (0..count).map(|index| f64::from(pattern(index % image))).collect();
            Tensor::from_array((shape.to_vec(), data)).map_err(words)?.into_dyn()
        }
        TensorElementType::Uint8 => {
            let data: Vec<u8> = (0..count).map(byte).collect();
            Tensor::from_array((shape.to_vec(), data)).map_err(words)?.into_dyn()
        }
        TensorElementType::Int32 => Tensor::from_array((shape.to_vec(), vec![0_i32; count]))
            .map_err(words)?
            .into_dyn(),
        TensorElementType::Int64 => Tensor::from_array((shape.to_vec(), vec![0_i64; count]))
            .map_err(words)?
            .into_dyn(),
        TensorElementType::Bool => Tensor::from_array((shape.to_vec(), vec![false; count]))
            .map_err(words)?
            .into_dyn(),
        other => return Err(format!("the bench makes no inputs of type {other}")),
    };
    Ok(value)
}

/// The largest absolute difference between the reference and each image of `output`; infinite if a size or a number
/// makes no sense.
fn distance(output: &[f32]) -> f64 {
    let reference: Vec<f32> = REFERENCE
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    if output.is_empty() || !output.len().is_multiple_of(reference.len()) {
        return f64::INFINITY;
    }
    output
        .chunks(reference.len())
        .flat_map(|image| image.iter().zip(&reference))
        .map(|(got, wanted)| f64::from((got - wanted).abs()))
        .fold(0.0, |worst, one| {
            if one.is_nan() {
                f64::INFINITY
            } else {
                f64::max(worst, one)
            }
        })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_of_another_size_or_with_nan_is_infinitely_wrong() {
        assert!(distance(&[]).is_infinite());
        assert!(distance(&[0.0; 7]).is_infinite());
        assert!(distance(&vec![f32::NAN; 96 * 96]).is_infinite());
    }

    #[test]
    fn dynamic_axes_need_a_shape_that_fits() {
        let own = [-1, 1, -1, 384];
        assert!(resolve("image", &own, None, None).is_err_and(|error| error.contains("--shape image=")));
        assert_eq!(
            resolve("image", &own, Some(&vec![2, 1, 8, 384]), None),
            Ok(vec![2, 1, 8, 384])
        );
        assert!(resolve("image", &own, Some(&vec![2, 1, 8, 385]), None).is_err());
        assert_eq!(resolve("image", &[-1, 1, 8, 8], None, Some(4)), Ok(vec![4, 1, 8, 8]));
    }
}
