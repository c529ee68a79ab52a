//! `Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file`
//!
//! ONNX Runtime, TensorRT or torch needs a library that is damaged, or that neither the environment nor the
//! operating system has. A package is missing, is for another CUDA version or lost files. ONNX Runtime then
//! runs on the CPU without a message, and `import torch` fails. Libraries of the NVIDIA driver
//! (`libcuda.so.1`) are not checked here.
//!
//! On Windows
//! (`OSError: [WinError 126] The specified module could not be found. Error loading "…\\fbgemm.dll"`) and
//! macOS (`Library not loaded: @rpath/libomp.dylib`), the libraries that numpy, OpenCV, ONNX Runtime and
//! torch load are checked in every profile.
//!
//! Remedy: run `matenv repair ENV`. For Microsoft's C++ runtime, run the command in the finding.

use std::collections::BTreeSet;

use super::capped;
use crate::{
    audit::{
        Distribution, Inventory, Owner,
        installers::{Installers, torch_index},
    },
    finding::{Code, Finding, Scope, Severity},
    profile::system_libraries,
};

/// Maximum number of evidence lines for a library. The rest are only counted.
const SHOWN: usize = 4;

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let closure = &inventory.gpu.closure;
    let missing = closure.missing.iter().map(|(library, lines)| {
        let mut evidence = lines.clone();
        evidence.dedup();
        if evidence.len() > SHOWN {
            let more = evidence.len() - SHOWN;
            evidence.truncate(SHOWN);
            evidence.push(format!("and {more} more"));
        }
        missing_library(library, evidence, system_libraries::remedy(library), || {
            inventory.remedy(|by| install_command(library, &[], inventory, by))
        })
    });
    let damaged = closure.damaged.iter().map(|(path, why)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        error(
            format!("{name} is damaged and cannot be loaded"),
            vec![format!("{}: {why}", path.display())],
            inventory.remedy(|by| {
                let below = inventory.tree.relative(path).unwrap_or_default();
                by.again(inventory.files.owners_of(&below))
            }),
        )
    });
    let lacking = inventory.missing_libraries.iter().map(|lacking| {
        let library = lacking.library.as_str();
        let needs = lacking
            .needed_by
            .iter()
            .map(|path| format!("{} needs {library}", inventory.short(path)));
        let system_remedy = is_vc_runtime(library).then(|| VC_RUNTIME.to_owned());
        missing_library(library, capped(needs), system_remedy, || {
            inventory.remedy(|by| install_command(library, &lacking.needed_by, inventory, by))
        })
    });
    missing.chain(damaged).chain(lacking).collect()
}

/// The command that installs Microsoft's C++ runtime.
const VC_RUNTIME: &str = "winget install Microsoft.VCRedist.2015+.x64";

/// Checks whether the library is part of Microsoft's C++ runtime, which Windows does not include.
fn is_vc_runtime(library: &str) -> bool {
    let library = library.to_lowercase();
    ["msvcp140", "vcruntime140", "concrt140", "vcomp140"]
        .iter()
        .any(|name| library.starts_with(name))
}

/// Returns the command that installs a library that the environment should have.
fn install_command(library: &str, needed_by: &[String], inventory: &Inventory, by: &Installers<'_>) -> String {
    let files = &inventory.files;
    let last = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_owned();
    // dyld searches for `@rpath/libc10.dylib`.
    let is_it = |path: &str| last(path) == last(library);
    let mut lost = files.missing.iter().filter(|(_, path)| is_it(path));
    if let Some((owner, _)) = lost.next() {
        return by.again([&files.owners[*owner]]);
    }
    // Outside Linux, a library is in the package of the files that need it.
    if !needed_by.is_empty() {
        let owners: BTreeSet<&Owner> = needed_by.iter().flat_map(|path| files.owners_of(path)).collect();
        return by.again(owners);
    }
    let (torch, onnxruntime) = (inventory.get("torch"), inventory.get("onnxruntime-gpu"));
    let lacks = |torch: &&Distribution| {
        let mut needs = torch
            .requires
            .iter()
            .filter(|needs| needs.evaluate_markers(&inventory.installed.markers, &[]));
        needs.any(|needs| inventory.get(needs.name.as_ref()).is_none())
    };
    match (torch.filter(lacks), onnxruntime, torch) {
        // onnxruntime-gpu requires the CUDA libraries only through its extras.
        (None, Some(onnxruntime), _) => {
            by.answer(&[format!("onnxruntime-gpu[cuda,cudnn]=={}", onnxruntime.version)], None)
        }
        (Some(torch), _, _) | (None, None, Some(torch)) => {
            let version = torch.version.to_string();
            by.answer(&[format!("torch=={version}")], torch_index(&version).as_deref())
        }
        (None, None, None) => String::new(),
    }
}

/// Builds the finding for a missing library. A library of the operating system (`of_system`) cannot be fixed by
/// changing the environment.
fn missing_library(
    library: &str,
    evidence: Vec<String>,
    of_system: Option<String>,
    of_environment: impl FnOnce() -> String,
) -> Finding {
    let scope = if of_system.is_some() {
        Scope::Host
    } else {
        Scope::Environment
    };
    let message = format!("{library} is missing: the files that need it cannot be loaded");
    Finding {
        scope,
        ..error(message, evidence, of_system.unwrap_or_else(of_environment))
    }
}

fn error(message: String, evidence: Vec<String>, remedy: String) -> Finding {
    Finding::new(Code::LibraryMissing, Severity::Error, Scope::Environment, message)
        .with_evidence(evidence)
        .with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::MissingLibrary;

    fn found(library: &str) -> Vec<Finding> {
        let mut inventory = Inventory::from_metadata(&[]);
        let needed_by = vec![format!("libonnxruntime_providers_cuda.so needs {library}")];
        inventory.gpu.closure.missing.insert(library.to_owned(), needed_by);
        detect(&inventory)
    }

    #[test]
    fn a_missing_library_is_one_error_that_says_who_needs_it() {
        assert_eq!(detect(&Inventory::from_metadata(&[])), []);
        let found = found("libcurand.so.10");
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME015 libcurand.so.10 is missing: the files that need it cannot be loaded
          libonnxruntime_providers_cuda.so needs libcurand.so.10
          do: matenv repair sleap
        ");
    }

    #[test]
    fn on_windows_the_vc_runtime_comes_from_microsoft() {
        let mut inventory = Inventory::from_metadata(&[]);
        inventory.missing_libraries = ["MSVCP140.dll", "libomp140.x86_64.dll"]
            .map(|library| MissingLibrary {
                library: library.to_owned(),
                needed_by: vec!["lib/python3.13/site-packages/torch/lib/fbgemm.dll".to_owned()],
            })
            .to_vec();
        let found = detect(&inventory);
        assert_eq!(
            (found[0].remedy.as_deref(), found[0].scope),
            (Some(VC_RUNTIME), Scope::Host)
        );
        assert_eq!(found[1].remedy.as_deref(), Some("matenv repair sleap"));
        assert_eq!(found[1].evidence, ["torch/lib/fbgemm.dll needs libomp140.x86_64.dll"]);
    }

    #[test]
    fn the_operating_systems_libraries_come_from_its_packages() {
        let remedy = found("libz.so.1")[0].remedy.clone().expect("a remedy");
        assert!(remedy.contains("apt-get install zlib1g"), "{remedy}");
    }
}
