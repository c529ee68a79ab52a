//! Finds the usual causes of a failure in the error messages of ONNX Runtime, with a remedy for each.

use crate::{finding::Scope, names::ExecutionProvider, profile::stack::is_of_the_driver};

/// The cause of a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// The problem, as the end of a sentence.
    pub(super) message: String,
    /// The way to fix it.
    pub(super) remedy: String,
    /// The part of the system that has the problem.
    pub(super) scope: Scope,
}

const DRIVER: &str = "install or update the NVIDIA driver (`nvidia-smi` shows it), or install with `--profile cpu`";
const REINSTALL: &str = "reinstall the environment with `--force`";

/// Returns the cause of a failure on `provider`, from its error message, or `None` if the cause is unknown.
pub(super) fn find_cause(message: &str, provider: ExecutionProvider) -> Option<Cause> {
    if let Some(library) = missing_library(message) {
        if is_of_the_driver(library) {
            return Some(host(format!("this machine has no NVIDIA driver ({library})"), DRIVER));
        }
        return Some(environment(format!("{library} is missing"), REINSTALL));
    }
    if let Some((_, symbol)) = message.split_once("undefined symbol: ") {
        let symbol = symbol.split([',', ' ', '\n']).next().unwrap_or(symbol);
        let says = format!("its libraries are incompatible: none of them defines `{symbol}`");
        return Some(environment(says, REINSTALL));
    }
    if let Some(number) = cuda_failure(message) {
        return Some(of_cuda(number));
    }
    if message.contains("fallback to CPU EP has been explicitly disabled") {
        return Some(environment(
            format!("{provider} cannot run a part of the model, and the benchmark does not fall back to the CPU"),
            "require another release of ONNX Runtime in the manifest",
        ));
    }
    let not_built = ["not supported in this build", "not enabled in this build"];
    not_built.iter().any(|phrase| message.contains(phrase)).then(|| {
        environment(
            format!("this ONNX Runtime was built without {provider}"),
            "require a package that includes it, such as `onnxruntime-gpu` for NVIDIA, or install with `--profile cpu`",
        )
    })
}

fn environment(message: String, remedy: &str) -> Cause {
    Cause {
        message,
        remedy: remedy.to_owned(),
        scope: Scope::Environment,
    }
}

fn host(message: String, remedy: &str) -> Cause {
    Cause {
        message,
        remedy: remedy.to_owned(),
        scope: Scope::Host,
    }
}

/// Returns the library that the loader did not find, from the message on Linux or on Windows.
fn missing_library(message: &str) -> Option<&str> {
    if let Some((before, _)) = message.split_once(": cannot open shared object file") {
        return before.rsplit([' ', '\n']).next().filter(|name| !name.is_empty());
    }
    let (_, rest) = message.split_once("which depends on \"")?;
    let (library, rest) = rest.split_once('"')?;
    rest.starts_with(" which is missing").then_some(library)
}

/// Returns the number of a CUDA error, as in `CUDA failure 35: …`.
fn cuda_failure(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("CUDA failure ")?;
    rest.split_once(':')?.0.parse().ok()
}

/// Returns the cause for a number of `cudaError_t`.
fn of_cuda(number: u32) -> Cause {
    match number {
        2 => host(
            "the GPU is out of memory".to_owned(),
            "end other programs that use the GPU (`nvidia-smi` lists them), and run the command again",
        ),
        35 => host(
            "the NVIDIA driver is missing, or too old for this environment's CUDA".to_owned(),
            DRIVER,
        ),
        100 | 101 => host(
            "the NVIDIA driver finds no GPU".to_owned(),
            "check the output of `nvidia-smi` and the variable CUDA_VISIBLE_DEVICES, or install with `--profile cpu`",
        ),
        209 => environment(
            "this build of ONNX Runtime has no code for this GPU".to_owned(),
            "require another release of ONNX Runtime in the manifest, or install with `--profile cpu`",
        ),
        803 | 804 => host(
            "the parts of the NVIDIA driver do not match, for example after an update without a restart".to_owned(),
            "restart the computer, and run the command again",
        ),
        other => host(format!("CUDA reports error {other}"), DRIVER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ExecutionProvider;

    fn explain(message: &str, provider: ExecutionProvider) -> (String, Scope) {
        let cause = find_cause(message, provider).expect("a known cause");
        assert!(!cause.remedy.is_empty());
        (cause.message, cause.scope)
    }

    /// The message of onnxruntime-gpu 1.31.1 if CUDA is not installed.
    #[test]
    fn a_missing_library_is_reported_by_name() {
        let cuda = "/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:2043 onnxruntime::Provider& \
            onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library \
            /env/capi/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No \
            such file or directory\n";
        let expected = ("libcublasLt.so.13 is missing".to_owned(), Scope::Environment);
        assert_eq!(explain(cuda, ExecutionProvider::Cuda), expected);
        let tensorrt = cuda.replace("libcublasLt.so.13", "libnvinfer.so.10");
        assert_eq!(
            explain(&tensorrt, ExecutionProvider::TensorRt).0,
            "libnvinfer.so.10 is missing"
        );
        let driver = cuda.replace("libcublasLt.so.13", "libcuda.so.1");
        let expected = "this machine has no NVIDIA driver (libcuda.so.1)";
        assert_eq!(
            explain(&driver, ExecutionProvider::Cuda),
            (expected.to_owned(), Scope::Host)
        );
        // The audit knew that this library belongs to the driver, but the benchmark suggested a reinstallation.
        let debugger = cuda.replace("libcublasLt.so.13", "libcudadebugger.so.1");
        assert_eq!(explain(&debugger, ExecutionProvider::Cuda).1, Scope::Host);
        let windows = "Error loading \"onnxruntime_providers_tensorrt.dll\" which depends on \"cublas64_12.dll\" which is \
            missing. (Error 126: The specified module could not be found.)";
        assert_eq!(
            explain(windows, ExecutionProvider::TensorRt).0,
            "cublas64_12.dll is missing"
        );
    }

    #[test]
    fn a_cuda_driver_error_is_a_problem_of_the_host() {
        let text = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=lab \
            ; file=cuda_execution_provider.cc ; line=336 ; expr=cudaSetDevice(info_.device_id); ";
        let (says, scope) = explain(text, ExecutionProvider::Cuda);
        assert!(says.contains("driver is missing, or too old"), "{says}");
        assert_eq!(scope, Scope::Host);
        let none = "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=lab";
        assert_eq!(
            explain(none, ExecutionProvider::Cuda).0,
            "the NVIDIA driver finds no GPU"
        );
    }

    #[test]
    fn a_build_without_the_provider_is_reported() {
        let text = "CoreML execution provider is not supported in this build. ";
        let (says, scope) = explain(text, ExecutionProvider::CoreMl);
        assert_eq!(says, "this ONNX Runtime was built without CoreMLExecutionProvider");
        assert_eq!(scope, Scope::Environment);
    }

    #[test]
    fn a_part_that_only_the_cpu_can_run_is_reported() {
        let text = "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has \
            been explicitly disabled by the user.";
        assert!(
            explain(text, ExecutionProvider::TensorRt)
                .0
                .contains("cannot run a part of the model")
        );
    }

    #[test]
    fn unknown_messages_have_no_cause() {
        assert_eq!(
            find_cause(
                "Load model from broken.onnx failed: Protobuf parsing failed.",
                ExecutionProvider::Cuda
            ),
            None
        );
    }
}
