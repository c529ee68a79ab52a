//! `ImportError: cannot import name 'MISSING' from 'omegaconf'`, or other packages that do not fit each other
//!
//! An installed package requires another package that is missing or has the wrong version. Something was
//! installed or removed by hand, or an installation was interrupted.
//!
//! Remedy: run `matenv repair ENV`. To keep another version, add it in the lab's folder:
//! `matenv add ENV "numpy<2"`.

use super::{capped, me025_cuda_packages_disagree::is_nccl};
use crate::{
    audit::{Distribution, Inventory, Substitute, installers},
    finding::{Code, Finding, Scope, Severity},
    names::requirement::allows,
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let mut unsatisfied = Vec::new();
    let mut lacking = Vec::new();
    for distribution in &inventory.installed.distributions {
        for needs in &distribution.requires {
            // Like `uv pip check`: it is unknown which extras were requested.
            if !needs.evaluate_markers(&inventory.installed.markers, &[]) {
                continue;
            }
            if is_reported_by_another_fault(inventory, distribution.name.as_ref(), needs.name.as_ref()) {
                continue;
            }
            let wanted = format!("{} {} needs {needs}", distribution.name, distribution.version);
            let there = find_provider(inventory, needs.name.as_ref());
            let line = match there {
                None => format!("{wanted}, which is missing"),
                Some(there) if !allows(needs, &there.version) => {
                    format!("{wanted}, but {} is installed", there.version)
                }
                Some(_) => continue,
            };
            unsatisfied.push(line);
            let mut asked = installers::wanted(needs);
            if let Some(there) = there {
                asked = asked.replacen(needs.name.as_ref(), there.name.as_ref(), 1);
            }
            if !lacking.contains(&asked) {
                lacking.push(asked);
            }
        }
    }
    if unsatisfied.is_empty() {
        return Vec::new();
    }
    let message = match unsatisfied.as_slice() {
        [one] => one.clone(),
        [first, ..] => format!(
            "{} requirements are not satisfied; the first: {first}",
            unsatisfied.len()
        ),
        [] => String::new(),
    };
    vec![
        Finding::new(
            Code::RequirementUnsatisfied,
            Severity::Error,
            Scope::Environment,
            message,
        )
        .with_evidence(capped(unsatisfied))
        .with_remedy(inventory.remedy(|by| by.answer(&lacking, None))),
    ]
}

/// Returns the installed distribution of that name, or one that installs the same modules. Installing both would
/// overwrite files.
fn find_provider<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a Distribution> {
    inventory
        .get(name)
        .or_else(|| Substitute::names_for(name).find_map(|other| inventory.get(other)))
}

/// Checks whether another fault reports this requirement, with the error message that users see.
fn is_reported_by_another_fault(inventory: &Inventory, name: &str, needed: &str) -> bool {
    let pair = name == "torchvision" && needed == "torch";
    let nccl = name == "torch" && is_nccl(needed);
    (pair || nccl) && inventory.get(needed).is_some() || is_half_removed(inventory, needed)
}

/// Checks whether the distribution is half removed. ME033 reports that, with the command that installs it again.
fn is_half_removed(inventory: &Inventory, needed: &str) -> bool {
    let remains = inventory.installed.remains.iter();
    let mut names = remains.filter_map(|remains| remains.folder.strip_suffix(".dist-info")?.split('-').next());
    inventory.get(needed).is_none() && names.any(|name| name.to_lowercase().replace(['_', '.'], "-") == needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Leftover, LeftoverKind};

    #[test]
    fn missing_and_wrong_versions_are_reported_and_other_platforms_are_not() {
        let sleap_nn = "Name: sleap-nn\nVersion: 0.2.0\nRequires-Dist: omegaconf>=2.3\nRequires-Dist: hydra-core\n\
                        Requires-Dist: pywin32; sys_platform == 'win32' and os_name == 'none'\n\
                        Requires-Dist: tensorrt; extra == 'nn-tensorrt'\n";
        let old = "Name: omegaconf\nVersion: 1.4.1\n";
        let found = detect(&Inventory::from_metadata(&[sleap_nn, old]));
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME013 2 requirements are not satisfied; the first: sleap-nn 0.2.0 needs omegaconf>=2.3, but 1.4.1 is installed
          sleap-nn 0.2.0 needs omegaconf>=2.3, but 1.4.1 is installed
          sleap-nn 0.2.0 needs hydra-core, which is missing
          do: matenv repair sleap
        ");
        let good = "Name: omegaconf\nVersion: 2.3.0\n";
        let hydra = "Name: hydra-core\nVersion: 1.3.2\n";
        assert_eq!(detect(&Inventory::from_metadata(&[sleap_nn, good, hydra])), []);
    }

    /// Installing the second one as well would cause ME011, whose remedy removes it again.
    #[test]
    fn another_onnxruntime_package_satisfies_the_plain_one() {
        let needs = "Name: rembg\nVersion: 2.0\nRequires-Dist: onnxruntime>=1.20\n";
        let gpu = "Name: onnxruntime-gpu\nVersion: 1.26.0\n";
        assert_eq!(detect(&Inventory::from_metadata(&[needs, gpu])), []);
        let old = "Name: onnxruntime-gpu\nVersion: 1.19.0\n";
        let found = detect(&Inventory::foreign(&[needs, old]));
        let remedy = found[0].remedy.as_deref().unwrap_or_default();
        assert!(remedy.ends_with("install \"onnxruntime-gpu>=1.20\""), "{remedy}");
        assert_eq!(detect(&Inventory::from_metadata(&[needs])).len(), 1);
        let gpu_wanted = "Name: rembg\nVersion: 2.0\nRequires-Dist: onnxruntime-gpu\n";
        let plain = "Name: onnxruntime\nVersion: 1.26.0\n";
        assert_eq!(
            detect(&Inventory::from_metadata(&[gpu_wanted, plain])).len(),
            1,
            "the plain package does not use the GPU"
        );
    }

    /// ME030's remedy for a second Qt is the headless OpenCV. This fault must not ask for the other one again.
    #[test]
    fn one_opencv_package_satisfies_another() {
        let needs = "Name: ultralytics\nVersion: 8.0\nRequires-Dist: opencv-python>=4.6\n";
        let headless = "Name: opencv-python-headless\nVersion: 5.0.0.93\n";
        assert_eq!(detect(&Inventory::from_metadata(&[needs, headless])), []);
        assert_eq!(detect(&Inventory::from_metadata(&[needs])).len(), 1);
    }

    /// pip and uv cannot install a package again while its old folder is still there, so ME033 comes first.
    #[test]
    fn a_half_removed_package_is_left_to_another_fault() {
        let needs = "Name: onnx\nVersion: 1.0\nRequires-Dist: antlr4-python3-runtime\n";
        let mut inventory = Inventory::from_metadata(&[needs]);
        assert_eq!(detect(&inventory).len(), 1);
        std::sync::Arc::make_mut(&mut inventory.installed)
            .remains
            .push(Leftover {
                folder: "antlr4_python3_runtime-4.9.3.dist-info".to_owned(),
                kind: LeftoverKind::NoMetadata,
            });
        assert_eq!(detect(&inventory), []);
    }

    #[test]
    fn what_another_fault_reports_is_not_reported_twice() {
        let vision = "Name: torchvision\nVersion: 0.29.2\nRequires-Dist: torch==2.15.0\n";
        let torch = "Name: torch\nVersion: 2.14.1\nRequires-Dist: nvidia-nccl-cu13==2.30.7\n";
        let nccl = "Name: nvidia-nccl-cu13\nVersion: 2.29.7\n";
        assert_eq!(detect(&Inventory::from_metadata(&[vision, torch, nccl])), []);
        // No other fault reports a missing package.
        assert_eq!(detect(&Inventory::from_metadata(&[vision])).len(), 1);
        assert_eq!(detect(&Inventory::from_metadata(&[torch])).len(), 1);
    }
}
