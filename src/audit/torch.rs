//! What torch's libraries need of NCCL, and torchvision's of torch, symbol by symbol.

use std::path::PathBuf;

use super::{Binaries, LackingSymbols, record::ending, tree::Tree};

/// NCCL's soname.
const NCCL: &str = "libnccl.so.2";

/// Beginnings of the symbols that only torch has: its C++ namespaces as the compiler writes them, and its C interface.
const OF_TORCH: [&str; 8] = [
    "_ZN3c10",
    "_ZNK3c10",
    "_ZN2at",
    "_ZNK2at",
    "_ZN5torch",
    "_ZNK5torch",
    "aoti_torch_",
    "torch_",
];

/// The undefined `nccl*` symbols of `libtorch_cuda.so` that the NCCL which it would load does not have.
pub(super) fn lacking_nccl(binaries: &Binaries, site_packages: &str) -> Option<LackingSymbols> {
    let torch = format!("{site_packages}/torch/lib/libtorch_cuda.so");
    let nccl = binaries.loaded_by(&torch, NCCL)?;
    binaries.lacking_symbols(&torch, &[nccl], |name| name.starts_with("nccl"))
}

/// The undefined symbols of torchvision's operators that no library of torch has. The operators lie in `_C.so`, from
/// torchvision 0.29 on in `_C_stable.so`.
pub(super) fn lacking_torch(binaries: &Binaries, tree: &Tree, site_packages: &str) -> Option<LackingSymbols> {
    let lib = format!("{site_packages}/torch/lib/");
    let torch: Vec<PathBuf> = tree
        .iter()
        .filter(|(path, _)| {
            path.strip_prefix(&lib)
                .is_some_and(|name| ending(name) == "so" && !name.contains('/'))
        })
        .map(|(path, _)| tree.path(path))
        .collect();
    ["_C.so", "_C_stable.so"].iter().find_map(|name| {
        let vision = format!("{site_packages}/torchvision/{name}");
        binaries.lacking_symbols(&vision, &torch, |name| {
            OF_TORCH.iter().any(|start| name.starts_with(start))
        })
    })
}
