//! `Driver/library version mismatch`, `NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver`, `CUDA driver version is insufficient for CUDA runtime version`
//!
//! The NVIDIA driver does not work or is older than the environment's CUDA, or the GPU is another one than
//! the environment was created for. The finding is an *error* for an environment with a GPU profile, and an
//! *info* if no environment on this machine uses the GPU.
//!
//! Remedy: follow the finding's own remedy. In most cases, reboot or install a newer driver.

use crate::{
    doctor::{examined::ExaminedPrefix, host::HostFacts},
    finding::{Code, Finding, Scope, Severity},
    profile::stack::Backends,
};

pub(crate) fn detect(host: &HostFacts, prefixes: &[ExaminedPrefix]) -> Vec<Finding> {
    let needed = prefixes.iter().any(ExaminedPrefix::needs_nvidia);
    let (problem, warning) = if needed {
        (Severity::Error, Severity::Warning)
    } else {
        (Severity::Info, Severity::Info)
    };
    let mut found = Vec::new();
    let hardware = &host.hardware;
    if let Some(message) = &hardware.driver_problem {
        let mut evidence = Vec::new();
        if host.nvidia.nouveau {
            evidence.push("the open-source driver nouveau controls the GPU: /sys/module/nouveau".to_owned());
        }
        evidence.extend(hardware.nvidia_driver.iter().map(|version| format!("driver {version}")));
        found.push(finding(problem, message.clone(), evidence, remedy(host, message)));
    }
    if let Some(message) = &hardware.driver_warning {
        found.push(finding(warning, message.clone(), Vec::new(), "nvidia-smi".to_owned()));
    }
    if let Some(path) = &host.nvidia.driver_in_wsl {
        let message = "a driver that was installed inside WSL hides the Windows driver".to_owned();
        let remedy = "remove it: sudo apt-get purge 'libnvidia-*' 'nvidia-driver-*'".to_owned();
        found.push(finding(warning, message, vec![path.display().to_string()], remedy));
    }
    if let Some(path) = host.nvidia.wsl_stub_missing.as_ref().filter(|_| needed) {
        let message = "the CUDA library of the Windows driver is missing in WSL".to_owned();
        let evidence = vec![format!("{} is missing", path.display())];
        let remedy = "install NVIDIA's driver on Windows, then in PowerShell: wsl --update; wsl --shutdown".to_owned();
        found.push(finding(Severity::Error, message, evidence, remedy));
    }
    if hardware.driver_problem.is_none() {
        found.extend(prefixes.iter().filter_map(|examined| check_prefix(host, examined)));
    }
    found
}

/// Reports a driver or a GPU that does not fit what an environment was created for.
fn check_prefix(host: &HostFacts, examined: &ExaminedPrefix) -> Option<Finding> {
    let major = examined.cuda?;
    let hardware = &host.hardware;
    if let Some(served) = hardware.served_cuda().filter(|served| served.major < major) {
        let least = Backends::table().least_driver(major, hardware.has_windows_driver());
        let message = format!(
            "the NVIDIA driver serves CUDA {served}, and {} is built for CUDA {major}",
            examined.name()
        );
        let evidence = hardware.nvidia_driver.iter().map(|driver| match least {
            Some(least) => format!("driver {driver}; CUDA {major} needs {least} or newer"),
            None => format!("driver {driver}"),
        });
        let remedy = match &examined.install_arguments {
            Some(typed) => {
                format!("update the driver, or install builds that it supports: matenv install {typed} --force")
            }
            None => "update the driver, or install builds that it supports".to_owned(),
        };
        return Some(finding(Severity::Error, message, evidence.collect(), remedy));
    }
    // Other changes, such as no GPU or another kind of GPU, use the same sentences as `run` and `list`.
    let made = examined.records.as_ref()?;
    let change = if host.described.is_some() {
        crate::certificate::lack(&made.certificate, hardware)?
    } else {
        crate::certificate::change(&made.certificate, hardware)?
    };
    let (message, mut remedy) = match change.rsplit_once(": ") {
        Some((what, remedy)) if remedy.starts_with("matenv ") => (what.to_owned(), remedy.to_owned()),
        _ => (change.clone(), "matenv hardware".to_owned()),
    };
    if let Some(typed) = examined.install_arguments.as_ref().filter(|_| host.described.is_some()) {
        remedy = format!("matenv install {typed} --force");
    }
    let message = format!("{}: {message}", examined.name());
    Some(finding(Severity::Error, message, Vec::new(), remedy))
}

fn remedy(host: &HostFacts, problem: &str) -> String {
    if problem.contains("CONDA_OVERRIDE_CUDA") {
        "unset CONDA_OVERRIDE_CUDA".to_owned()
    } else if host.nvidia.nouveau {
        "install NVIDIA's driver (sudo ubuntu-drivers install   or   sudo dnf install akmod-nvidia), then reboot"
            .to_owned()
    } else if problem.contains("--gpus all") {
        "docker run --gpus all …   or   apptainer exec --nv …".to_owned()
    } else {
        "sudo reboot, then: nvidia-smi".to_owned()
    }
}

fn finding(severity: Severity, message: String, evidence: Vec<String>, remedy: String) -> Finding {
    Finding::new(Code::DriverTrouble, severity, Scope::Host, message)
        .with_evidence(evidence)
        .with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        TargetMachine,
        tests::{gpu_environment, host},
    };

    fn machine(driver: &str, cuda: &str, capability: &str) -> HostFacts {
        let mut host = host();
        host.hardware = serde_json::from_value(serde_json::json!({
            "schema": 1, "triple": "x86_64-unknown-linux-gnu", "nvidia_driver": driver, "cuda_driver": cuda,
            "cpu": { "cores": 8, "features": ["avx", "avx2"] },
            "gpus": [{ "vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090", "compute_capability": capability }]
        }))
        .expect("a machine");
        host
    }

    #[test]
    fn a_machine_that_fits_its_environments_has_no_finding() {
        assert_eq!(detect(&host(), &[]), []);
        assert_eq!(detect(&machine("580.65.06", "13.0", "8.9"), &[gpu_environment()]), []);
    }

    #[test]
    fn a_driver_or_a_gpu_that_is_too_old_is_reported_with_what_is_needed() {
        let found = detect(&machine("535.183.01", "12.2", "8.9"), &[gpu_environment()]);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME050 the NVIDIA driver serves CUDA 12.2, and sleap is built for CUDA 13
          driver 535.183.01; CUDA 13 needs 580 or newer
          do: update the driver, or install builds that it supports: matenv install sleap --force
        ");
        let found = detect(&machine("580.65.06", "13.0", "6.1"), &[gpu_environment()]);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME050 sleap: proven for compute capability 8.9; this node's NVIDIA GeForce RTX 4090 has 6.1
          do: matenv install sleap --profile gpu --force
        ");
        assert_eq!(
            detect(&machine("535.183.01", "12.2", "6.1"), &[]),
            [],
            "no environment needs it"
        );
    }

    #[test]
    fn a_described_machine_is_judged_only_by_what_it_lacks() {
        let described = |mut host: HostFacts| {
            host.described = Some(TargetMachine {
                hardware: host.hardware.clone(),
                file: "rig.json".into(),
            });
            host
        };
        let another_kind = described(machine("580.65.06", "13.0", "9.0"));
        assert_eq!(
            detect(&another_kind, &[gpu_environment()]),
            [],
            "ME016 reports missing code"
        );
        // The install options for the machine of the file.
        let mut examined = gpu_environment();
        let made = examined.records.clone().expect("created by matenv");
        let of_file = |host: &HostFacts, cross| host.described.as_ref().map(|file| file.typed(&made.plan, cross));
        let good = described(machine("580.65.06", "13.0", "8.9"));
        assert_eq!(detect(&good, &[examined.clone()]), []);
        let mut without = machine("580.65.06", "13.0", "8.9");
        without.hardware.gpus = Some(Vec::new());
        let without = described(without);
        examined.install_arguments = of_file(&without, true);
        let found = detect(&without, &[examined.clone()]);
        insta::assert_snapshot!(found[0].render(), @r#"
        [error] ME050 sleap: proven for GPU; that machine has no NVIDIA GPU
          do: matenv install sleap --hardware "rig.json" --cross --force
        "#);
        // The environment that works here must not be replaced by one for the other machine.
        let old = described(machine("535.183.01", "12.2", "8.9"));
        examined.install_arguments = of_file(&old, false);
        insta::assert_snapshot!(detect(&old, &[examined])[0].render(), @r#"
        [error] ME050 the NVIDIA driver serves CUDA 12.2, and sleap is built for CUDA 13
          driver 535.183.01; CUDA 13 needs 580 or newer
          do: update the driver, or install builds that it supports: matenv install sleap --name sleap-there --profile gpu --hardware "rig.json" --cross --force
        "#);
    }

    #[test]
    fn a_mismatch_blocks_only_environments_that_use_the_gpu() {
        let mut host = machine("580.65.06", "13.0", "8.9");
        host.hardware.driver_problem = Some("a reboot is due".to_owned());
        assert_eq!(detect(&host, &[])[0].severity, Severity::Info);
        assert_eq!(detect(&host, &[gpu_environment()])[0].severity, Severity::Error);
        host.nvidia.nouveau = true;
        insta::assert_snapshot!(detect(&host, &[])[0].render(), @"
        [info] ME050 a reboot is due
          the open-source driver nouveau controls the GPU: /sys/module/nouveau
          driver 580.65.06
          do: install NVIDIA's driver (sudo ubuntu-drivers install   or   sudo dnf install akmod-nvidia), then reboot
        ");
    }
}
