//! What ONNX Runtime's own words mean where a provider could not be created: the usual causes, told with what to do.

use crate::{finding::Scope, profile::stack::is_of_the_driver};

/// The cause of a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// What is wrong, as the end of a sentence.
    pub(super) says: String,
    /// What to do about it.
    pub(super) remedy: String,
    /// Whose fault it is.
    pub(super) scope: Scope,
}

const DRIVER: &str = "install or update the NVIDIA driver (`nvidia-smi` shows it), or install with `--profile cpu`";
const AGAIN: &str = "install the environment again with `--force`";

/// The cause that `message`, the words of a failure on `provider`, tells of; `None` if it tells of none that is known.
pub(super) fn of(message: &str, provider: &str) -> Option<Cause> {
    if let Some(library) = missing_library(message) {
        if is_of_the_driver(library) {
            return Some(host(format!("this machine has no NVIDIA driver ({library})"), DRIVER));
        }
        return Some(environment(format!("{library} is missing"), AGAIN));
    }
    if let Some((_, symbol)) = message.split_once("undefined symbol: ") {
        let symbol = symbol.split([',', ' ', '\n']).next().unwrap_or(symbol);
        let says = format!("its libraries do not fit each other: nothing has `{symbol}`");
        return Some(environment(says, AGAIN));
    }
    if let Some(number) = cuda_failure(message) {
        return Some(of_cuda(number));
    }
    if message.contains("fallback to CPU EP has been explicitly disabled") {
        return Some(environment(
            format!("{provider} cannot run a part of the model, and the CPU is not asked"),
            "name another release of ONNX Runtime in the manifest",
        ));
    }
    let not_built = ["not supported in this build", "not enabled in this build"];
    not_built.iter().any(|words| message.contains(words)).then(|| {
        environment(
            format!("this ONNX Runtime was built without {provider}"),
            "ask for a package that has it, such as `onnxruntime-gpu` for NVIDIA, or install with `--profile cpu`",
        )
    })
}

fn environment(says: String, remedy: &str) -> Cause {
    Cause {
        says,
        remedy: remedy.to_owned(),
        scope: Scope::Environment,
    }
}

fn host(says: String, remedy: &str) -> Cause {
    Cause {
        says,
        remedy: remedy.to_owned(),
        scope: Scope::Host,
    }
}

/// The library that the loader did not find: Linux's words, then those that ONNX Runtime has for Windows.
fn missing_library(message: &str) -> Option<&str> {
    if let Some((before, _)) = message.split_once(": cannot open shared object file") {
        return before.rsplit([' ', '\n']).next().filter(|name| !name.is_empty());
    }
    let (_, rest) = message.split_once("which depends on \"")?;
    let (library, rest) = rest.split_once('"')?;
    rest.starts_with(" which is missing").then_some(library)
}

/// The number of a CUDA error, as in `CUDA failure 35: …`.
fn cuda_failure(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("CUDA failure ")?;
    rest.split_once(':')?.0.parse().ok()
}

/// Numbers of `cudaError_t`.
fn of_cuda(number: u32) -> Cause {
    match number {
        2 => host(
            "the GPU has no memory left".to_owned(),
            "end other programs that use the GPU (`nvidia-smi` lists them), and try again",
        ),
        35 => host(
            "the NVIDIA driver is missing, or older than this environment's CUDA".to_owned(),
            DRIVER,
        ),
        100 | 101 => host(
            "the NVIDIA driver sees no GPU".to_owned(),
            "look at what `nvidia-smi` shows and at CUDA_VISIBLE_DEVICES, or install with `--profile cpu`",
        ),
        209 => environment(
            "this build of ONNX Runtime has no code for this GPU".to_owned(),
            "name another release of ONNX Runtime in the manifest, or install with `--profile cpu`",
        ),
        803 | 804 => host(
            "the NVIDIA driver's parts do not fit each other, as after an update without a restart".to_owned(),
            "restart the machine, and try again",
        ),
        other => host(format!("CUDA says error {other}"), DRIVER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{CORE_ML, CUDA, TENSORRT};

    fn told(message: &str, provider: &str) -> (String, Scope) {
        let cause = of(message, provider).expect("a known cause");
        assert!(!cause.remedy.is_empty());
        (cause.says, cause.scope)
    }

    /// Words of onnxruntime-gpu 1.31.1 where nothing of CUDA is installed.
    #[test]
    fn a_library_that_is_missing_is_named() {
        let cuda = "/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:2043 onnxruntime::Provider& \
            onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library \
            /env/capi/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No \
            such file or directory\n";
        let expected = ("libcublasLt.so.13 is missing".to_owned(), Scope::Environment);
        assert_eq!(told(cuda, CUDA), expected);
        let tensorrt = cuda.replace("libcublasLt.so.13", "libnvinfer.so.10");
        assert_eq!(told(&tensorrt, TENSORRT).0, "libnvinfer.so.10 is missing");
        let driver = cuda.replace("libcublasLt.so.13", "libcuda.so.1");
        let expected = "this machine has no NVIDIA driver (libcuda.so.1)";
        assert_eq!(told(&driver, CUDA), (expected.to_owned(), Scope::Host));
        // The audit knew this one to be the driver's, and the benchmark advised to install the environment again.
        let debugger = cuda.replace("libcublasLt.so.13", "libcudadebugger.so.1");
        assert_eq!(told(&debugger, CUDA).1, Scope::Host);
        let windows = "Error loading \"onnxruntime_providers_tensorrt.dll\" which depends on \"cublas64_12.dll\" which is \
            missing. (Error 126: The specified module could not be found.)";
        assert_eq!(told(windows, TENSORRT).0, "cublas64_12.dll is missing");
    }

    #[test]
    fn an_error_of_cuda_is_the_drivers() {
        let words = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=lab \
            ; file=cuda_execution_provider.cc ; line=336 ; expr=cudaSetDevice(info_.device_id); ";
        let (says, scope) = told(words, CUDA);
        assert!(says.contains("driver is missing, or older"), "{says}");
        assert_eq!(scope, Scope::Host);
        let none = "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=lab";
        assert_eq!(told(none, CUDA).0, "the NVIDIA driver sees no GPU");
    }

    #[test]
    fn a_build_without_the_provider_is_said_so() {
        let words = "CoreML execution provider is not supported in this build. ";
        let (says, scope) = told(words, CORE_ML);
        assert_eq!(says, "this ONNX Runtime was built without CoreMLExecutionProvider");
        assert_eq!(scope, Scope::Environment);
    }

    #[test]
    fn a_part_that_only_the_cpu_could_run_is_said_so() {
        let words = "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has \
            been explicitly disabled by the user.";
        assert!(told(words, TENSORRT).0.contains("cannot run a part of the model"));
    }

    #[test]
    fn other_words_are_left_as_they_are() {
        assert_eq!(
            of("Load model from broken.onnx failed: Protobuf parsing failed.", CUDA),
            None
        );
    }
}
