//! GPU packages that can be resolved but do not work together: matenv refuses and names them before the download.

use crate::support::{File, Gpu, Sdist, TORCH, Wheel, toolkit};

const H100: &str = "h100-driver-580";
const GTX_1080_TI: &str = "gtx-1080-ti-driver-580";

/// Returns the manifest row of a requirement.
fn row(requirement: &str) -> String {
    format!("[[pypi]]\nrequirement = \"{requirement}\"\nbecause = \"the program\"\n")
}

fn files(wheels: impl IntoIterator<Item = Wheel>) -> Vec<File> {
    wheels.into_iter().map(File::from).collect()
}

/// PyPI with the packages of the stack for CUDA 13, and more.
fn pypi(more: impl IntoIterator<Item = Wheel>) -> Vec<File> {
    let stack = [
        toolkit("13.0.2"),
        Wheel::new("nvidia-cudnn-cu13", "9.20.0.48"),
        Wheel::new("nvidia-nccl-cu13", "2.29.7"),
    ];
    files(stack.into_iter().chain(more))
}

/// Returns wheels of torch and torchvision.
fn torch(torch: &str, torchvision: &str) -> [Wheel; 2] {
    [
        Wheel::new("torch", torch).requires("nvidia-nccl-cu13==2.29.7"),
        Wheel::new("torchvision", torchvision),
    ]
}

/// Returns a machine with an H100, and a torch index with matching versions.
fn h100(pypi: &[File]) -> Gpu {
    Gpu::new(H100, "cu130", pypi, &files(torch("2.12.1+cu130", "0.27.1+cu130")))
}

#[test]
fn torchvision_for_another_torch_is_refused() {
    let pair = files(torch("2.12.1+cu130", "0.28.0+cu130"));
    let gpu = Gpu::new(H100, "cu130", &pypi([]), &pair);
    gpu.env.manifest_for(&["gpu"], TORCH);
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::torch_pair

      × torch 2.12.1+cu130 (required by the manifest) and torchvision 0.28.0+cu130 (required by the manifest) cannot be installed together: torchvision was built for another torch: operator torchvision::nms does not exist
      help: use a torch index that has both: --mirror torch=URL
    ");
}

#[test]
fn torchvision_that_requires_another_torch_is_a_conflict() {
    let [torch, torchvision] = torch("2.13.0+cu130", "0.27.1+cu130");
    let pair = files([torch, torchvision.requires("torch==2.12.1")]);
    let gpu = Gpu::new(H100, "cu130", &pypi([]), &pair);
    gpu.env.manifest_for(&["gpu"], TORCH);
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::conflict

      × failed to resolve the wheels
      │ error: No solution found when resolving dependencies
      │   cause: Because there is no version of torch==2.12.1 and all versions of torchvision depend on torch==2.12.1, we can conclude that all versions of torchvision cannot be used.
      │          And because matenv-plan depends on torchvision, we can conclude that your requirements are unsatisfiable.
      help: change the requirement above, in matenv.toml or in the manifest: --manifest-dir DIR
    ");
}

#[test]
fn nccl_for_two_cuda_majors_is_refused() {
    let more = [
        Wheel::new("speedup", "1.0").requires("nvidia-nccl-cu12"),
        Wheel::new("nvidia-nccl-cu12", "2.27.5"),
    ];
    let gpu = h100(&pypi(more));
    gpu.env.manifest_for(&["gpu"], &format!("{TORCH}{}", row("speedup")));
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::two_nccl

      × nvidia-nccl-cu12 2.27.5 (required by speedup) and nvidia-nccl-cu13 2.29.7 (required by torch) cannot be installed together: both install nvidia/nccl/lib/libnccl.so.2, and one overwrites the other
      help: remove the requirement that needs nvidia-nccl-cu12 or nvidia-nccl-cu13 from the manifest: --manifest-dir DIR
    ");
}

#[test]
fn libraries_for_two_cuda_majors_are_refused() {
    let more = [
        Wheel::new("speedup", "1.0").requires("nvidia-cufft-cu12"),
        Wheel::new("nvidia-cufft-cu12", "11.3.3.83"),
    ];
    let gpu = h100(&pypi(more));
    gpu.env.manifest_for(&["gpu"], &format!("{TORCH}{}", row("speedup")));
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::two_cuda_majors

      × cuda-toolkit 13.0.2 (required by the manifest) and nvidia-cufft-cu12 11.3.3.83 (required by speedup) cannot be installed together: they are for two CUDA majors
      help: remove the requirement that needs cuda-toolkit or nvidia-cufft-cu12 from the manifest: --manifest-dir DIR
    ");
}

#[test]
fn an_extra_that_the_newest_release_lacks_is_an_error() {
    let more = [Wheel::new("tracker", "1.0").extra("gpu"), Wheel::new("tracker", "2.0")];
    let gpu = h100(&pypi(more));
    let tracker = format!("{}extras.gpu = [\"gpu\"]\n", row("tracker"));
    gpu.env.manifest_for(&["gpu"], &format!("{TORCH}{tracker}"));
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::extra_missing

      × `tracker` 2.0 has no extra `gpu`
      help: raise the lower bound of `tracker` in the manifest to a release that has `gpu`
    ");
}

#[test]
fn torch_wheels_for_another_backend_are_refused() {
    let pair = files(torch("2.12.1+cu128", "0.27.1+cu128"));
    let gpu = Gpu::new(H100, "cu130", &pypi([]), &pair);
    gpu.env.manifest_for(&["gpu"], TORCH);
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::wrong_backend

      × `torch` 2.12.1+cu128 is not the `cu130` build of the index `torch`
      help: fix the mirror of `torch`, which serves another build; or use PyPI: --mirror torch=pypi
    ");
}

#[test]
fn onnxruntime_and_onnxruntime_gpu_are_refused() {
    let more = [
        Wheel::new("onnxruntime-gpu", "1.31.1"),
        Wheel::new("onnxruntime", "1.31.1"),
        Wheel::new("converter", "1.0").requires("onnxruntime>=1.18"),
    ];
    let gpu = h100(&pypi(more));
    let both = format!("{TORCH}{}{}", row("onnxruntime-gpu"), row("converter"));
    gpu.env.manifest_for(&["gpu"], &both);
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::two_onnxruntimes

      × onnxruntime 1.31.1 (required by converter) and onnxruntime-gpu 1.31.1 (required by the manifest) cannot be installed together: both install the folder `onnxruntime`
      help: remove the requirement that needs onnxruntime or onnxruntime-gpu from the manifest: --manifest-dir DIR
    ");
}

#[test]
fn tensorrt_11_with_an_onnxruntime_for_10_is_refused() {
    let gpu = h100(&pypi([Wheel::new("onnxruntime-gpu", "1.31.1")]));
    let gpu = gpu.with_nvidia(&files([Wheel::new("tensorrt-cu13-libs", "11.1.0.5")]));
    let libraries = "[[pypi]]\nrequirement = \"tensorrt-cu13-libs>=11\"\nsource = \"nvidia\"\nbecause = \"newer\"\n";
    let both = format!("{TORCH}{}{libraries}", row("onnxruntime-gpu"));
    gpu.env.manifest_for(&["gpu"], &both);
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &[]), @"
    pypi::other_tensorrt

      × onnxruntime-gpu 1.31.1 (required by the manifest) and tensorrt-cu13-libs 11.1.0.5 (required by the manifest) cannot be installed together: ONNX Runtime's TensorRT provider needs libnvinfer.so.10
      help: remove the requirement that needs onnxruntime-gpu or tensorrt-cu13-libs from the manifest: --manifest-dir DIR
    ");
}

/// An older torch on PyPI is for CUDA 12. An index without newer releases has none for CUDA 13.
#[test]
fn torch_from_pypi_for_another_cuda_major_is_a_conflict() {
    let more = [
        Wheel::new("torch", "2.9.1")
            .requires("nvidia-cuda-runtime-cu12==12.8.90")
            .requires("nvidia-nccl-cu12==2.27.5"),
        Wheel::new("torchvision", "0.24.1"),
        Wheel::new("nvidia-cuda-runtime-cu12", "12.8.90"),
        Wheel::new("nvidia-nccl-cu12", "2.27.5"),
    ];
    let gpu = h100(&pypi(more));
    gpu.env.manifest_for(&["gpu"], TORCH);
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &["--mirror", "torch=pypi"]), @"
    pypi::conflict

      × failed to resolve the wheels
      │ error: No solution found when resolving dependencies
      │   cause: Because only torch==2.9.1 is available and matenv-plan depends on torch==2.9.1, we can conclude that matenv-plan depends on torch==2.9.1.
      │          And because matenv-plan depends on torch>=2.11.0, we can conclude that your requirements are unsatisfiable.
      help: change the requirement above, in matenv.toml or in the manifest: --manifest-dir DIR
    ");
}

/// The torch index has builds for Pascal (cu126), and PyPI has none.
#[test]
fn torch_from_pypi_without_code_for_the_gpu_is_refused() {
    let pypi = files([
        Wheel::new("torch", "2.10.0").requires("nvidia-cuda-runtime-cu12==12.8.90"),
        Wheel::new("torchvision", "0.25.0"),
        Wheel::new("nvidia-cuda-runtime-cu12", "12.8.90"),
        Wheel::new("nvidia-cudnn-cu12", "9.10.2.21"),
    ]);
    let gpu = Gpu::new(GTX_1080_TI, "cu126", &pypi, &[]);
    gpu.env.manifest_for(&["gpu"], TORCH);
    insta::assert_snapshot!(gpu.refuses(3, "gpu", &["--mirror", "torch=pypi"]), @"
    pypi::torch_unfit

      × torch 2.10.0 from PyPI is built for CUDA 12.8 (nvidia-cuda-runtime-cu12), but the backend `cu126` was requested; it holds no code for sm_61
      help: use the torch index or a mirror of it: --mirror torch=URL; or use the CPU: --profile cpu
    ");
}

#[test]
fn torch_from_pypi_for_another_cuda_minor_is_an_info() {
    let more = [
        Wheel::new("torch", "2.15.0").requires("cuda-toolkit==13.2.2"),
        Wheel::new("torchvision", "0.29.2"),
        toolkit("13.2.2"),
    ];
    let gpu = h100(&pypi(more));
    gpu.env.manifest_for(&["gpu"], TORCH);
    let more = ["--mirror", "torch=pypi", "--no-verify", "--json"];
    let certificate = gpu.install("gpu", &more).exits(0).json();
    let findings = certificate["audit"]["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["code"] == "ME014").unwrap();
    assert_eq!(finding["severity"], "info");
    insta::assert_snapshot!(finding["message"].as_str().unwrap(), @"torch 2.15.0 from PyPI is built for CUDA 13.2 (cuda-toolkit), but the backend `cu130` was requested; the planned hardware runs both");
}

/// The sdist on PyPI would download the libraries from NVIDIA's host during its build.
#[test]
fn tensorrt_libraries_that_exist_only_as_an_sdist_are_refused() {
    let sdist = || File::from(Sdist::new("tensorrt-cu13-libs", "10.16.1.11"));
    let mut pypi = pypi([]);
    pypi.push(sdist());
    let gpu = h100(&pypi).with_nvidia(&[sdist()]);
    gpu.env.manifest_for(&["gpu-trt"], TORCH);
    insta::assert_snapshot!(gpu.refuses(3, "gpu-trt", &[]), @"
    pypi::conflict

      × failed to resolve the wheels
      │ error: No solution found when resolving dependencies
      │   cause: Because tensorrt-cu13-libs==10.16.1.11 has no usable wheels and matenv-plan depends on tensorrt-cu13-libs==10.16.1.11, we can conclude that your requirements are unsatisfiable.
      │
      │ hint: Wheels are required for `tensorrt-cu13-libs` because building from source is disabled for all packages (i.e., with `--no-build`)
      help: change the requirement above, in matenv.toml or in the manifest: --manifest-dir DIR
    ");
}

#[test]
fn an_unreachable_nvidia_index_is_an_error() {
    let gpu = h100(&pypi([]));
    gpu.env.manifest_for(&["gpu-trt"], TORCH);
    let dead = ["--mirror", "nvidia=http://127.0.0.1:9"];
    insta::assert_snapshot!(gpu.refuses(4, "gpu-trt", &dead), @"
    pypi::unreachable

      × the index `nvidia` does not answer: Connection refused (os error 111)
      help: use a mirror: --mirror nvidia=URL; or omit TensorRT: --profile gpu, in a lab without gpu-trt in its profiles
    ");
}

#[test]
fn a_torch_wheel_with_another_hash_than_the_index_lists_is_refused() {
    let [torch, torchvision] = torch("2.12.1+cu130", "0.27.1+cu130");
    let sha256 = torch.sha256();
    let pair = [File::from(torch).with_wrong_hash(), torchvision.into()];
    let gpu = Gpu::new(H100, "cu130", &pypi([]), &pair);
    gpu.env.manifest_for(&["gpu"], TORCH);
    let ran = gpu.install("gpu", &[]).exits(5);
    gpu.env.has_no_environment();
    insta::assert_snapshot!(gpu.error(&ran).replace(&sha256, "[SHA256]"), @"
    pypi::integrity

      × hash mismatch in a file from the index `torch`
      │ error: Failed to download `torch==2.12.1+cu130`
      │   cause: Hash mismatch for `torch==2.12.1+cu130`
      │
      │          Expected:
      │            sha256:0000000000000000000000000000000000000000000000000000000000000000
      │
      │          Computed:
      │            sha256:[SHA256]
      help: use another mirror: --mirror torch=URL; this index serves a file that differs from its listing or from the lock
    ");
}
