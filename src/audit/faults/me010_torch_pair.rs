//! `RuntimeError: operator torchvision::nms does not exist`
//!
//! torch and torchvision come from different builds. For example, one is from PyPI and the other from the
//! torch index, or they are for two CUDA versions. torchvision can also be built for another torch release
//! or another C++ ABI (`undefined symbol: _ZN3c10…`). Both must come from the same index.
//!
//! Remedy: run `matenv repair ENV`. It installs both again from the source in the lock.

use super::capped;
use crate::{
    audit::{
        Distribution, Inventory,
        installers::{Installers, then, torch_index, without_local},
    },
    finding::{Code, Finding, Scope, Severity},
    names::requirement::allows,
    profile::stack::{Stacks, TorchRow},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let (Some(torch), Some(vision)) = (inventory.get("torch"), inventory.get("torchvision")) else {
        return Vec::new();
    };
    // torchvision's own metadata pins the torch that it was built against.
    let pinned = vision.requires.iter().find(|needs| needs.name.as_ref() == "torch");
    let pin_holds = pinned.is_none_or(|needs| allows(needs, &torch.version));
    // Symbols show what versions do not: another C++ ABI, or a local build.
    let lacking = inventory.missing_torch_symbols.as_ref();
    if torch.version.local() == vision.version.local() && pin_holds && lacking.is_none() {
        return Vec::new();
    }
    let mut evidence = vec![
        format!("torch {}", torch.version),
        format!("torchvision {}", vision.version),
    ];
    evidence.extend(
        pinned
            .filter(|_| !pin_holds)
            .map(|needs| format!("torchvision needs {needs}")),
    );
    evidence.extend(lacking.into_iter().flat_map(|lacking| {
        let path = inventory.short(&lacking.path);
        let lines = lacking
            .symbols
            .iter()
            .map(move |symbol| format!("{path}: undefined symbol: {symbol}"));
        capped(lines)
    }));
    vec![
        Finding::new(
            Code::TorchPairMismatch,
            Severity::Error,
            Scope::Environment,
            format!(
                "torch {} and torchvision {} come from different builds: operator torchvision::nms does not exist",
                torch.version, vision.version
            ),
        )
        .with_evidence(evidence)
        .with_remedy(inventory.remedy(|by| pair(by, torch, vision))),
    ]
}

/// Returns the commands that keep torch and install the torchvision that was built for it, from one index.
fn pair(by: &Installers<'_>, torch: &Distribution, vision: &Distribution) -> String {
    let (there, vision) = (by.owner_of(torch), by.owner_of(vision));
    if there.conda {
        let theirs = (!vision.conda).then(|| by.without([&vision]));
        return then(theirs.into_iter().chain([by.beside(&there, "torchvision")]));
    }
    let index = torch_index(&there.version);
    if index.is_none() && there.version.contains('+') {
        // No index has the builds of clusters and vendors. Their torchvision comes from the same unknown source.
        return String::new();
    }
    let version = there.version.as_str();
    let torch = format!("torch=={version}");
    let built_for = |row: &&TorchRow| row.version.to_string() == without_local(version);
    match Stacks::table().torch().iter().find(built_for) {
        Some(row) => by.exactly(&[torch, format!("torchvision=={}", row.torchvision)], index.as_deref()),
        // The resolver finds the right one, but only after the installed torchvision is removed: it would keep that.
        None => then([
            by.without([&vision]),
            by.answer(&[torch, "torchvision".to_owned()], index.as_deref()),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(torch: &str, vision: &str) -> Vec<Finding> {
        detect(&Inventory::from_metadata(&[
            &format!("Name: torch\nVersion: {torch}\n"),
            &format!("Name: torchvision\nVersion: {vision}\nRequires-Dist: torch (==2.15.0)\n"),
        ]))
    }

    #[test]
    fn a_pair_from_one_build_has_no_finding() {
        assert_eq!(found("2.15.0", "0.29.2"), []);
        assert_eq!(found("2.15.0+cpu", "0.29.2+cpu"), []);
    }

    #[test]
    fn another_release_or_another_build_is_an_error() {
        assert_eq!(found("2.14.1", "0.29.2").len(), 1);
        assert_eq!(found("2.15.0+cpu", "0.29.2").len(), 1);
        let two_builds = found("2.15.0+cpu", "0.29.2+cu130");
        assert_eq!(two_builds.len(), 1);
        insta::assert_snapshot!(two_builds[0].render(), @"
        [error] ME010 torch 2.15.0+cpu and torchvision 0.29.2+cu130 come from different builds: operator torchvision::nms does not exist
          torch 2.15.0+cpu
          torchvision 0.29.2+cu130
          do: matenv repair sleap
        ");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn symbols_that_torch_lacks_are_an_error_even_if_the_versions_match() {
        use crate::{audit::fixtures::Prefix, binary::fixtures::Shared};
        let prefix = Prefix::new();
        let install = |exported: &[&str]| {
            let vision = Shared {
                undefined: &["_ZN3c105ErrorC1ESs", "aoti_torch_abi_version", "malloc"],
                ..Shared::default()
            };
            let torch = Shared {
                exported,
                ..Shared::default()
            };
            prefix.wheel("torch", "2.15.0", &[("torch/lib/libc10.so", &torch.bytes())]);
            prefix.wheel("torchvision", "0.29.2", &[("torchvision/_C.so", &vision.bytes())]);
            detect(&prefix.inventory())
        };
        assert_eq!(install(&["_ZN3c105ErrorC1ESs", "aoti_torch_abi_version"]), []);
        let found = install(&["_ZN3c105ErrorC1ENSt7__cxx1112basic_stringE", "aoti_torch_abi_version"]);
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME010 torch 2.15.0 and torchvision 0.29.2 come from different builds: operator torchvision::nms does not exist
          torch 2.15.0
          torchvision 0.29.2
          torchvision/_C.so: undefined symbol: _ZN3c105ErrorC1ESs
          do: uv pip install --reinstall --no-deps torch==2.15.0 torchvision==0.29.2 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }
}
