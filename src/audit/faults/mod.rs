//! The faults that the files of a prefix show: one file per fault.

mod me010_torch_pair;
mod me011_two_onnxruntimes;
mod me012_nccl_symbols_missing;
mod me013_requirement_unsatisfied;
mod me015_library_missing;
mod me016_no_code_for_card;
mod me019_symbol_version_missing;
mod me025_cuda_packages_disagree;
mod me030_two_runtimes;
mod me031_owned_twice;
mod me032_file_differs;
mod me033_file_missing;
mod me034_not_owned;
mod me035_wheel_unfit;
mod me036_not_as_locked;

use super::Inventory;
use crate::finding::{Code, Finding};

/// The source of each fault's file in this folder. Its module docs explain the fault.
pub(crate) const FILES: &[(Code, &str)] = &[
    (Code::TorchPairMismatch, include_str!("me010_torch_pair.rs")),
    (Code::TwoOnnxRuntimes, include_str!("me011_two_onnxruntimes.rs")),
    (Code::NcclSymbolsMissing, include_str!("me012_nccl_symbols_missing.rs")),
    (
        Code::RequirementUnsatisfied,
        include_str!("me013_requirement_unsatisfied.rs"),
    ),
    (Code::LibraryMissing, include_str!("me015_library_missing.rs")),
    (Code::NoCodeForCard, include_str!("me016_no_code_for_card.rs")),
    (
        Code::SymbolVersionMissing,
        include_str!("me019_symbol_version_missing.rs"),
    ),
    (
        Code::CudaPackagesDisagree,
        include_str!("me025_cuda_packages_disagree.rs"),
    ),
    (Code::TwoRuntimes, include_str!("me030_two_runtimes.rs")),
    (Code::OwnedTwice, include_str!("me031_owned_twice.rs")),
    (Code::FileDiffers, include_str!("me032_file_differs.rs")),
    (Code::FileMissing, include_str!("me033_file_missing.rs")),
    (Code::NotOwned, include_str!("me034_not_owned.rs")),
    (Code::WheelUnfit, include_str!("me035_wheel_unfit.rs")),
    (Code::NotAsLocked, include_str!("me036_not_as_locked.rs")),
];

/// Detects all faults in the files of a prefix.
#[must_use]
pub(crate) fn detect(inventory: &Inventory) -> Vec<Finding> {
    [
        me010_torch_pair::detect,
        me011_two_onnxruntimes::detect,
        me012_nccl_symbols_missing::detect,
        me013_requirement_unsatisfied::detect,
        me015_library_missing::detect,
        me016_no_code_for_card::detect,
        me019_symbol_version_missing::detect,
        me025_cuda_packages_disagree::detect,
        me030_two_runtimes::detect,
        me031_owned_twice::detect,
        me032_file_differs::detect,
        me033_file_missing::detect,
        me034_not_owned::detect,
        me035_wheel_unfit::detect,
        me036_not_as_locked::detect,
    ]
    .iter()
    .flat_map(|detect| detect(inventory))
    .collect()
}

/// Maximum number of evidence lines. The rest are only counted.
const SHOWN: usize = 20;

/// Returns the first lines of evidence, followed by the number of the remaining ones.
fn capped(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().collect();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more"));
    }
    lines
}
