//! The benchmark on real ONNX Runtime wheels: the oldest and the newest whose library works outside Python.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use assert_cmd::Command;
use matenv::{
    bench::{
        BenchError, BenchRequest, Benchmark, Model, WORKER_ARGUMENT, bench_with,
        protocol::{Failure, Report, Request},
    },
    context::{
        Context,
        event::Events,
        settings::{GlobalOptions, Settings},
    },
    finding::Code,
    names::ExecutionProvider,
    process::Variables,
};

const OLDEST: &str = "1.19.2";
const NEWEST: &str = "1.32.0";

/// Returns a folder that looks like an environment with this ONNX Runtime. It is kept between runs.
fn prefix(version: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let prefix = parent.join(format!("onnxruntime-{version}"));
    if !prefix.is_dir() {
        let fresh = tempfile::tempdir_in(parent).expect("a temp folder");
        // The library does not depend on Python, so the wheel of any Python version works.
        Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"])
            .args(["--disable-pip-version-check", "--python-version=3.11", "--target"])
            .arg(fresh.path().join("lib/python3.11/site-packages"))
            .arg(format!("onnxruntime=={version}"))
            .assert()
            .success();
        fs_err::rename(fresh.path(), &prefix).expect("a rename within a folder");
    }
    prefix
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_matenv"))
}

fn context(home: &Path) -> Context {
    let variables = Variables::from_pairs([("HOME", home.as_os_str()), ("PATH", "/usr/bin:/bin".as_ref())]);
    let settings = Settings::resolve(GlobalOptions::default(), variables, home).expect("settings");
    Context::new(settings, Events::silent())
}

async fn bench(prefix: &Path, home: &Path, model: Model, batches: &[u64]) -> Result<Benchmark, BenchError> {
    let ctx = context(home);
    let request = BenchRequest {
        model,
        providers: vec![ExecutionProvider::Cpu],
        batches: batches.to_vec(),
        seconds: 0.2,
    };
    bench_with(&ctx, prefix, &request, &program()).await
}

#[tokio::test]
async fn the_built_in_model_matches_the_reference_on_the_oldest_and_newest_runtime_and_writes_nothing_to_home() {
    for version in [OLDEST, NEWEST] {
        let home = tempfile::tempdir().expect("a temp folder");
        let bench = bench(&prefix(version), home.path(), Model::BuiltIn, &[1, 4, 8])
            .await
            .expect("a benchmark");
        assert_eq!(bench.findings, [], "{version}");
        assert!(bench.reference_ok, "{version}");
        assert!(bench.reference_error.is_some_and(|error| error < 1e-4), "{version}");
        assert_eq!(bench.runtime, format!("onnxruntime {version}"));
        assert_eq!(bench.provider, "CPUExecutionProvider");
        assert!(bench.threads >= 1);
        let batches: Vec<u64> = bench.rows.iter().map(|row| row.batch).collect();
        assert_eq!(batches, [1, 4, 8]);
        for row in &bench.rows {
            assert!(
                0.0 < row.p50_ms && row.p50_ms <= row.p95_ms && row.p95_ms <= row.p99_ms,
                "{row:?}"
            );
            assert!(
                (row.images_per_s * row.p50_ms / 1000.0 - row.batch as f64).abs() < 1e-6,
                "{row:?}"
            );
            assert!(row.session_ms > 0.0, "{row:?}");
        }
        let left = crate::support::files_below(home.path());
        let own = home.path().join(".matenv/tmp/.lock");
        assert!(left.iter().all(|file| *file == own), "{version} left {left:?} in HOME");
    }
}

#[tokio::test]
async fn a_wheel_without_a_library_is_a_finding_that_names_the_oldest_release_with_one() {
    let home = tempfile::tempdir().expect("a temp folder");
    let bench = bench(&prefix("1.18.1"), home.path(), Model::BuiltIn, &[1])
        .await
        .expect("a benchmark");
    let codes: Vec<_> = bench.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::BenchFailed]);
    assert!(
        bench.findings[0]
            .remedy
            .as_ref()
            .is_some_and(|text| text.contains(">=1.19"))
    );
}

/// Runs the worker like the benchmark does, and reads its report.
fn worker(request: &Request, home: &Path) -> Report {
    let file = request.work.join("request.json");
    fs_err::write(&file, serde_json::to_vec(request).expect("JSON")).expect("a file");
    let output = Command::new(program())
        .arg(WORKER_ARGUMENT)
        .arg(&file)
        .env_clear()
        .env("HOME", home)
        .env("ORT_DISABLE_TELEMETRY", "1")
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    let text = String::from_utf8(output).expect("text");
    serde_json::from_str(text.lines().last().expect("a line")).expect("a report")
}

/// Increases the first and the last weight of each layer by 5 %, one at a time.
#[test]
fn a_model_with_one_changed_weight_fails_the_check() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/bench");
    let facts: serde_json::Value =
        serde_json::from_slice(&fs_err::read(assets.join("unet.json")).expect("a file")).expect("JSON");
    let model = fs_err::read(assets.join("unet.onnx")).expect("a file");
    let work = tempfile::tempdir().expect("a temp folder");
    let request = Request {
        library: library(NEWEST),
        preload: Vec::new(),
        model: work.path().join("changed.onnx"),
        reference: Some(assets.join("unet-reference.f32")),
        provider: ExecutionProvider::Cpu,
        shapes: BTreeMap::new(),
        batches: vec![1],
        seconds: 0.2,
        work: work.path().to_owned(),
    };
    fs_err::write(&request.model, &model).expect("a file");
    let report = worker(&request, work.path());
    assert_eq!(report.failure, None);
    assert!(
        report.max_error.is_some_and(|error| error < 5e-5),
        "{:?}",
        report.max_error
    );

    let initializers = facts["initializers"].as_array().expect("a list");
    assert_eq!(initializers.len(), 24);
    for initializer in initializers {
        let number = |key: &str| usize::try_from(initializer[key].as_u64().expect("a number")).expect("a size");
        for index in [0, number("count") - 1] {
            let at = number("offset") + 4 * index;
            let mut changed = model.clone();
            let bytes = &mut changed[at..at + 4];
            let weight = f32::from_le_bytes(bytes.try_into().expect("four bytes"));
            bytes.copy_from_slice(&(weight * 1.05).to_le_bytes());
            fs_err::write(&request.model, changed).expect("a file");
            let report = worker(&request, work.path());
            assert!(
                matches!(report.failure, Some(Failure::Wrong { batch: 1, .. })),
                "{}[{index}] of {weight} was changed, and the check passed: {report:?}",
                initializer["name"]
            );
            assert_eq!(report.rows, [], "an invalid model was timed");
        }
    }
}

fn library(version: &str) -> PathBuf {
    let capi = prefix(version).join("lib/python3.11/site-packages/onnxruntime/capi");
    let name = if cfg!(target_os = "macos") {
        format!("libonnxruntime.{version}.dylib")
    } else {
        format!("libonnxruntime.so.{version}")
    };
    capi.join(name)
}

#[tokio::test]
async fn any_model_runs_once_its_open_axes_have_shapes() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let path = folder.path().join("tiny.onnx");
    // Types: 1 float32, 2 uint8, 7 int64, 9 bool, 10 float16.
    let model = onnx::identities(&[
        ("images", 1, &["batch", "1", "height", "width"]),
        ("mask", 9, &["batch", "4"]),
        ("half", 10, &["3"]),
        ("bytes", 2, &["3"]),
        ("sizes", 7, &["2"]),
    ]);
    fs_err::write(&path, model).expect("a file");
    let prefix = prefix(NEWEST);
    let run = async |shapes: &[(&str, &[u64])], batches: &[u64]| {
        let shapes = shapes
            .iter()
            .map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
            .collect();
        let model = Model::File {
            path: path.clone(),
            shapes,
        };
        bench(&prefix, folder.path(), model, batches).await
    };

    let missing = run(&[], &[1]).await.expect_err("height and width are open");
    assert_eq!(
        missing.to_string(),
        "the input `images` (batch x 1 x height x width) has open axes and needs a shape"
    );
    let wrong = run(&[("images", &[1, 3, 8, 8])], &[1])
        .await
        .expect_err("there is one channel");
    assert!(matches!(wrong, BenchError::ShapeWrong { .. }), "{wrong}");
    let unknown = run(&[("image", &[1, 1, 8, 8])], &[1]).await.expect_err("a typo");
    assert_eq!(
        unknown.to_string(),
        "the model has no input `image`; the model's inputs: images, mask, half, bytes, sizes"
    );
    let good = run(&[("images", &[1, 1, 8, 8])], &[1, 3]).await.expect("a benchmark");
    assert_eq!(good.findings, []);
    assert_eq!((good.model.as_str(), good.reference_error), ("tiny.onnx", None));
    let batches: Vec<u64> = good.rows.iter().map(|row| row.batch).collect();
    assert_eq!(batches, [1, 3]);
}

#[tokio::test]
async fn a_model_with_a_fixed_batch_is_timed_once() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let path = folder.path().join("fixed.onnx");
    fs_err::write(&path, onnx::identities(&[("x", 1, &["2", "5"])])).expect("a file");
    let model = Model::File {
        path,
        shapes: BTreeMap::new(),
    };
    let bench = bench(&prefix(NEWEST), folder.path(), model, &[1, 4])
        .await
        .expect("a benchmark");
    let batches: Vec<u64> = bench.rows.iter().map(|row| row.batch).collect();
    assert_eq!((batches, bench.findings), (vec![2], vec![]));
}

#[tokio::test]
async fn an_invalid_model_is_a_finding_with_the_message_of_the_runtime() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let path = folder.path().join("broken.onnx");
    fs_err::write(&path, "not a model").expect("a file");
    let model = Model::File {
        path,
        shapes: BTreeMap::new(),
    };
    let bench = bench(&prefix(NEWEST), folder.path(), model, &[1])
        .await
        .expect("a benchmark");
    let [finding] = &bench.findings[..] else {
        panic!("one finding, not {bench:?}");
    };
    assert_eq!(finding.message, "the benchmark failed to read the model");
    assert!(
        finding.evidence.iter().any(|line| line.contains("broken.onnx")),
        "{finding:?}"
    );
}

/// A CPU wheel has no CUDA provider. The benchmark must not fall back to the CPU silently.
#[test]
fn a_provider_that_the_runtime_lacks_is_a_failure() {
    let work = tempfile::tempdir().expect("a temp folder");
    let request = Request {
        library: library(NEWEST),
        preload: vec!["/nonexistent/libcudart.so.13".into()],
        model: Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/bench/unet.onnx"),
        reference: None,
        provider: ExecutionProvider::Cuda,
        shapes: BTreeMap::new(),
        batches: vec![1],
        seconds: 0.2,
        work: work.path().to_owned(),
    };
    let report = worker(&request, work.path());
    let Some(Failure::Runtime { doing, message }) = report.failure else {
        panic!("a failure, not {report:?}");
    };
    assert_eq!(doing, "create a session on CUDAExecutionProvider");
    assert!(message.contains("CUDA"), "{message}");
    assert_eq!(report.rows, []);
    let [not_preloaded] = &report.not_preloaded[..] else {
        panic!("one, not {:?}", report.not_preloaded);
    };
    assert!(
        not_preloaded.starts_with("not preloaded: /nonexistent/libcudart.so.13: "),
        "{not_preloaded}"
    );
}

/// The same through the benchmark: one finding that explains what is wrong with the environment.
#[tokio::test]
async fn a_provider_that_the_runtime_lacks_is_one_finding() {
    let home = tempfile::tempdir().expect("a temp folder");
    let request = BenchRequest {
        model: Model::BuiltIn,
        providers: vec![ExecutionProvider::TensorRt],
        batches: vec![1],
        seconds: 0.2,
    };
    let bench = bench_with(&context(home.path()), &prefix(NEWEST), &request, &program())
        .await
        .expect("a benchmark");
    let [finding] = &bench.findings[..] else {
        panic!("one finding, not {bench:?}");
    };
    assert!(
        finding
            .message
            .ends_with("this ONNX Runtime was built without TensorrtExecutionProvider"),
        "{finding:?}"
    );
    assert!(finding.blocks());
    assert_eq!((bench.reference_ok, bench.rows.len()), (false, 0));
}

/// Reads the profile of a real session through the worker.
#[test]
fn the_report_counts_the_operators_of_each_provider() {
    let work = tempfile::tempdir().expect("a temp folder");
    let request = Request {
        library: library(NEWEST),
        preload: Vec::new(),
        model: Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/bench/unet.onnx"),
        reference: None,
        provider: ExecutionProvider::Cpu,
        shapes: BTreeMap::new(),
        batches: vec![1],
        seconds: 0.0,
        work: work.path().to_owned(),
    };
    let report = worker(&request, work.path());
    let providers: Vec<_> = report.placement.0.keys().collect();
    assert_eq!(providers, ["CPUExecutionProvider"]);
    let ran = &report.placement.0["CPUExecutionProvider"];
    assert!(ran["Conv"].count > 5 && ran["Conv"].ns > 0, "{ran:?}");
}

/// Three libraries: one runs an instruction that the CPU lacks, one aborts, and one is not a library.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_library_that_crashes_while_it_loads_is_a_finding() {
    let folder = tempfile::tempdir().expect("a temp folder");
    for (body, expected) in [
        ("__builtin_trap();", "signal 4 (illegal instruction)"),
        ("__builtin_abort();", "signal 6 (abort)"),
    ] {
        let prefix = folder.path().join(expected);
        let capi = prefix.join("lib/python3.11/site-packages/onnxruntime/capi");
        let code = format!("__attribute__((constructor)) static void crashes(void) {{ {body} }}\n");
        if crate::support::compile_library(&capi.join("libonnxruntime.so.1.32.0"), &code, &[]).is_none() {
            return;
        }
        let bench = bench(&prefix, folder.path(), Model::BuiltIn, &[1])
            .await
            .expect("a benchmark");
        let [finding] = &bench.findings[..] else {
            panic!("one finding, not {bench:?}");
        };
        assert_eq!(finding.code, Code::BenchFailed);
        assert!(finding.blocks());
        let end = format!("load ONNX Runtime ({expected})");
        assert!(finding.message.ends_with(&end), "{finding:?}");
        assert!(!bench.reference_ok);
    }
    let prefix = folder.path().join("text");
    let capi = prefix.join("lib/python3.11/site-packages/onnxruntime/capi");
    fs_err::create_dir_all(&capi).expect("a folder");
    fs_err::write(
        capi.join("libonnxruntime.so.1.32.0"),
        "<html>blocked by the proxy</html>",
    )
    .expect("a file");
    let bench = bench(&prefix, folder.path(), Model::BuiltIn, &[1])
        .await
        .expect("a benchmark");
    assert_eq!(bench.findings[0].message, "the benchmark failed to load ONNX Runtime");
}

/// Writes ONNX models of identity operators.
mod onnx {
    /// Returns a model whose outputs are its inputs: (name, element type, axes). An axis that is not a number is open.
    pub(super) fn identities(inputs: &[(&str, u8, &[&str])]) -> Vec<u8> {
        let mut graph = Vec::new();
        for (name, ..) in inputs {
            let output = format!("{name}_out");
            let node = [text(1, name), text(2, &output), text(4, "Identity")].concat();
            graph.extend(field(1, &node));
        }
        graph.extend(text(2, "identities"));
        for (number, suffix) in [(11, ""), (12, "_out")] {
            for (name, element, axes) in inputs {
                let shape: Vec<u8> = axes.iter().flat_map(|axis| field(1, &dimension(axis))).collect();
                let tensor = [integer(1, u64::from(*element)), field(2, &shape)].concat();
                let value = [text(1, &format!("{name}{suffix}")), field(2, &field(1, &tensor))].concat();
                graph.extend(field(number, &value));
            }
        }
        let opset = [text(1, ""), integer(2, 17)].concat();
        [integer(1, 8), field(7, &graph), field(8, &opset)].concat()
    }

    fn dimension(axis: &str) -> Vec<u8> {
        axis.parse().map_or_else(|_| text(2, axis), |size| integer(1, size))
    }

    fn text(number: u8, text: &str) -> Vec<u8> {
        field(number, text.as_bytes())
    }

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [vec![number << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
    }

    fn integer(number: u8, value: u64) -> Vec<u8> {
        [vec![number << 3], varint(value)].concat()
    }

    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let low = (value % 128) as u8;
            value /= 128;
            if value == 0 {
                bytes.push(low);
                return bytes;
            }
            bytes.push(low | 128);
        }
    }
}
