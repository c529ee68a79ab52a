//! The detected hardware, with fake drivers: `nvidia-smi` is a script, NVML a few lines of C.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Instant};

use serde_json::{Value, json};

use crate::support::{Index, OWN_DRIVER, Options, TestEnv, Wheel, compile_library, skip};

/// Returns whether this machine has its own driver, and skips the test then: that driver answers before a fake one.
pub(crate) fn has_a_driver() -> bool {
    let proc = Path::new("/proc/driver/nvidia/version").exists();
    let wsl = Path::new("/usr/lib/wsl/lib/libnvidia-ml.so.1").exists();
    let libraries = Command::new("ldconfig").arg("-p").output();
    let library = libraries.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("libnvidia-ml.so.1"));
    if proc || wsl || library {
        skip(OWN_DRIVER);
    }
    proc || wsl || library
}

/// Puts a fake `nvidia-smi` first on PATH.
pub(crate) fn fake_smi(env: &mut TestEnv, script: &str) {
    let folder = env.path("fake");
    fs_err::create_dir_all(&folder).unwrap();
    let file = folder.join("nvidia-smi");
    fs_err::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let rest = std::env::var("PATH").unwrap();
    env.set("PATH", format!("{}:{rest}", folder.display()));
}

/// Compiles an NVML with one GPU, whose `nvmlInit` returns `result`; skips the test if there is no C compiler.
fn fake_nvml(env: &mut TestEnv, result: u32) -> Option<()> {
    fake_nvml_of(env, result, 1)
}

/// Like [`fake_nvml`], with several GPUs: the second is lost, the third has MIG enabled but no slices.
fn fake_nvml_of(env: &mut TestEnv, result: u32, count: u32) -> Option<()> {
    let folder = env.path("nvml");
    let code = format!(
        r#"#include <string.h>
        int nvmlInit_v2(void) {{ return {result}; }}
        int nvmlShutdown(void) {{ return 0; }}
        int nvmlSystemGetDriverVersion(char *text, unsigned n) {{ strncpy(text, "580.65.06", n); return 0; }}
        int nvmlSystemGetCudaDriverVersion_v2(int *version) {{ *version = 13000; return 0; }}
        int nvmlDeviceGetCount_v2(unsigned *count) {{ *count = {count}; return 0; }}
        int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {{ *device = (void *)(index + 1L); return index == 1 ? 15 : 0; }}
        int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *next) {{ *now = *next = device == (void *)3; return 0; }}
        int nvmlDeviceGetName(void *device, char *text, unsigned n) {{ strncpy(text, "NVIDIA H100 PCIe", n); return 0; }}
        int nvmlDeviceGetUUID(void *device, char *text, unsigned n) {{ strncpy(text, "GPU-aa11", n); return 0; }}
        int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) {{ *major = 9; *minor = 0; return 0; }}"#
    );
    compile_library(&folder.join("libnvidia-ml.so.1"), &code, &[])?;
    env.set("LD_LIBRARY_PATH", folder);
    Some(())
}

fn hardware(env: &TestEnv) -> Value {
    env.matenv(&["hardware", "--json"]).exits(0).json()
}

#[test]
fn hardware_shows_platform_gpu_and_disk_space() {
    let env = TestEnv::new();
    env.matenv(&["hardware"])
        .exits(0)
        .says("platform")
        .says("gpu")
        .says("free for environments");
}

#[test]
fn the_json_output_is_a_hardware_file() {
    let mut env = TestEnv::new();
    env.set("LD_PRELOAD", "");
    env.set("LD_LIBRARY_PATH", "/opt/other");
    let ran = env.matenv(&["hardware", "--json"]).exits(0);
    let file = env.path("rig.json");
    fs_err::write(&file, &ran.stdout).unwrap();
    let read = matenv::hardware::Hardware::read(&file).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), ran.json());
    assert_eq!(read.environment["LD_LIBRARY_PATH"].as_deref(), Some("/opt/other"));
    assert!(
        read.host.is_some() && read.libc.is_some() && read.disk.is_some(),
        "{read:?}"
    );
}

#[test]
fn two_gpus_of_nvidia_smi_are_two_gpus_with_one_driver() {
    if has_a_driver() {
        return;
    }
    let mut env = TestEnv::new();
    fake_smi(
        &mut env,
        "case \"$1\" in\n\
         --query-gpu=*compute_cap*) echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2;;\n\
         --query-gpu=*) echo 'NVIDIA GeForce RTX 4090, 24564 MiB, GPU-8f6d, 572.60'; \
         echo 'NVIDIA GeForce GTX 1080 Ti, 11264 MiB, GPU-1c2d, 572.60';;\n\
         -L) echo 'GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-8f6d)';;\n\
         *) echo '| NVIDIA-SMI 570.86.10   Driver Version: 572.60   CUDA Version: 12.8 |';;\nesac",
    );
    let found = hardware(&env);
    let nvidia: Vec<&Value> = found["gpus"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|gpu| gpu["vendor"] == "nvidia")
        .collect();
    assert_eq!(nvidia.len(), 2, "{found}");
    assert_eq!(nvidia[1]["name"], "NVIDIA GeForce GTX 1080 Ti");
    assert_eq!(
        (&found["nvidia_driver"], &found["cuda_driver"]),
        (&json!("572.60"), &json!("12.8"))
    );

    env.set("CUDA_VISIBLE_DEVICES", "");
    assert_eq!(hardware(&env)["visible_devices"], "");
    env.matenv(&["hardware"])
        .exits(0)
        .says("RTX 4090, 23.99 GiB, hidden by CUDA_VISIBLE_DEVICES");
    env.set("CONDA_OVERRIDE_CUDA", "");
    let found = hardware(&env);
    assert_eq!(found["cuda_driver"], Value::Null);
    assert!(!found["gpus"].to_string().contains("nvidia"), "{found}");
}

#[test]
fn an_override_without_a_gpu_leaves_the_gpus_unknown() {
    if has_a_driver() {
        return;
    }
    let mut env = TestEnv::new();
    env.set("CONDA_OVERRIDE_CUDA", "12.8");
    let found = hardware(&env);
    assert_eq!((&found["cuda_driver"], &found["gpus"]), (&json!("12.8"), &Value::Null));
}

#[test]
fn an_updated_driver_requires_a_reboot() {
    if has_a_driver() {
        return;
    }
    let mut env = TestEnv::new();
    fake_smi(
        &mut env,
        "echo 'Failed to initialize NVML: Driver/library version mismatch'; echo 'NVML library version: 550.90'; exit 18",
    );
    env.matenv(&["hardware"]).exits(0).says("a reboot is required");
    let found = hardware(&env);
    assert_eq!(found["gpus"], Value::Null);
    assert!(
        found["driver_problem"].as_str().unwrap().contains("driver was updated"),
        "{found}"
    );

    // NVML returns a number for the same error.
    if fake_nvml(&mut env, 18).is_some() {
        env.matenv(&["hardware"]).exits(0).says("a reboot is required");
    }
}

#[test]
fn a_hanging_nvidia_smi_is_stopped_after_a_time_limit() {
    if has_a_driver() {
        return;
    }
    let mut env = TestEnv::new();
    fake_smi(&mut env, "sleep 600");
    let since = Instant::now();
    env.matenv(&["hardware"])
        .exits(0)
        .says("did not answer within 5 seconds");
    assert!(since.elapsed().as_secs() < 30, "{:?}", since.elapsed());
}

#[test]
fn nvml_reports_a_gpu() {
    let mut env = TestEnv::new();
    if fake_nvml(&mut env, 0).is_none() {
        return;
    }
    let found = hardware(&env);
    assert_eq!(
        (&found["nvidia_driver"], &found["cuda_driver"]),
        (&json!("580.65.06"), &json!("13.0"))
    );
    let gpu = &found["gpus"][0];
    assert_eq!(
        (&gpu["name"], &gpu["compute_capability"], &gpu["uuid"]),
        (&json!("NVIDIA H100 PCIe"), &json!("9.0"), &json!("GPU-aa11"))
    );
}

/// With one lost GPU of several, an older version chose the CPU. It did not report a GPU in MIG mode without slices.
#[test]
fn a_failed_gpu_does_not_hide_the_others() {
    let mut env = TestEnv::new();
    if fake_nvml_of(&mut env, 0, 3).is_none() {
        return;
    }
    let found = hardware(&env);
    let nvidia = found["gpus"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|gpu| gpu["vendor"] == "nvidia");
    assert_eq!((nvidia.count(), &found["driver_problem"]), (1, &Value::Null), "{found}");
    let warning = found["driver_warning"].as_str().unwrap();
    assert!(
        warning.starts_with("GPU 1 does not answer (")
            && warning.contains("GPU 2 (NVIDIA H100 PCIe) has MIG enabled but no MIG slice"),
        "{warning}"
    );
    env.matenv(&["hardware"]).exits(0).says("GPU 1 does not answer");
    let plan = env.matenv(&["plan", "sleap", "--json"]).exits(0).json();
    assert_eq!(plan["profile"], "gpu-trt", "{plan}");
    let warnings = plan["warnings"].to_string();
    assert!(
        warnings.contains("ME017") && warnings.contains("GPU 1 does not answer"),
        "{warnings}"
    );
}

#[test]
fn a_gpu_that_nvidia_smi_lost_does_not_hide_the_others() {
    if has_a_driver() {
        return;
    }
    let mut env = TestEnv::new();
    fake_smi(
        &mut env,
        "echo 'Unable to determine the device handle for GPU1: 0000:65:00.0: GPU is lost.'\n\
         echo 'NVIDIA H100 PCIe, 81559 MiB, 9.0, GPU-aa11, 580.65.06'; exit 15",
    );
    let found = hardware(&env);
    assert_eq!(found["driver_problem"], Value::Null, "{found}");
    assert!(
        found["driver_warning"].as_str().unwrap().contains("GPU is lost"),
        "{found}"
    );
}

/// Changes the certificate, as if another machine had written it.
fn change_certificate(env: &TestEnv, change: impl FnOnce(&mut Value)) {
    let file = env.home().join(".matenv/envs/demo/share/matenv/certificate.json");
    let mut certificate: Value = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    change(&mut certificate);
    fs_err::write(&file, certificate.to_string()).unwrap();
}

#[test]
fn commands_warn_on_another_machine_than_the_proven_one() {
    if has_a_driver() {
        return;
    }
    let mut env = TestEnv::new().with_uv();
    let file = env
        .manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n")
        .join("demo.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.replace("[python]", "launch = \"python -u\"\n[python]")).unwrap();
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    let run = |env: &TestEnv| {
        env.matenv(&["run", "demo", "--", "python", "-c", "print('it runs')"])
            .exits(0)
            .says("it runs")
    };
    assert_eq!(run(&env).stderr, "", "nothing has changed");
    let listed = env.matenv(&["list", "--json"]).exits(0);
    assert_eq!(
        (&listed.json()["environments"][0]["changed"], listed.stderr.as_str()),
        (&Value::Null, "")
    );

    change_certificate(&env, |certificate| {
        certificate["profile"] = json!("gpu");
        certificate["backend"] = json!("cu130");
        certificate["hardware"]["host"] = json!("hydra1");
        certificate["hardware"]["gpus"] =
            json!([{"vendor": "nvidia", "name": "NVIDIA L40S", "compute_capability": "8.9"}]);
    });
    let sentence = "proven for GPU on hydra1; this node has no NVIDIA GPU: matenv install demo --profile cpu";
    let ran = run(&env);
    assert!(ran.stderr.contains(sentence) && !ran.stdout.contains(sentence), "{ran}");
    let launched = env.matenv(&["launch", "demo", "--", "-c", "pass"]).exits(0);
    assert!(launched.stderr.contains(sentence), "{launched}");
    let listed = env.matenv(&["list", "--json"]).exits(0);
    assert_eq!(listed.json()["environments"][0]["changed"], sentence);
    assert!(listed.stderr.contains(sentence), "{listed}");

    if fake_nvml(&mut env, 0).is_some() {
        run(&env).says("proven for compute capability 8.9 on hydra1; this node's NVIDIA H100 PCIe has 9.0");
        change_certificate(&env, |certificate| {
            certificate["profile"] = json!("cpu");
            certificate["hardware"]["gpus"] = json!([]);
        });
        run(&env)
            .says("proven for CPU on hydra1; this node has an NVIDIA H100 PCIe: matenv install demo --profile gpu");
        change_certificate(&env, |certificate| certificate["hardware"]["gpus"] = Value::Null);
        assert_eq!(run(&env).stderr, "", "the certificate contains no GPUs");
    }
}
