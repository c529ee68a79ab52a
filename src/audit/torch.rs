//! Checks the symbols that torch needs from NCCL, and torchvision from torch.

use std::path::PathBuf;

use super::{Binaries, MissingSymbols, record::extension, tree::Tree};

/// The soname of NCCL.
const NCCL: &str = "libnccl.so.2";

/// Prefixes of symbols that only torch defines: its mangled C++ namespaces and its C interface.
const TORCH_SYMBOLS: [&str; 8] = [
    "_ZN3c10",
    "_ZNK3c10",
    "_ZN2at",
    "_ZNK2at",
    "_ZN5torch",
    "_ZNK5torch",
    "aoti_torch_",
    "torch_",
];

/// Returns the undefined `nccl*` symbols of `libtorch_cuda.so` that are missing from the NCCL that it would load.
pub(super) fn missing_nccl_symbols(binaries: &Binaries, site_packages: &str) -> Option<MissingSymbols> {
    let torch = format!("{site_packages}/torch/lib/libtorch_cuda.so");
    let nccl = binaries.loaded_by(&torch, NCCL)?;
    binaries.missing_symbols(&torch, &[nccl], |name| name.starts_with("nccl"))
}

/// Returns the undefined symbols of torchvision's operators that are missing from all libraries of torch. The
/// operators are in `_C.so`, since torchvision 0.29 in `_C_stable.so`.
pub(super) fn missing_torch_symbols(binaries: &Binaries, tree: &Tree, site_packages: &str) -> Option<MissingSymbols> {
    let lib = format!("{site_packages}/torch/lib/");
    let torch: Vec<PathBuf> = tree
        .iter()
        .filter(|(path, _)| {
            path.strip_prefix(&lib)
                .is_some_and(|name| extension(name) == "so" && !name.contains('/'))
        })
        .map(|(path, _)| tree.path(path))
        .collect();
    ["_C.so", "_C_stable.so"].iter().find_map(|name| {
        let vision = format!("{site_packages}/torchvision/{name}");
        binaries.missing_symbols(&vision, &torch, |name| {
            TORCH_SYMBOLS.iter().any(|start| name.starts_with(start))
        })
    })
}
