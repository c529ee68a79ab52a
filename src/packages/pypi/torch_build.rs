//! Checks a torch from PyPI that replaces one from the torch index: which build it is, and whether the planned
//! hardware can run it.

use pep440_rs::Version;

use crate::{
    finding::{Code, Finding, Scope, Severity},
    lock::LockedWheel,
    plan::Plan,
    profile::{
        CodeSupport, CudaVersion,
        stack::{Backends, Stacks},
    },
};

/// Returns the finding about a torch from PyPI. It is an error if the planned hardware cannot run that build.
pub(super) fn backend_differs(plan: &Plan, wheels: &[LockedWheel]) -> Option<Finding> {
    let torch = wheels.iter().find(|wheel| wheel.name == "torch")?;
    let planned = Backends::table().get(&plan.backend).and_then(|row| row.cuda);
    let built = cuda_of(&torch.version, wheels);
    let asked = format!("but the backend `{}` was requested", plan.backend);
    let (severity, message) = match (&built, planned) {
        (None, None) => return None,
        (Some((_, built)), Some(planned)) if *built == planned => return None,
        (None, Some(_)) => (
            Severity::Error,
            format!("torch {} from PyPI is built without CUDA, {asked}", torch.version),
        ),
        (Some((package, built)), None) => (
            Severity::Info,
            format!(
                "torch {} from PyPI is built for CUDA {built} ({package}), {asked}; it also runs on a CPU but is larger",
                torch.version
            ),
        ),
        (Some((package, built)), Some(planned)) => {
            let it = format!(
                "torch {} from PyPI is built for CUDA {built} ({package}), {asked}",
                torch.version
            );
            match incompatibility(plan, &torch.version, *built, planned) {
                Some(why) => (Severity::Error, format!("{it}; {why}")),
                None => (Severity::Info, format!("{it}; the planned hardware runs both")),
            }
        }
    };
    let evidence = [
        Some(format!("torch {}", torch.version)),
        built.map(|(name, version)| format!("{name} {version}")),
    ];
    Some(
        Finding::new(Code::BackendDiffers, severity, Scope::Environment, message)
            .with_evidence(evidence.into_iter().flatten()),
    )
}

/// Returns why the planned hardware cannot run a build for another CUDA, or `None` if it can.
fn incompatibility(plan: &Plan, torch: &str, built: CudaVersion, planned: CudaVersion) -> Option<String> {
    if built.major != planned.major {
        return Some(format!("the driver and ONNX Runtime are for CUDA {}", planned.major));
    }
    // PyPI's build is the same as the torch index's build for that CUDA version.
    let row = Backends::table()
        .on_cuda()
        .into_iter()
        .find_map(|(row, cuda)| (cuda == built).then_some(row))?;
    let code = row.code(&torch.parse::<Version>().ok()?, &plan.subdir)?;
    let mut cards = plan.cards.iter();
    let without = cards.find(|card| card.supported_by(&code.sass, &code.ptx) == CodeSupport::Nothing)?;
    Some(format!("it holds no code for {}", without.sm()))
}

/// Returns the package that determines torch's CUDA version, and that version.
fn cuda_of(torch: &str, wheels: &[LockedWheel]) -> Option<(String, CudaVersion)> {
    // Packages of older builds come first, because the stack itself requires cuda-toolkit.
    const CUDA_PACKAGES: [&str; 4] = [
        "nvidia-cuda-runtime-cu11",
        "nvidia-cuda-runtime-cu12",
        "cuda-toolkit",
        "nvidia-cuda-runtime",
    ];
    let candidates = CUDA_PACKAGES
        .iter()
        .filter_map(|name| wheels.iter().find(|wheel| wheel.name == *name))
        .filter_map(|wheel| Some((wheel.name.clone(), wheel.version.parse::<CudaVersion>().ok()?)));
    // The stack or another package may require one of them too. With another CUDA major it does not belong to torch.
    let known = known_major(torch);
    let mut own = candidates.filter(|(_, version)| known.is_none_or(|major| major == version.major));
    own.next()
}

/// Returns the CUDA major of PyPI's build of a torch release.
fn known_major(torch: &str) -> Option<u32> {
    let torch = torch.parse::<Version>().ok()?;
    let rows = Stacks::table().torch();
    rows.iter().find(|row| row.version == torch).map(|row| row.cuda.major)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hardware::Hardware, lock::fixtures, manifest::Manifests, names::ProfileName, plan, profile::Profiles};

    fn planned(profile: ProfileName, card: &str) -> Plan {
        let hardware: Hardware = serde_json::from_value(serde_json::json!({
            "schema": 1, "triple": "x86_64-unknown-linux-gnu", "cuda_driver": "13.0",
            "gpus": [{ "vendor": "nvidia", "compute_capability": card }]
        }))
        .expect("a hardware file");
        let request = plan::Request {
            profile: Some(profile),
            ..plan::Request::default()
        };
        let manifests = Manifests::load(None).expect("valid");
        let sleap = manifests.get("sleap").expect("there");
        plan::plan(sleap, &Profiles::load().expect("valid"), &hardware, &request).expect("a plan")
    }

    fn found(plan: &Plan, torch: &str, more: &[(&str, &str)]) -> Option<Finding> {
        let set = fixtures::wheels(&[&[("torch", torch)], more].concat());
        backend_differs(plan, &set)
    }

    #[test]
    fn every_build_runs_on_a_cpu() {
        let cpu = planned(ProfileName::Cpu, "8.9");
        assert_eq!(found(&cpu, "2.15.0", &[]), None);
        let finding = found(&cpu, "2.15.0", &[("cuda-toolkit", "13.2.2")]).expect("a finding");
        insta::assert_snapshot!(finding.render(), @"
        [info] ME014 torch 2.15.0 from PyPI is built for CUDA 13.2 (cuda-toolkit), but the backend `cpu` was requested; it also runs on a CPU but is larger
          torch 2.15.0
          cuda-toolkit 13.2
        ");
    }

    #[test]
    fn another_cuda_minor_version_is_an_info_finding() {
        let gpu = planned(ProfileName::Gpu, "8.9");
        assert_eq!(found(&gpu, "2.14.1", &[("cuda-toolkit", "13.0.2")]), None);
        let finding = found(&gpu, "2.15.0", &[("cuda-toolkit", "13.2.2")]).expect("a finding");
        insta::assert_snapshot!(finding.render(), @"
        [info] ME014 torch 2.15.0 from PyPI is built for CUDA 13.2 (cuda-toolkit), but the backend `cu130` was requested; the planned hardware runs both
          torch 2.15.0
          cuda-toolkit 13.2
        ");
    }

    #[test]
    fn a_build_that_the_hardware_cannot_run_is_an_error() {
        let pascal = planned(ProfileName::Gpu, "6.1");
        assert_eq!(pascal.backend.as_str(), "cu126");
        for (torch, more, expected) in [
            (
                "2.10.0",
                &[("nvidia-cuda-runtime-cu12", "12.8.90")][..],
                "no code for sm_61",
            ),
            ("2.15.0", &[("cuda-toolkit", "13.2.2")], "are for CUDA 12"),
            ("2.10.0", &[], "without CUDA"),
        ] {
            let finding = found(&pascal, torch, more).expect("a finding");
            assert!(finding.blocks(), "{finding:?}");
            assert!(finding.message.contains(expected), "{finding:?}");
        }
    }

    /// Bug: the stack requires cuda-toolkit, and it was mistaken for torch's own although PyPI's torch was for CUDA 12.
    #[test]
    fn requirements_of_other_packages_do_not_determine_torchs_cuda() {
        let gpu = planned(ProfileName::Gpu, "8.9");
        let both = [("cuda-toolkit", "13.0.2"), ("nvidia-cuda-runtime-cu12", "12.8.90")];
        for torch in ["2.9.1", "2.9.9"] {
            let finding = found(&gpu, torch, &both).expect("a finding");
            assert!(finding.blocks(), "{finding:?}");
            assert!(
                finding.message.contains("CUDA 12.8 (nvidia-cuda-runtime-cu12)"),
                "{finding:?}"
            );
        }
        assert_eq!(found(&gpu, "2.14.1", &both), None, "torch 2.14 is for CUDA 13");
    }
}
