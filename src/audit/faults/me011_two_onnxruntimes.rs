//! `['AzureExecutionProvider', 'CPUExecutionProvider']` although onnxruntime-gpu is installed
//!
//! onnxruntime and onnxruntime-gpu install into the same folder. The package that was unpacked last overwrote
//! the other, and half of the other package is still there. Only one of them can stay.
//!
//! Remedy: run `matenv repair ENV`. It keeps the package that is in the lock.

use crate::{
    audit::{Inventory, Owner},
    finding::{Code, Finding, Scope, Severity},
    profile::stack::Stacks,
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let flavors = Stacks::table().onnxruntime();
    let there: Vec<_> = flavors.iter().filter_map(|name| inventory.get(name)).collect();
    if there.len() < 2 {
        return Vec::new();
    }
    let evidence = there
        .iter()
        .map(|distribution| format!("{} {}", distribution.name, distribution.version));
    vec![
        Finding::new(
            Code::TwoOnnxRuntimes,
            Severity::Error,
            Scope::Environment,
            "two ONNX Runtime packages install into the folder `onnxruntime`: one overwrote the other",
        )
        .with_evidence(evidence)
        .with_remedy(inventory.remedy(|by| {
            let owners: Vec<Owner> = there.iter().map(|one| by.owner_of(one)).collect();
            // Other packages require the plain one. The other one was chosen by the user, so it stays.
            let chosen = owners.iter().find(|owner| owner.name != "onnxruntime");
            chosen.map_or_else(String::new, |chosen| by.only(chosen, &owners))
        })),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_package_is_fine_and_two_are_an_error() {
        let cpu = "Name: onnxruntime\nVersion: 1.32.0\n";
        let gpu = "Name: onnxruntime-gpu\nVersion: 1.31.1\n";
        let tools = "Name: onnxruntime-extensions\nVersion: 0.14.0\n";
        assert_eq!(detect(&Inventory::from_metadata(&[cpu, tools])), []);
        let found = detect(&Inventory::from_metadata(&[cpu, gpu]));
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME011 two ONNX Runtime packages install into the folder `onnxruntime`: one overwrote the other
          onnxruntime 1.32.0
          onnxruntime-gpu 1.31.1
          do: matenv repair sleap
        ");
        // The resolver's check knew more of these packages than this one.
        for other in ["training", "migraphx", "webgpu"] {
            let other = format!("Name: onnxruntime-{other}\nVersion: 1.19.2\n");
            assert_eq!(detect(&Inventory::from_metadata(&[cpu, &other])).len(), 1, "{other}");
        }
    }
}
