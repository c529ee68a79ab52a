//! The worker process: loads an environment's ONNX Runtime, checks the output of one run and times more runs.
//!
//! Input: a [`Request`] in a file. Output: a [`Report`] as the last line of standard output, and progress on standard
//! error. It is a separate process, so that a library that crashes, hangs or uses an unsupported CPU instruction does
//! not stop matenv.

use crate::names::{ExecutionProvider, causes::chain};
use std::{
    ffi::{CStr, OsString, c_char},
    fmt::Display,
    io::Write,
    num::NonZero,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use ort::{
    environment::Environment,
    ep,
    session::{
        Session, SessionInputValue,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::DynValue,
};

use super::{
    Row,
    input::{self, Input},
    protocol::{Failure, Report, Request},
    statistics::percentiles,
};

/// The prefix of progress lines on standard error. `DONE/TOTAL` follows.
pub(super) const PROGRESS: &str = "matenv-bench: ";

/// The allowed difference between an output number and the reference.
pub(super) const TOLERANCE: f32 = 1e-4;

/// Runs the request in the file given by `arguments`, and writes the report.
///
/// The exit code is 0 if a report was written, even if it contains a failure.
#[must_use]
pub fn worker(arguments: &[OsString]) -> ExitCode {
    let written = read(arguments).and_then(|request| {
        let mut report = Report::default();
        report.failure = measure(&request, &mut report).err();
        // Start with a newline, because a library may have written an unfinished line.
        writeln!(std::io::stdout(), "\n{}", serde_json::to_string(&report)?)
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed too, the error cannot be reported.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn read(arguments: &[OsString]) -> std::io::Result<Request> {
    let [path] = arguments else {
        return Err(std::io::Error::other("the worker takes one argument, a request file"));
    };
    Ok(serde_json::from_slice(&fs_err::read(Path::new(path))?)?)
}

fn measure(request: &Request, report: &mut Report) -> Result<(), Failure> {
    let total = request.batches.len();
    let threads = threads();
    report.threads = threads as u64;
    report_progress(0, total, "load ONNX Runtime");
    report.not_preloaded = preload(&request.preload);
    report.runtime = version(&request.library)?;
    let environment = ort::init_from(&request.library)
        .map_err(during("load ONNX Runtime"))?
        .with_name("matenv-bench")
        .with_telemetry(false)
        .build()
        .map_err(during("start ONNX Runtime"))?;
    report_progress(0, total, "read the model");
    let inputs = inputs_of(&environment, &request.model)?;
    input::check_names(&request.shapes, &inputs)?;
    let reference = request.reference.as_deref().map(floats).transpose()?;

    for (done, &batch) in request.batches.iter().enumerate() {
        let shapes = inputs
            .iter()
            .map(|input| input.shape(input::given(&request.shapes, input, &inputs), batch))
            .collect::<Result<Vec<_>, _>>()?;
        let images = shapes.iter().find_map(|shape| shape.first().copied()).unwrap_or(1);
        if report.rows.iter().any(|row| row.batch == images) {
            // The model has a fixed batch size: measuring again would give the same row.
            continue;
        }
        let at = |what: &str| report_progress(done, total, &format!("batch {images}: {what}"));
        at(creating(request.provider));
        let started = Instant::now();
        let mut session = session(&environment, request, &inputs, &shapes, threads)
            .map_err(during(&format!("create a session on {}", request.provider)))?;
        let session_ms = milliseconds(started.elapsed());
        let tensors = inputs
            .iter()
            .zip(&shapes)
            .map(|(input, shape)| Ok((input.name.as_str(), input.tensor(shape)?)))
            .collect::<Result<Vec<_>, Failure>>()?;

        at("check");
        let started = Instant::now();
        let first = run(&mut session, &tensors, reference.as_deref())?;
        if let Some(max_error) = first {
            match max_error {
                Some(error) if error <= f64::from(TOLERANCE) => {
                    report.max_error = Some(report.max_error.map_or(error, |before| before.max(error)));
                }
                Some(_) | None => {
                    return Err(Failure::Wrong {
                        batch: images,
                        max_error,
                    });
                }
            }
        }
        let file = session.end_profiling().map_err(during("read the profile"))?;
        report
            .placement
            .add(&request.work.join(file))
            .map_err(during("read the profile"))?;

        at("time");
        let pace = Pace {
            seconds: request.seconds,
        };
        while pace.warms_up(started.elapsed()) {
            run(&mut session, &tensors, None)?;
        }
        let mut times = Vec::new();
        let started = Instant::now();
        while pace.goes_on(times.len(), started.elapsed()) {
            let begin = Instant::now();
            run(&mut session, &tensors, None)?;
            times.push(milliseconds(begin.elapsed()));
        }
        if let Some(percentiles) = percentiles(&times) {
            report.rows.push(Row {
                batch: images,
                p50_ms: percentiles.p50,
                p95_ms: percentiles.p95,
                p99_ms: percentiles.p99,
                images_per_s: images as f64 * 1000.0 / percentiles.p50,
                session_ms,
            });
        }
    }
    Ok(())
}

/// Returns the progress text for the creation of a session.
fn creating(provider: ExecutionProvider) -> &'static str {
    if provider == ExecutionProvider::TensorRt {
        "create the session (TensorRT builds an engine, which may take minutes)"
    } else {
        "create the session"
    }
}

/// Decides how many runs are timed.
struct Pace {
    seconds: f64,
}

impl Pace {
    /// The minimum number of runs for useful percentiles.
    const ENOUGH: usize = 20;
    /// The minimum number of runs for a slow model.
    const FEW: usize = 3;

    /// Returns whether to continue warming up. After a seventh of the time, caches and clock speeds are stable.
    fn warms_up(&self, elapsed: Duration) -> bool {
        elapsed.as_secs_f64() < self.seconds / 7.0
    }

    fn goes_on(&self, runs: usize, elapsed: Duration) -> bool {
        let elapsed = elapsed.as_secs_f64();
        let done = runs >= Self::ENOUGH && elapsed >= self.seconds;
        let slow = runs >= Self::FEW && elapsed >= 2.0 * self.seconds;
        !done && !slow
    }
}

/// Returns the number of physical cores that this process may use. Hyperthreads slow down convolutions.
fn threads() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, NonZero::get);
    sysinfo::System::physical_core_count()
        .unwrap_or(allowed)
        .clamp(1, allowed)
}

/// Loads libraries like the hook of the environment's Python. Returns a message for each one that fails to load.
fn preload(libraries: &[PathBuf]) -> Vec<String> {
    let not_loaded = |library: &PathBuf| {
        let error = keep_loaded(library).err()?;
        Some(format!("not preloaded: {}: {}", library.display(), chain(&error)))
    };
    libraries.iter().filter_map(not_loaded).collect()
}

/// Loads a library so that libraries loaded later find it by name.
#[expect(unsafe_code, reason = "loading a library runs its constructors")]
fn keep_loaded(library: &Path) -> Result<(), libloading::Error> {
    // SAFETY: as in `version`, a crash ends only this process.
    #[cfg(unix)]
    let loaded = unsafe {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL)
    }?;
    // SAFETY: the same. The flag makes Windows search the folder of the library for its dependencies.
    #[cfg(windows)]
    let loaded = unsafe {
        use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library};
        Library::load_with_flags(library, LOAD_WITH_ALTERED_SEARCH_PATH)
    }?;
    std::mem::forget(loaded);
    Ok(())
}

/// Returns the version that the library reports.
#[expect(unsafe_code, reason = "ort reads the version but does not expose it")]
fn version(library: &Path) -> Result<String, Failure> {
    type Base = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's constructors; a crash ends only this process. The type of the symbol is ONNX
    // Runtime's stable C entry point, and the returned string lives as long as the library, which ort loads again
    // later.
    unsafe {
        let library = libloading::Library::new(library)
            // The missing symbol or library is in the source of the error.
            .map_err(|error| during("load ONNX Runtime")(chain(&error)))?;
        let base: libloading::Symbol<'_, Base> = library
            .get(b"OrtGetApiBase")
            .map_err(|error| during("find ONNX Runtime's entry point")(chain(&error)))?;
        let text: *const c_char = base()
            .as_ref()
            .map_or(std::ptr::null(), |base| (base.GetVersionString)());
        if text.is_null() {
            return Err(during("read the version of ONNX Runtime")("it returned none"));
        }
        Ok(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// Reads the inputs of a model, without optimizing the graph.
fn inputs_of(environment: &Environment, model: &Path) -> Result<Vec<Input>, Failure> {
    let open = || -> ort::Result<Session> {
        Session::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::Disable)?
            .commit_from_file(model)
    };
    let session = open().map_err(during("read the model"))?;
    session.inputs().iter().map(Input::from_outlet).collect()
}

/// Creates a session that uses only the requested provider, with fixed axes, and that profiles its first run.
fn session(
    environment: &Environment,
    request: &Request,
    inputs: &[Input],
    shapes: &[Vec<u64>],
    threads: usize,
) -> ort::Result<Session> {
    let mut builder = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_profiling(request.work.join("profile"))?;
    builder = with_provider(builder, request)?;
    // The built-in model has fixed shapes, so none of its nodes needs the CPU. Other models may compute shapes on the
    // CPU: their profile is checked instead. ONNX Runtime rejects this option together with the CPU provider.
    if request.reference.is_some() && request.provider != ExecutionProvider::Cpu {
        builder = builder.with_disable_cpu_fallback()?;
    }
    for (input, shape) in inputs.iter().zip(shapes) {
        for (name, size) in input.open_axes(shape) {
            builder = builder.with_dimension_override(name, i64::try_from(size).unwrap_or(i64::MAX))?;
        }
    }
    builder.commit_from_file(&request.model)
}

fn with_provider(builder: SessionBuilder, request: &Request) -> ort::Result<SessionBuilder> {
    let provider = match request.provider {
        ExecutionProvider::Cpu => ep::CPU::default().build(),
        // TensorFloat-32 keeps 10 bits of a number, too few for the tolerance of the reference.
        ExecutionProvider::Cuda => ep::CUDA::default().with_tf32(request.reference.is_none()).build(),
        ExecutionProvider::TensorRt => ep::TensorRT::default().build(),
        ExecutionProvider::CoreMl => ep::CoreML::default().build(),
    };
    Ok(builder.with_execution_providers([provider.error_on_failure()])?)
}

/// Runs the model once. With a reference, returns the largest difference, or `Some(None)` if it is not a number.
#[expect(
    clippy::option_option,
    reason = "outer: whether it was compared; inner: whether the difference is a number"
)]
fn run(
    session: &mut Session,
    tensors: &[(&str, DynValue)],
    reference: Option<&[f32]>,
) -> Result<Option<Option<f64>>, Failure> {
    let inputs: Vec<(&str, SessionInputValue<'_>)> = tensors
        .iter()
        .map(|(name, tensor)| (*name, SessionInputValue::from(tensor)))
        .collect();
    let outputs = session.run(inputs).map_err(during("run the model"))?;
    let Some(reference) = reference else {
        return Ok(None);
    };
    let output = outputs
        .values()
        .next()
        .ok_or_else(|| during("run the model")("it has no output"))?;
    let (_, numbers) = output.try_extract_tensor::<f32>().map_err(during("read the output"))?;
    Ok(Some(difference(numbers, reference)))
}

/// Returns the largest difference of any image in a batch from the reference, or `None` if the sizes do not match or a
/// difference is not a number.
fn difference(numbers: &[f32], reference: &[f32]) -> Option<f64> {
    if numbers.is_empty() || reference.is_empty() || !numbers.len().is_multiple_of(reference.len()) {
        return None;
    }
    let mut largest = 0.0_f32;
    for (number, expected) in numbers.iter().zip(reference.iter().cycle()) {
        let difference = (number - expected).abs();
        // `f32::max` would drop a NaN.
        if !difference.is_finite() {
            return None;
        }
        largest = largest.max(difference);
    }
    Some(f64::from(largest))
}

fn floats(path: &Path) -> Result<Vec<f32>, Failure> {
    let bytes = fs_err::read(path).map_err(during("read the reference"))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(during("read the reference")("file is truncated"));
    }
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

fn during<E: Display>(doing: &str) -> impl FnOnce(E) -> Failure {
    let doing = doing.to_owned();
    move |error| Failure::Runtime {
        doing,
        message: error.to_string(),
    }
}

fn report_progress(done: usize, total: usize, what: &str) {
    // If this fails, nobody reads the progress. The report still works.
    let _ = writeln!(std::io::stderr(), "{PROGRESS}{done}/{total} {what}");
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ExecutionProvider;

    #[test]
    fn an_output_that_is_not_a_number_or_too_short_is_different() {
        assert_eq!(difference(&[1.0, 2.5, 1.0, 2.0], &[1.0, 2.0]), Some(0.5));
        assert_eq!(difference(&[f32::NAN, 2.0], &[1.0, 2.0]), None);
        assert_eq!(difference(&[f32::INFINITY, 2.0], &[1.0, 2.0]), None);
        assert_eq!(difference(&[1.0, 2.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(difference(&[], &[1.0]), None);
    }

    #[test]
    fn a_slow_model_is_timed_a_few_times_and_a_fast_one_until_the_time_is_up() {
        let pace = Pace { seconds: 2.0 };
        assert!(pace.goes_on(2, Duration::from_mins(1)));
        assert!(!pace.goes_on(3, Duration::from_mins(1)));
        assert!(pace.goes_on(500, Duration::from_millis(1900)));
        assert!(!pace.goes_on(20, Duration::from_secs(2)));
        assert!(pace.goes_on(19, Duration::from_millis(3900)));
    }

    #[test]
    fn progress_mentions_the_wait_for_an_engine() {
        assert!(creating(ExecutionProvider::TensorRt).contains("may take minutes"));
        assert_eq!(creating(ExecutionProvider::Cuda), "create the session");
    }

    #[test]
    fn a_request_that_cannot_be_read_is_a_usage_error() {
        assert_eq!(worker(&[]), ExitCode::from(2));
        assert_eq!(worker(&["/nonexistent/request.json".into()]), ExitCode::from(2));
    }
}
