//! `ImportError: libtorch_cuda.so: undefined symbol: ncclAlltoAll`
//!
//! torch loads a different NCCL from the one that it was built with. For example, `nvidia-nccl-cu12` was
//! installed over `nvidia-nccl-cu13`, or an older release replaced it. Both packages install
//! `nvidia/nccl/lib/libnccl.so.2`, and the one that was unpacked last wins. The missing symbol can also be
//! `ncclCommResume` or `ncclMemFree`.
//!
//! Remedy: run `matenv repair ENV`.

use super::{capped, me025_cuda_packages_disagree::nccl_of_torch};
use crate::{
    audit::Inventory,
    finding::{Code, Finding, Scope, Severity},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let Some(lacking) = &inventory.missing_nccl_symbols else {
        return Vec::new();
    };
    let first = lacking.symbols.first().map_or("nccl", String::as_str);
    let count = lacking.symbols.len();
    let nccl: Vec<_> = inventory
        .installed
        .distributions
        .iter()
        .filter(|distribution| distribution.name.as_ref().starts_with("nvidia-nccl-"))
        .map(|distribution| format!("installed: {} {}", distribution.name, distribution.version))
        .collect();
    let evidence = lacking
        .searched
        .iter()
        .map(|library| format!("looked in {}", library.display()))
        .chain(nccl)
        .chain(capped(
            lacking
                .symbols
                .iter()
                .map(|symbol| format!("undefined symbol: {symbol}")),
        ));
    vec![
        Finding::new(
            Code::NcclSymbolsMissing,
            Severity::Error,
            Scope::Environment,
            format!(
                "the NCCL that torch loads lacks {count} of the symbols that torch needs: undefined symbol: {first}"
            ),
        )
        .with_evidence(evidence)
        .with_remedy(inventory.remedy(|by| nccl_of_torch(inventory, by))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::fixtures::Prefix, binary::fixtures::Shared};

    fn torch(prefix: &Prefix, nccl: &[&str]) {
        let cuda = Shared {
            needed: &["libnccl.so.2"],
            rpath: Some("$ORIGIN/../../nvidia/nccl/lib"),
            undefined: &["ncclAlltoAll", "ncclSend", "cudaMalloc"],
            ..Shared::default()
        };
        let nccl = Shared {
            soname: "libnccl.so.2",
            exported: nccl,
            ..Shared::default()
        };
        prefix.wheel("torch", "2.15.0", &[("torch/lib/libtorch_cuda.so", &cuda.bytes())]);
        prefix.wheel(
            "nvidia_nccl_cu13",
            "2.30.7",
            &[("nvidia/nccl/lib/libnccl.so.2", &nccl.bytes())],
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_nccl_without_torchs_symbols_is_an_error_that_names_them() {
        let prefix = Prefix::new();
        torch(&prefix, &["ncclAlltoAll", "ncclSend"]);
        assert_eq!(detect(&prefix.inventory()), []);
        torch(&prefix, &["ncclSend"]);
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME012 the NCCL that torch loads lacks 1 of the symbols that torch needs: undefined symbol: ncclAlltoAll
          looked in [PREFIX]/lib/python3.13/site-packages/nvidia/nccl/lib/libnccl.so.2
          installed: nvidia-nccl-cu13 2.30.7
          undefined symbol: ncclAlltoAll
          do: uv pip uninstall nvidia-nccl-cu13 --python "[PYTHON]" && uv pip install --reinstall --no-deps torch==2.15.0 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }
}
