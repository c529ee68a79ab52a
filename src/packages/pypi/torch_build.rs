//! A torch that comes from PyPI instead of the torch index: which build it is, and whether the planned machine runs it.

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

/// The finding about a torch that comes from PyPI: an error where the planned hardware does not run its build.
pub(super) fn backend_differs(plan: &Plan, wheels: &[LockedWheel]) -> Option<Finding> {
    let torch = wheels.iter().find(|wheel| wheel.name == "torch")?;
    let planned = Backends::table().get(&plan.backend).and_then(|row| row.cuda);
    let built = cuda_of(&torch.version, wheels);
    let asked = format!("the backend `{}` was asked for", plan.backend);
    let (severity, message) = match (&built, planned) {
        (None, None) => return None,
        (Some((_, built)), Some(planned)) if *built == planned => return None,
        (None, Some(_)) => (
            Severity::Error,
            format!("torch {} is PyPI's build without CUDA, {asked}", torch.version),
        ),
        (Some((package, built)), None) => (
            Severity::Info,
            format!(
                "torch {} is PyPI's build for CUDA {built} ({package}), {asked}; it runs on a processor too and is only larger",
                torch.version
            ),
        ),
        (Some((package, built)), Some(planned)) => {
            let it = format!(
                "torch {} is PyPI's build for CUDA {built} ({package}), {asked}",
                torch.version
            );
            match misfit(plan, &torch.version, *built, planned) {
                Some(why) => (Severity::Error, format!("{it}; {why}")),
                None => (Severity::Info, format!("{it}; the planned machine runs both")),
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

/// Why the planned machine does not run a build for another CUDA.
fn misfit(plan: &Plan, torch: &str, built: CudaVersion, planned: CudaVersion) -> Option<String> {
    if built.major != planned.major {
        return Some(format!("the driver and ONNX Runtime are for CUDA {}", planned.major));
    }
    // PyPI's build is that of the torch index's backend of the same name.
    let row = Backends::table()
        .on_cuda()
        .into_iter()
        .find_map(|(row, cuda)| (cuda == built).then_some(row))?;
    let code = row.code(&torch.parse::<Version>().ok()?, &plan.subdir)?;
    let mut cards = plan.cards.iter();
    let without = cards.find(|card| card.served_by(&code.sass, &code.ptx) == CodeSupport::Nothing)?;
    Some(format!("it holds no code for {}", without.sm()))
}

/// The package that tells torch's CUDA version, and that version.
fn cuda_of(torch: &str, wheels: &[LockedWheel]) -> Option<(String, CudaVersion)> {
    // Those of older builds first: the stack asks for cuda-toolkit itself.
    const TELLING: [&str; 4] = [
        "nvidia-cuda-runtime-cu11",
        "nvidia-cuda-runtime-cu12",
        "cuda-toolkit",
        "nvidia-cuda-runtime",
    ];
    let told = TELLING
        .iter()
        .filter_map(|name| wheels.iter().find(|wheel| wheel.name == *name))
        .filter_map(|wheel| Some((wheel.name.clone(), wheel.version.parse::<CudaVersion>().ok()?)));
    // The stack, or another package, may ask for one of them as well: of another major it is not torch's.
    let known = known_major(torch);
    let mut own = told.filter(|(_, version)| known.is_none_or(|major| major == version.major));
    own.next()
}

/// The CUDA major of a release of torch as PyPI serves it.
fn known_major(torch: &str) -> Option<u32> {
    let torch = torch.parse::<Version>().ok()?;
    let rows = Stacks::table().torch();
    rows.iter().find(|row| row.version == torch).map(|row| row.cuda.major)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        context::sources::SourceName, hardware::Hardware, manifest::Manifests, names::ProfileName, plan,
        profile::Profiles,
    };

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
        let manifests = Manifests::load(None).expect("sound");
        let sleap = manifests.get("sleap").expect("there");
        plan::plan(sleap, &Profiles::load().expect("sound"), &hardware, &request).expect("a plan")
    }

    fn found(plan: &Plan, torch: &str, more: &[(&str, &str)]) -> Option<(Severity, String)> {
        let set: Vec<LockedWheel> = [("torch", torch)]
            .iter()
            .chain(more)
            .map(|(name, version)| LockedWheel {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                file: format!("{name}-{version}-py3-none-any.whl"),
                source: SourceName::Pypi,
                url: None,
                sha256: "0".repeat(64),
                size: None,
            })
            .collect();
        backend_differs(plan, &set).map(|finding| (finding.severity, finding.message))
    }

    #[test]
    fn on_a_processor_every_build_runs() {
        let cpu = planned(ProfileName::Cpu, "8.9");
        assert_eq!(found(&cpu, "2.15.0", &[]), None);
        let (severity, message) = found(&cpu, "2.15.0", &[("cuda-toolkit", "13.2.2")]).expect("a finding");
        assert_eq!(severity, Severity::Info);
        assert!(message.contains("CUDA 13.2"), "{message}");
    }

    #[test]
    fn another_minor_version_is_worth_knowing() {
        let gpu = planned(ProfileName::Gpu, "8.9");
        assert_eq!(found(&gpu, "2.14.1", &[("cuda-toolkit", "13.0.2")]), None);
        let (severity, message) = found(&gpu, "2.15.0", &[("cuda-toolkit", "13.2.2")]).expect("a finding");
        assert_eq!(severity, Severity::Info, "{message}");
    }

    #[test]
    fn a_build_that_the_machine_does_not_run_is_an_error() {
        let pascal = planned(ProfileName::Gpu, "6.1");
        assert_eq!(pascal.backend.as_str(), "cu126");
        for (torch, more, words) in [
            (
                "2.10.0",
                &[("nvidia-cuda-runtime-cu12", "12.8.90")][..],
                "no code for sm_61",
            ),
            ("2.15.0", &[("cuda-toolkit", "13.2.2")], "are for CUDA 12"),
            ("2.10.0", &[], "without CUDA"),
        ] {
            let (severity, message) = found(&pascal, torch, more).expect("a finding");
            assert_eq!(severity, Severity::Error, "{message}");
            assert!(message.contains(words), "{message}");
        }
    }

    /// The stack asks for cuda-toolkit, so it was taken for torch's own where PyPI's torch was for CUDA 12.
    #[test]
    fn what_others_ask_for_is_not_taken_for_torchs_cuda() {
        let gpu = planned(ProfileName::Gpu, "8.9");
        let both = [("cuda-toolkit", "13.0.2"), ("nvidia-cuda-runtime-cu12", "12.8.90")];
        for torch in ["2.9.1", "2.9.9"] {
            let (severity, message) = found(&gpu, torch, &both).expect("a finding");
            assert_eq!(severity, Severity::Error, "{message}");
            assert!(message.contains("CUDA 12.8 (nvidia-cuda-runtime-cu12)"), "{message}");
        }
        assert_eq!(found(&gpu, "2.14.1", &both), None, "torch 2.14 is for CUDA 13");
    }
}
