//! `undefined symbol: ncclAlltoAll`, with two `nvidia-nccl-cuNN`, or CUDA libraries of two major versions, in one environment
//!
//! `pip install` of something brought NVIDIA's packages of another CUDA version beside those that torch needs. Both install
//! `nvidia/nccl/lib/libnccl.so.2`, and the one that was unpacked last wins: `undefined symbol: ncclAlltoAll`. Or NCCL is not
//! the release that torch's metadata pins. Or TensorRT is of another major version than ONNX Runtime needs.
//!
//! Remedy: `matenv repair ENV`.

use pep508_rs::VersionOrUrl;

use super::Code;
use crate::{
    audit::Inventory,
    doctor::{Finding, Scope, Severity},
    names::ProfileName,
    pypi::{Disagreement, Fault, Party, contradictions},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let parties: Vec<Party> = inventory
        .distributions
        .iter()
        .map(|distribution| Party::new(distribution.name.as_ref(), distribution.version.to_string()))
        .collect();
    let mut found: Vec<Disagreement> = contradictions(&parties);
    let two_nccl = found.iter().any(|one| one.fault == Fault::TwoNccl);
    found.retain(|one| match one.fault {
        Fault::TwoNccl => true,
        // NCCL's packages say it already.
        Fault::TwoCudaMajors => !(two_nccl && [&one.first, &one.second].iter().any(|party| is_nccl(&party.name))),
        // Without that profile nothing loads TensorRT.
        Fault::OtherTensorRt { .. } => inventory.profile == ProfileName::GpuTrt,
        // torch's own metadata is at hand here; the others have faults of their own.
        Fault::OtherNccl | Fault::TwoOnnxRuntimes | Fault::TorchPair => false,
    });
    found.extend(other_nccl(inventory));
    found
        .into_iter()
        .map(|one| {
            let evidence = [one.first.to_string(), one.second.to_string()];
            let message = format!("{} and {} do not go together: {}", evidence[0], evidence[1], one.fault);
            Finding::new(Code::CudaPackagesDisagree, Severity::Error, Scope::Environment, message)
                .with_evidence(evidence)
                .with_remedy(inventory.again())
        })
        .collect()
}

pub(super) fn is_nccl(name: &str) -> bool {
    name.starts_with("nvidia-nccl-cu")
}

/// NCCL as installed, if torch's metadata pins another release of it.
fn other_nccl(inventory: &Inventory) -> Option<Disagreement> {
    let torch = inventory.get("torch")?;
    let pin = torch.requires.iter().find(|needs| is_nccl(needs.name.as_ref()))?;
    let there = inventory.get(pin.name.as_ref())?;
    let Some(VersionOrUrl::VersionSpecifier(specifiers)) = &pin.version_or_url else {
        return None;
    };
    (!specifiers.contains(&there.version)).then(|| Disagreement {
        fault: Fault::OtherNccl,
        first: Party::new("torch", torch.version.to_string()),
        second: Party::new(there.name.as_ref(), there.version.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORCH: &str =
        "Name: torch\nVersion: 2.15.0\nRequires-Dist: nvidia-nccl-cu13==2.30.7; platform_system == \"Linux\"\n";

    fn found(others: &[(&str, &str)]) -> Vec<String> {
        let mut texts = vec![TORCH.to_owned()];
        texts.extend(
            others
                .iter()
                .map(|(name, version)| format!("Name: {name}\nVersion: {version}\n")),
        );
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        detect(&Inventory::of(&texts))
            .into_iter()
            .map(|one| one.message)
            .collect()
    }

    #[test]
    fn the_packages_that_torch_brings_raise_nothing() {
        assert_eq!(
            found(&[
                ("nvidia-nccl-cu13", "2.30.7"),
                ("nvidia-cudnn-cu13", "9.26.0.51"),
                ("nvidia-cufft", "12.2.0.57"),
                ("cuda-toolkit", "13.2.2"),
            ]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_second_nccl_and_another_release_and_a_second_cuda_are_errors() {
        let two = found(&[
            ("nvidia-nccl-cu12", "2.27.5"),
            ("nvidia-nccl-cu13", "2.30.7"),
            ("cuda-toolkit", "13.2.2"),
        ]);
        assert_eq!(two.len(), 1);
        assert!(two[0].contains("both install nvidia/nccl/lib/libnccl.so.2"), "{two:?}");
        let other = found(&[("nvidia-nccl-cu13", "2.29.7")]);
        assert!(
            other[0].starts_with("torch 2.15.0 and nvidia-nccl-cu13 2.29.7 do not go together"),
            "{other:?}"
        );
        let majors = found(&[("nvidia-cudnn-cu12", "9.26.0.51"), ("nvidia-nccl-cu13", "2.30.7")]);
        assert!(majors[0].ends_with("they are for two CUDA majors"), "{majors:?}");
    }
}
