//! Tests of the caller, with shell scripts instead of the worker. They fail in the ways of real libraries.

use std::fmt::Write;

use super::*;
use crate::{
    context::{
        event::Events,
        settings::{GlobalOptions, Settings},
    },
    finding::{Code, Severity},
    process::Variables,
};

fn context(home: &Path) -> Context {
    let variables = Variables::from_pairs([("HOME", home.as_os_str()), ("PATH", "/usr/bin:/bin".as_ref())]);
    let settings = Settings::resolve(GlobalOptions::default(), variables, home).expect("settings");
    Context::new(settings, Events::silent())
}

fn request(model: Model) -> BenchRequest {
    BenchRequest {
        model,
        providers: vec![ExecutionProvider::Cpu],
        batches: vec![1],
        seconds: 0.2,
    }
}

/// Returns a placement with `count` nodes of one type.
#[cfg(unix)]
fn ran(provider: &str, operator: &str, count: u64) -> protocol::Placement {
    let ran = profile::Ran {
        count,
        ns: count * 1_000_000,
    };
    let operators = BTreeMap::from([(operator.to_owned(), ran)]);
    protocol::Placement(BTreeMap::from([(provider.to_owned(), operators)]))
}

#[cfg(unix)]
struct Fake {
    folder: tempfile::TempDir,
}

#[cfg(unix)]
impl Fake {
    /// Creates a prefix with a file that is named like the library, and a worker that runs `script`.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temp folder");
        let capi = folder
            .path()
            .join("prefix/lib/python3.13/site-packages/onnxruntime/capi");
        fs_err::create_dir_all(&capi).expect("a folder");
        let name = if cfg!(target_os = "macos") {
            "libonnxruntime.1.32.0.dylib"
        } else {
            "libonnxruntime.so.1.32.0"
        };
        fs_err::write(capi.join(name), "").expect("a file");
        fs_err::write(folder.path().join("prefix/worker.sh"), script).expect("a script");
        Self { folder }
    }

    /// A fixed program: a newly written one may still be open in a child process of another test.
    fn program() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/fake-worker.sh")
    }

    fn prefix(&self) -> PathBuf {
        self.folder.path().join("prefix")
    }

    async fn bench(&self) -> Benchmark {
        let ctx = context(self.folder.path());
        bench_with(&ctx, &self.prefix(), &request(Model::BuiltIn), &Self::program())
            .await
            .expect("the worker starts")
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_illegal_instruction_is_a_finding_with_the_step() {
    let fake = Fake::new("echo 'matenv-bench: 0/1 batch 1: check' >&2; echo 'some last words' >&2; kill -ILL $$");
    let bench = fake.bench().await;
    let [finding] = &bench.findings[..] else {
        panic!("one finding, not {:?}", bench.findings);
    };
    // The library's name differs between systems.
    let text = finding.render().replace(&finding.evidence[0], "[LIBRARY]");
    insta::assert_snapshot!(text, @"
    [error] ME002 the benchmark process failed at this step: batch 1: check (signal 4 (illegal instruction))
      [LIBRARY]
      signal 4 (illegal instruction)
      some last words
      do: this build of ONNX Runtime needs a newer CPU: require an older release, such as `onnxruntime<1.20`
    ");
    assert_eq!((bench.reference_ok, bench.rows.len()), (false, 0));
    assert_eq!(bench.runtime, "onnxruntime 1.32.0");
}

#[cfg(unix)]
#[tokio::test]
async fn a_worker_without_a_report_is_a_finding() {
    for script in ["exit 0", "exit 3", "echo '{\"not\": \"a report'"] {
        let bench = Fake::new(script).bench().await;
        let codes: Vec<_> = bench
            .findings
            .iter()
            .map(|finding| (finding.code, finding.blocks()))
            .collect();
        assert_eq!(codes, [(Code::BenchFailed, true)], "{script}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_crash_after_the_report_is_a_warning() {
    let mut report = Report {
        runtime: "1.32.0".to_owned(),
        max_error: Some(1e-5),
        ..Report::default()
    };
    report.placement = ran("CPUExecutionProvider", "Conv", 20);
    let mut script = String::new();
    let text = serde_json::to_string(&report).expect("JSON");
    write!(script, "echo 'library noise'; echo '{text}'; kill -SEGV $$").expect("a string");
    let bench = Fake::new(&script).bench().await;
    let severities: Vec<_> = bench.findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::Warning]);
    assert_eq!((bench.reference_ok, bench.reference_error), (true, Some(1e-5)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_run_on_another_provider_than_requested_blocks() {
    let report = Report {
        placement: ran("CUDAExecutionProvider", "Conv", 20),
        ..Report::default()
    };
    let text = serde_json::to_string(&report).expect("JSON");
    let bench = Fake::new(&format!("echo '{text}'")).bench().await;
    assert_eq!(bench.provider, "CUDAExecutionProvider");
    let [finding] = &bench.findings[..] else {
        panic!("one finding, not {bench:?}");
    };
    let expected = "100.0 % of the inference time ran on CUDAExecutionProvider instead of CPUExecutionProvider: Conv";
    assert_eq!((finding.message.as_str(), finding.blocks()), (expected, true));
}

#[cfg(unix)]
#[tokio::test]
async fn a_worker_that_hangs_is_stopped_and_reported() {
    let fake = Fake::new("echo 'matenv-bench: 0/1 load ONNX Runtime' >&2; sleep 30");
    let ctx = context(fake.folder.path());
    let work = tempfile::tempdir().expect("a temp folder");
    let asked = asked(ExecutionProvider::Cpu, None, work.path());
    let (ended, at) = run(
        &ctx,
        &fake.prefix(),
        &asked,
        &Fake::program(),
        Duration::from_millis(300),
    )
    .await
    .expect("the worker starts");
    let finding = findings::from_exit(&ended, report_in(&ended).is_some(), &at, &asked).expect("a finding");
    insta::assert_snapshot!(finding.render(), @"
    [error] ME002 the benchmark process failed at this step: load ONNX Runtime (stopped at the time limit)
      lib
      stopped at the time limit
      do: reinstall the environment with `--force`; if that fails, require another ONNX Runtime release in the manifest
    ");
}

#[cfg(unix)]
#[test]
fn a_wrong_output_is_a_finding() {
    let asked = asked(ExecutionProvider::Cuda, None, Path::new("work"));
    let wrong = protocol::Failure::Wrong {
        batch: 4,
        max_error: Some(0.25),
    };
    let finding = findings::from_failure(wrong, &asked).expect("a finding");
    insta::assert_snapshot!(finding.render(), @"
    [error] ME003 inference on CUDAExecutionProvider gives a wrong output: its error is 2.5e-1, but only 1e-4 is allowed
      lib
      batch 4
      do: do not use results from this environment: require another release of ONNX Runtime in the manifest
    ");
}

/// Returns a request with batch size 1.
#[cfg(unix)]
fn asked(provider: ExecutionProvider, reference: Option<PathBuf>, work: &Path) -> Request {
    Request {
        library: "lib".into(),
        preload: Vec::new(),
        model: "unet.onnx".into(),
        reference,
        provider,
        shapes: BTreeMap::new(),
        batches: vec![1],
        seconds: 0.2,
        work: work.to_owned(),
    }
}

/// On Ampere and newer GPUs, TensorRT rounded to TensorFloat-32, so the output of the built-in model counted as wrong.
#[cfg(unix)]
#[tokio::test]
async fn output_that_is_compared_with_a_reference_uses_full_precision() {
    let fake = Fake::new("echo \"TF32 is ${NVIDIA_TF32_OVERRIDE-as it is}\"");
    let ctx = context(fake.folder.path());
    let work = tempfile::tempdir().expect("a temp folder");
    for (provider, reference, said) in [
        (ExecutionProvider::TensorRt, Some("reference.f32"), "0"),
        (ExecutionProvider::Cuda, Some("reference.f32"), "0"),
        (ExecutionProvider::Cpu, Some("reference.f32"), "as it is"),
        (ExecutionProvider::TensorRt, None, "as it is"),
    ] {
        let asked = asked(provider, reference.map(PathBuf::from), work.path());
        let limit = Duration::from_mins(1);
        let (ended, _) = run(&ctx, &fake.prefix(), &asked, &Fake::program(), limit)
            .await
            .expect("the worker starts");
        assert_eq!(ended.stdout_text().trim(), format!("TF32 is {said}"), "{asked:?}");
    }
}

/// TensorRT builds three engines, but the limit was too short for that.
#[test]
fn tensorrt_has_the_time_to_build_its_engines() {
    let file = Model::File {
        path: "model.onnx".into(),
        shapes: BTreeMap::new(),
    };
    for model in [Model::BuiltIn, file] {
        assert!(
            limit(&model, ExecutionProvider::TensorRt) >= 4 * limit(&model, ExecutionProvider::Cuda),
            "{model:?}"
        );
    }
}

#[tokio::test]
async fn an_environment_without_onnx_runtime_is_a_finding() {
    let home = tempfile::tempdir().expect("a temp folder");
    let ctx = context(home.path());
    let bench = bench(&ctx, home.path(), &request(Model::BuiltIn))
        .await
        .expect("no error");
    assert_eq!(bench.findings.len(), 1);
    let text = bench.findings[0]
        .render()
        .replace(&home.path().display().to_string(), "[PREFIX]");
    insta::assert_snapshot!(text, @"
    [error] ME002 the environment has no ONNX Runtime, so inference cannot be timed
      no site-packages/onnxruntime/capi in [PREFIX]
      do: add `onnxruntime` to the manifest's packages, or install with `--no-bench`
    ");
}

#[tokio::test]
async fn an_invalid_request_is_an_error() {
    let home = tempfile::tempdir().expect("a temp folder");
    let ctx = context(home.path());
    let mut no_provider = request(Model::BuiltIn);
    no_provider.providers.clear();
    let mut empty = request(Model::BuiltIn);
    empty.batches = vec![1, 0];
    let missing = request(Model::File {
        path: home.path().join("none.onnx"),
        shapes: BTreeMap::new(),
    });
    let no_provider = bench(&ctx, home.path(), &no_provider).await;
    assert!(matches!(no_provider, Err(BenchError::NoProvider)), "{no_provider:?}");
    let empty = bench(&ctx, home.path(), &empty).await;
    assert!(matches!(empty, Err(BenchError::Batch)), "{empty:?}");
    let missing = bench(&ctx, home.path(), &missing).await;
    assert!(matches!(missing, Err(BenchError::Model(_))), "{missing:?}");
}
