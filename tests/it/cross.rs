//! Environments for a machine with a GPU, installed and verified on a machine without one.

use matenv::files::layout;
use serde_json::Value;

use crate::support::{File, Gpu, Shared, TORCH, Wheel, assert_error, fatbin, hardware_file, has_a_gpu, toolkit};

const RUNTIME: &str = "[[pypi]]\nrequirement = \"onnxruntime-gpu\"\nprofiles = [\"gpu\"]\nbecause = \"runs models\"\n";

const MORE: &str = "[[probe]]\nname = \"on the GPU\"\nneeds = \"nvidia\"\npython = \"import no_such_module\"\n\
                    [[probe]]\nname = \"anywhere\"\npython = \"import torch; print(torch.__version__)\"\n";

fn manifest() -> String {
    format!("{TORCH}{RUNTIME}{MORE}")
}

/// Adds libraries with these names to a folder of a wheel.
fn libraries<'a>(wheel: Wheel, folder: &str, sonames: impl IntoIterator<Item = &'a str>) -> Wheel {
    sonames.into_iter().fold(wheel, |wheel, soname| {
        let library = Shared {
            soname,
            runpath: Some("$ORIGIN"),
            ..Shared::default()
        };
        wheel.file(&format!("{folder}/{soname}"), library.bytes())
    })
}

/// Returns the sonames that an environment for CUDA 13 must contain.
fn preloaded() -> Vec<String> {
    let table: toml::Table = toml::from_str(include_str!("../../profiles/libraries.toml")).unwrap();
    let has = |row: &toml::Value, key: &str, value: toml::Value| match row.get(key) {
        Some(toml::Value::Array(list)) => list.contains(&value),
        Some(one) => *one == value,
        None => true,
    };
    let rows = table["library"].as_array().unwrap().iter();
    rows.filter(|row| has(row, "cuda", 13.into()) && has(row, "profiles", "gpu".into()))
        .filter(|row| row.get("optional").is_none())
        .map(|row| row["linux"].as_str().unwrap().replace('*', "0"))
        .collect()
}

/// Returns a complete stack for CUDA 13 whose libraries are ELF files. Their GPU code is for the same GPUs as that of
/// torch 2.15 and onnxruntime-gpu 1.31.
fn stack() -> Gpu {
    let sass = |archs: &[u32]| fatbin(&archs.iter().map(|arch| (2, *arch)).collect::<Vec<_>>());
    let sonames = preloaded();
    let (cudnn, cuda): (Vec<&str>, Vec<&str>) = sonames
        .iter()
        .map(String::as_str)
        .partition(|soname| soname.starts_with("libcudnn"));
    let provider = Shared {
        needed: &["libcudart.so.13", "libcuda.so.1"],
        fatbin: &sass(&[75, 80, 86, 89, 90, 120]),
        ..Shared::default()
    };
    let torch_cuda = Shared {
        fatbin: &sass(&[75, 80, 86, 90, 100, 103, 120]),
        ..Shared::default()
    };
    let pypi = [
        toolkit("13.0.2").requires("nvidia-cuda-runtime"),
        libraries(Wheel::new("nvidia-cuda-runtime", "13.0.96"), "nvidia/cu13/lib", cuda),
        libraries(Wheel::new("nvidia-cudnn-cu13", "9.20.0.48"), "nvidia/cudnn/lib", cudnn),
        Wheel::new("nvidia-nccl-cu13", "2.29.7"),
        Wheel::new("onnxruntime-gpu", "1.31.1")
            .file("onnxruntime/__init__.py", "")
            .file("onnxruntime/capi/libonnxruntime_providers_cuda.so", provider.bytes()),
    ];
    let torch = [
        Wheel::new("torch", "2.12.1+cu130")
            .requires("nvidia-nccl-cu13==2.29.7")
            .file("torch/lib/libtorch_cuda.so", torch_cuda.bytes()),
        Wheel::new("torchvision", "0.27.1+cu130").requires("torch==2.12.1"),
    ];
    Gpu::new(
        "h100-driver-580",
        "cu130",
        &pypi.map(File::from),
        &torch.map(File::from),
    )
}

fn probes(certificate: &Value) -> [(&Value, &Value); 2] {
    [0, 1].map(|at| {
        let probe = &certificate["verification"]["probes"][at];
        (&probe["ok"], &probe["skipped"])
    })
}

#[test]
fn checks_that_need_the_gpu_are_skipped_and_the_others_run() {
    if has_a_gpu() {
        return;
    }
    let mut gpu = stack();
    gpu.machine = None;
    gpu.env.manifest_for(&["cpu", "gpu"], &manifest());
    let certificate = gpu.install("gpu", &["--json"]).exits(0).json();
    let (yes, no, never) = (&true.into(), &false.into(), &"needs an NVIDIA driver".into());
    assert_eq!(
        [&certificate["cross"], &certificate["proven"], &certificate["ok"]],
        [yes, no, no]
    );
    assert_eq!(certificate["backend"], "cu130", "the driver is unknown");
    assert_eq!(probes(&certificate), [(no, never), (yes, &Value::Null)]);
    assert_eq!(certificate["bench"]["skipped"], *never);
    assert_eq!(certificate["audit"]["findings"], serde_json::json!([]));

    let again = gpu.install("gpu", &["--json"]).exits(0).json();
    assert_eq!(again["changed"], *no);
    gpu.install("gpu", &[]).exits(0).says("nothing to do");
    let verified = gpu.env.matenv(&["verify", "demo", "--json"]).exits(0).json();
    assert_eq!(probes(&verified), [(no, never), (yes, &Value::Null)]);
    assert_eq!([&verified["cross"], &verified["ok"]], [yes, no]);
    gpu.env
        .matenv(&["verify", "demo"])
        .exits(0)
        .says("1 of 2 passed, 1 skipped")
        .says("on the GPU skipped: needs an NVIDIA driver")
        .says("CUDAExecutionProvider skipped: needs an NVIDIA driver");
}

/// The audit needs no GPU.
#[test]
fn a_missing_library_is_found_without_a_gpu() {
    let gpu = stack();
    gpu.env.manifest_for(&["gpu"], &manifest());
    gpu.install("gpu", &["--no-bench"]).exits(0);
    let site_packages = layout::site_packages_of(&gpu.env.prefix()).unwrap();
    fs_err::remove_file(site_packages.join("nvidia/cu13/lib/libcudart.so.13")).unwrap();
    let verified = gpu.env.matenv(&["verify", "demo", "--json"]).exits(6).json();
    assert_eq!(verified["audit"]["findings"][0]["code"], "ME015");
    gpu.env
        .matenv(&["verify", "demo"])
        .exits(6)
        .says("libcudart.so.13 is missing");
}

#[test]
fn an_environment_for_another_platform_is_not_installed() {
    let mut gpu = stack();
    gpu.machine = Some("windows-rtx-3070");
    gpu.env.manifest_for(&["cpu", "gpu"], &manifest());
    insta::assert_snapshot!(gpu.refuses(8, "gpu", &[]), @"
    install::other_platform

      × the environment is for win-64, but this machine is linux-64
      help: show the plan for it: matenv plan ENV --hardware FILE; install it on a machine of that platform
    ");
}

/// Returns the findings about driver and GPUs that `doctor` reports for the machine of a hardware file. Without a name,
/// `doctor` starts no program of the environment, and these libraries cannot be loaded.
fn gpu_findings(gpu: &Gpu, machine: &str, exit: i32) -> Vec<String> {
    let file = hardware_file(machine);
    let arguments = ["doctor", "--offline", "--json", "--hardware", &file];
    let found = gpu.env.matenv(&arguments).exits(exit).json();
    let findings = found["findings"].as_array().unwrap().iter();
    findings
        .filter(|one| one["code"] == "ME050" || one["code"] == "ME016")
        .map(|one| {
            let fields = ["code", "severity", "message", "remedy"].map(|key| one[key].as_str().unwrap_or("-"));
            fields.join(" | ").replace(&file, "FILE")
        })
        .collect()
}

/// Checks whether an installed environment works on another machine.
#[test]
fn doctor_checks_an_environment_for_the_machine_of_a_hardware_file() {
    let gpu = stack();
    gpu.env.manifest_for(&["cpu", "gpu"], &format!("{TORCH}{RUNTIME}"));
    gpu.install("gpu", &["--no-bench"]).exits(0);
    assert_eq!(gpu_findings(&gpu, "rtx-4090-driver-580", 0), Vec::<String>::new());
    insta::assert_snapshot!(gpu_findings(&gpu, "rtx-4090-driver-570", 6).join("\n"), @r#"ME050 | error | the NVIDIA driver serves CUDA 12.8, and demo is built for CUDA 13 | update the driver, or install builds that it supports: matenv install demo --profile gpu --hardware "FILE" --cross --force"#);
    insta::assert_snapshot!(gpu_findings(&gpu, "gtx-1080-ti-driver-580", 6).join("\n"), @r#"
    ME016 | error | demo: onnxruntime/capi/libonnxruntime_providers_cuda.so holds no code for sm_61: cudaErrorNoKernelImageForDevice, no kernel image is available | matenv install demo --profile gpu --hardware "FILE" --cross --force
    ME016 | error | demo: torch/lib/libtorch_cuda.so holds no code for sm_61: cudaErrorNoKernelImageForDevice, no kernel image is available | matenv install demo --profile gpu --hardware "FILE" --cross --force
    "#);
    insta::assert_snapshot!(gpu_findings(&gpu, "b200-driver-580", 6).join("\n"), @r#"ME016 | error | demo: onnxruntime/capi/libonnxruntime_providers_cuda.so holds no code for sm_100: cudaErrorNoKernelImageForDevice, no kernel image is available | matenv install demo --profile gpu --hardware "FILE" --cross --force"#);
    insta::assert_snapshot!(gpu_findings(&gpu, "amd-only", 6).join("\n"), @r#"ME050 | error | demo: made for GPU; that machine has no NVIDIA GPU | matenv install demo --hardware "FILE" --cross --force"#);
    insta::assert_snapshot!(gpu_findings(&gpu, "gtx-1080-ti-and-rtx-4090", 0).join("\n"), @r#"
    ME016 | warning | demo: onnxruntime/capi/libonnxruntime_providers_cuda.so holds no code for sm_61: cudaErrorNoKernelImageForDevice, no kernel image is available | matenv install demo --profile gpu --hardware "FILE" --cross --force
    ME016 | warning | demo: torch/lib/libtorch_cuda.so holds no code for sm_61: cudaErrorNoKernelImageForDevice, no kernel image is available | matenv install demo --profile gpu --hardware "FILE" --cross --force
    "#);

    let doctor = |arguments: &[&str]| gpu.env.matenv(&[&["doctor", "--offline"], arguments].concat());
    let (old, windows) = (hardware_file("rtx-4090-driver-570"), hardware_file("windows-rtx-3070"));
    doctor(&["--hardware", &old])
        .exits(6)
        .says("ME050")
        .says("rtx-4090-driver-570.json (");
    doctor(&["demo", "--hardware", &old])
        .exits(6)
        .says("ME050 the NVIDIA driver serves CUDA 12.8");
    assert_error!(
        gpu.env,
        "doctor_for_another_platform",
        doctor(&["demo", "--hardware", &windows]).exits(8)
    );
    assert_error!(
        gpu.env,
        "missing_hardware_file",
        doctor(&["demo", "--hardware", "not-there.json"]).exits(2)
    );
    // The same files without matenv's records.
    let prefix = gpu.env.prefix();
    let foreign = gpu.env.path("foreign");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([&prefix, &foreign])
        .status()
        .unwrap();
    assert!(copied.success());
    fs_err::remove_dir_all(foreign.join("share/matenv")).unwrap();
    let found = doctor(&["--prefix", "foreign", "--json", "--hardware", &old])
        .exits(6)
        .json();
    let findings = found["findings"].to_string();
    assert!(
        findings.contains("serves CUDA 12.8") && !findings.contains("--cross"),
        "{found:#}"
    );
    assert_eq!(found["hardware"]["nvidia_driver"], "570.133.20");
}
