//! `undefined symbol: ncclAlltoAll`, with two `nvidia-nccl-cuNN`, or CUDA libraries of two major versions, in one environment
//!
//! `pip install` added NVIDIA packages for another CUDA version to those that torch needs. Both NCCL packages
//! install `nvidia/nccl/lib/libnccl.so.2`, and the one that was unpacked last wins:
//! `undefined symbol: ncclAlltoAll`. There are two other forms: NCCL is not the release that torch's metadata
//! pins, or TensorRT has another major version than ONNX Runtime needs.
//!
//! Remedy: run `matenv repair ENV`.

use crate::{
    audit::{
        Distribution, Inventory, Owner,
        installers::{self, Installers, then},
    },
    finding::{Code, Finding, Scope, Severity},
    lock::{Fault, WheelConflict, WheelRef, conflicts, cuda_major},
    names::{ProfileName, requirement::allows},
    profile::stack::Stacks,
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let parties: Vec<WheelRef> = inventory.installed.distributions.iter().map(party).collect();
    let mut found: Vec<WheelConflict> = conflicts(&parties);
    let two_nccl = found.iter().any(|one| one.fault == Fault::TwoNccl);
    found.retain(|one| match one.fault {
        Fault::TwoNccl => true,
        // The finding on the two NCCL packages already says it.
        Fault::TwoCudaMajors => !(two_nccl && [&one.first, &one.second].iter().any(|party| is_nccl(&party.name))),
        // Other profiles do not load TensorRT.
        Fault::OtherTensorRt { .. } => inventory.profile == ProfileName::GpuTrt,
        // torch's own metadata is available here (`other_nccl`). The others have their own faults.
        Fault::OtherNccl | Fault::TwoOnnxRuntimes | Fault::TorchPair => false,
    });
    found.extend(other_nccl(inventory));
    found
        .into_iter()
        .map(|one| {
            let evidence = [one.first.to_string(), one.second.to_string()];
            let message = format!("{} and {} are incompatible: {}", evidence[0], evidence[1], one.fault);
            Finding::new(Code::CudaPackagesDisagree, Severity::Error, Scope::Environment, message)
                .with_evidence(evidence)
                .with_remedy(inventory.remedy(|by| remedy(&one, inventory, by)))
        })
        .collect()
}

fn party(distribution: &Distribution) -> WheelRef {
    WheelRef::new(distribution.name.as_ref(), distribution.version.to_string())
}

/// Returns the commands for a prefix without a lock.
fn remedy(one: &WheelConflict, inventory: &Inventory, by: &Installers<'_>) -> String {
    match one.fault {
        Fault::TwoNccl | Fault::OtherNccl => nccl_of_torch(inventory, by),
        Fault::OtherTensorRt { needed } => by.answer(&[major(&one.second.name, needed)], None),
        Fault::TwoCudaMajors => one_cuda(inventory, by),
        Fault::TwoOnnxRuntimes | Fault::TorchPair => String::new(),
    }
}

/// Returns a requirement such as `cuda-toolkit>=13,<14`.
fn major(name: &str, major: u64) -> String {
    format!("{name}>={major},<{}", major + 1)
}

/// Returns the commands that leave only the NCCL that torch's metadata pins. All NCCL packages install the same file.
pub(super) fn nccl_of_torch(inventory: &Inventory, by: &Installers<'_>) -> String {
    let torch = inventory.get("torch");
    let pin = torch.and_then(|torch| torch.requires.iter().find(|needs| is_nccl(needs.name.as_ref())));
    let others = inventory.installed.distributions.iter().filter(|one| {
        let name = one.name.as_ref();
        is_nccl(name) && pin.is_none_or(|pin| pin.name.as_ref() != name)
    });
    let others: Vec<Owner> = others.map(|one| by.owner_of(one)).collect();
    match (pin, torch) {
        (Some(pin), _) => then([by.without(&others), by.exactly(&[installers::wanted(pin)], None)]),
        // This torch contains its own NCCL.
        (None, Some(torch)) => then([by.without(&others), by.again([&by.owner_of(torch)])]),
        (None, None) => by.without(others.iter().skip(1)),
    }
}

/// Returns the commands that leave the packages of one CUDA version: that of torch, of ONNX Runtime, or the newest.
/// Removing a package also removes files that others share with it, so those are installed again.
fn one_cuda(inventory: &Inventory, by: &Installers<'_>) -> String {
    let all: Vec<(&Distribution, u64)> = inventory
        .installed
        .distributions
        .iter()
        .filter_map(|one| Some((one, cuda_major(&party(one))?)))
        .collect();
    let of = |name: &str| {
        all.iter()
            .find(|(one, _)| one.name.as_ref() == name)
            .map(|(_, major)| *major)
    };
    let of_torch = inventory.get("torch").and_then(|torch| {
        let mut needs = torch
            .requires
            .iter()
            .map(|needs| WheelRef::new(needs.name.as_ref(), ""));
        needs.find_map(|needs| cuda_major(&needs))
    });
    let newest = || all.iter().map(|(_, major)| *major).max();
    let Some(kept) = of_torch.or_else(|| of("onnxruntime-gpu")).or_else(newest) else {
        return String::new();
    };
    // For another CUDA, `nvidia-cudnn-cu12` has another name; `cuda-toolkit` and ONNX Runtime have another version.
    let stem = |name: &str| name.rsplit_once("-cu").map(|(stem, _)| stem.to_owned());
    let (named, versioned): (Vec<&Distribution>, Vec<&Distribution>) = all
        .iter()
        .filter(|(_, major)| *major != kept)
        .map(|(one, _)| *one)
        .partition(|one| stem(one.name.as_ref()).is_some());
    let gone: Vec<Owner> = named.iter().map(|one| by.owner_of(one)).collect();
    let stems: Vec<String> = named.iter().filter_map(|one| stem(one.name.as_ref())).collect();
    let overwritten: Vec<Owner> = all
        .iter()
        .filter(|(one, major)| *major == kept && stem(one.name.as_ref()).is_some_and(|stem| stems.contains(&stem)))
        .map(|(one, _)| by.owner_of(one))
        .collect();
    let releases = versioned.iter().map(|one| match one.name.as_ref() {
        name @ "onnxruntime-gpu" => {
            let known = u32::try_from(kept)
                .ok()
                .and_then(|kept| Stacks::table().releases(name, kept).next());
            known.map_or_else(|| name.to_owned(), |(range, _)| format!("{name}{range}"))
        }
        name => major(name, kept),
    });
    let releases: Vec<String> = releases.collect();
    then([by.without(&gone), by.again(&overwritten), by.answer(&releases, None)])
}

pub(super) fn is_nccl(name: &str) -> bool {
    name.starts_with("nvidia-nccl-cu")
}

/// Returns the installed NCCL as a disagreement if torch's metadata pins another release.
fn other_nccl(inventory: &Inventory) -> Option<WheelConflict> {
    let torch = inventory.get("torch")?;
    let pin = torch.requires.iter().find(|needs| is_nccl(needs.name.as_ref()))?;
    let there = inventory.get(pin.name.as_ref())?;
    (!allows(pin, &there.version)).then(|| WheelConflict {
        fault: Fault::OtherNccl,
        first: party(torch),
        second: party(there),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORCH: &str =
        "Name: torch\nVersion: 2.15.0\nRequires-Dist: nvidia-nccl-cu13==2.30.7; platform_system == \"Linux\"\n";

    fn found(others: &[(&str, &str)]) -> Vec<Finding> {
        let mut texts = vec![TORCH.to_owned()];
        texts.extend(
            others
                .iter()
                .map(|(name, version)| format!("Name: {name}\nVersion: {version}\n")),
        );
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        detect(&Inventory::from_metadata(&texts))
    }

    #[test]
    fn the_packages_that_torch_requires_have_no_finding() {
        assert_eq!(
            found(&[
                ("nvidia-nccl-cu13", "2.30.7"),
                ("nvidia-cudnn-cu13", "9.26.0.51"),
                ("nvidia-cufft", "12.2.0.57"),
                ("cuda-toolkit", "13.2.2"),
            ]),
            []
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
        insta::assert_snapshot!(two[0].render(), @"
        [error] ME025 nvidia-nccl-cu12 2.27.5 and nvidia-nccl-cu13 2.30.7 are incompatible: both install nvidia/nccl/lib/libnccl.so.2, and one overwrites the other
          nvidia-nccl-cu12 2.27.5
          nvidia-nccl-cu13 2.30.7
          do: matenv repair sleap
        ");
        let other = found(&[("nvidia-nccl-cu13", "2.29.7")]);
        insta::assert_snapshot!(other[0].render(), @"
        [error] ME025 torch 2.15.0 and nvidia-nccl-cu13 2.29.7 are incompatible: torch's metadata pins another NCCL: importing torch fails with undefined symbols (ncclAlltoAll)
          torch 2.15.0
          nvidia-nccl-cu13 2.29.7
          do: matenv repair sleap
        ");
        let majors = found(&[("nvidia-cudnn-cu12", "9.26.0.51"), ("nvidia-nccl-cu13", "2.30.7")]);
        insta::assert_snapshot!(majors[0].render(), @"
        [error] ME025 nvidia-cudnn-cu12 9.26.0.51 and nvidia-nccl-cu13 2.30.7 are incompatible: they are for two CUDA majors
          nvidia-cudnn-cu12 9.26.0.51
          nvidia-nccl-cu13 2.30.7
          do: matenv repair sleap
        ");
    }
}
