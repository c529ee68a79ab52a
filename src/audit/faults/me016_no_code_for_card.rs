//! `cudaErrorNoKernelImageForDevice: no kernel image is available for execution on the device`
//!
//! A GPU library contains code for some generations of GPUs only, and this machine's GPU is not one of them.
//! It is too old (`sm_61 is not compatible with the current PyTorch installation`) or too new. torch and ONNX
//! Runtime differ here, so one can work when the other does not. Another release of the library may have the
//! code. A newer driver does not help.
//!
//! A library can also contain PTX, which is code that the driver compiles for the GPU at first use. That
//! works, but takes some minutes.
//!
//! Remedy: run `matenv install ENV --force`. It plans again for this machine's GPU, and chooses other
//! packages if the plan changed. If there is no suitable package, it gives the reason.

use crate::{
    audit::{Installers, Inventory, LibraryCode},
    finding::{Code, Finding, Scope, Severity},
    profile::{
        CodeSupport, ComputeCapability,
        stack::{Stacks, WheelCode},
    },
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let mut cards = inventory.gpu.cards.clone();
    cards.sort();
    cards.dedup();
    let judge = |library: &LibraryCode| {
        let reached = |by: CodeSupport| {
            let of_this = cards
                .iter()
                .copied()
                .filter(move |card| library.code.support(*card) == by);
            of_this.collect::<Vec<_>>()
        };
        let name = &library.library;
        let (none, compiled) = (reached(CodeSupport::Nothing), reached(CodeSupport::Ptx));
        let (severity, message) = if none.is_empty() && compiled.is_empty() {
            return None;
        } else if none.is_empty() {
            let message = format!(
                "{name} has no machine code for {}: the driver compiles it at first use",
                sm_list(&compiled)
            );
            (Severity::Info, message)
        } else {
            // If another GPU is supported, the environment works as long as no program picks this one.
            let works = none.len() < cards.len();
            let severity = if works { Severity::Warning } else { Severity::Error };
            let message = format!(
                "{name} holds no code for {}: cudaErrorNoKernelImageForDevice, no kernel image is available",
                sm_list(&none)
            );
            (severity, message)
        };
        let mut found = Finding::new(Code::NoCodeForCard, severity, Scope::Environment, message).with_evidence([
            format!(
                "{} holds machine code for {}",
                library.library,
                sm_list(&library.code.main_sass())
            ),
            format!("PTX for {}", sm_list(&library.code.main_ptx())),
            format!("GPUs of this machine: {}", sm_list(&cards)),
        ]);
        if !none.is_empty() {
            let by = inventory.installers();
            let others = by.map(|by| by.or_beside(&another_release(&library.library, &cards, inventory, &by)));
            found = found.with_remedy(others.unwrap_or_else(|| inventory.reinstall_command()));
        }
        Some(found)
    };
    inventory.gpu.code.iter().filter_map(judge).collect()
}

/// Returns the command that installs a release with code for the GPUs, or a sentence if no such release is known.
fn another_release(library: &str, cards: &[ComputeCapability], inventory: &Inventory, by: &Installers<'_>) -> String {
    const RUNTIME: &str = "onnxruntime-gpu";
    let path = format!("{}/{library}", inventory.installed.site_packages);
    let owner = inventory.files.owners_of(&path).next();
    let release = inventory.get(RUNTIME).and_then(|runtime| {
        let row = Stacks::table().wheel(RUNTIME, &runtime.version)?;
        let mut same_cuda = Stacks::table().releases(RUNTIME, row.cuda_major());
        let serves = |row: &WheelCode| {
            cards
                .iter()
                .all(|card| card.supported_by(&row.sass, &row.ptx) != CodeSupport::Nothing)
        };
        let (range, _) = same_cuda.find(|(_, row)| serves(row))?;
        Some(by.answer(&[format!("{RUNTIME}{range}")], None))
    });
    let package = owner.map_or(library, |owner| owner.name.as_str());
    release
        .filter(|_| library.starts_with("onnxruntime/"))
        .unwrap_or_else(|| {
            format!(
                "install another release of {package} that has code for {}",
                sm_list(cards)
            )
        })
}

fn sm_list(capabilities: &[ComputeCapability]) -> String {
    if capabilities.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<_> = capabilities.iter().map(|capability| capability.sm()).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::GpuCode;

    /// Findings for the code in onnxruntime-gpu 1.22.0.
    fn found(cards: &[&str]) -> Vec<Finding> {
        let cc = |text: &&str| text.parse::<ComputeCapability>().expect("a compute capability");
        let count = |list: &[&str]| list.iter().map(|text| (cc(text), 158)).collect();
        let mut inventory = Inventory::from_metadata(&[]);
        inventory.gpu.cards = cards.iter().map(cc).collect();
        inventory.gpu.code.push(LibraryCode {
            library: "onnxruntime/capi/libonnxruntime_providers_cuda.so".to_owned(),
            code: GpuCode {
                sass: count(&["6.0", "7.0", "7.5", "8.0", "8.6", "9.0"]),
                ptx: count(&["9.0"]),
                damaged: false,
            },
        });
        detect(&inventory)
    }

    #[test]
    fn cards_with_code_have_no_finding() {
        assert_eq!(found(&[]), []);
        assert_eq!(found(&["6.1", "8.9"]), []);
    }

    #[test]
    fn a_card_without_code_is_an_error_that_lists_the_code() {
        let found = found(&["5.2"]);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME016 onnxruntime/capi/libonnxruntime_providers_cuda.so holds no code for sm_52: cudaErrorNoKernelImageForDevice, no kernel image is available
          onnxruntime/capi/libonnxruntime_providers_cuda.so holds machine code for sm_60 sm_70 sm_75 sm_80 sm_86 sm_90
          PTX for sm_90
          GPUs of this machine: sm_52
          do: matenv install sleap --force
        ");
    }

    #[test]
    fn ptx_is_an_info_and_a_second_card_that_works_makes_it_a_warning() {
        let compiled = found(&["12.0"]);
        assert_eq!((compiled[0].severity, &compiled[0].remedy), (Severity::Info, &None));
        assert_eq!(found(&["5.2", "8.9"])[0].severity, Severity::Warning);
    }
}
