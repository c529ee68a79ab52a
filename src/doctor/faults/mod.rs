//! Every fault that matenv knows by name: one file a fault, one code each, never reused.

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

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Finding;
use crate::audit::Inventory;

/// Every fault that the files of a prefix show.
#[must_use]
pub fn detect(inventory: &Inventory) -> Vec<Finding> {
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

/// Lines of evidence that are shown; the rest are counted.
const SHOWN: usize = 20;

/// The first lines of evidence, and how many more there are.
fn capped(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().collect();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more"));
    }
    lines
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// The code of a fault. Stable: scripts and search engines find it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

codes! {
    /// A probe failed.
    ProbeFailed = "ME001",
    /// The bench worker crashed, hung or could not load ONNX Runtime.
    BenchFailed = "ME002",
    /// The bench's output differs from the reference.
    BenchWrong = "ME003",
    /// torch and torchvision come from different builds.
    TorchPairMismatch = "ME010",
    /// Two ONNX Runtime flavours share one folder.
    TwoOnnxRuntimes = "ME011",
    /// NCCL lacks symbols that torch needs.
    NcclSymbolsMissing = "ME012",
    /// An installed distribution's requirement is not satisfied.
    RequirementUnsatisfied = "ME013",
    /// torch is another build than the backend asked for.
    BackendDiffers = "ME014",
    /// A library that the profile's programs load is missing or damaged.
    LibraryMissing = "ME015",
    /// A GPU library holds no code for this machine's GPU.
    NoCodeForCard = "ME016",
    /// A GPU of this machine goes unused.
    GpuUnused = "ME017",
    /// The processor lacks what a package needs.
    ProcessorTooOld = "ME018",
    /// The C or C++ library that a file would load is older than it needs.
    SymbolVersionMissing = "ME019",
    /// A package's post-link script was not run.
    PostLinkNotRun = "ME020",
    /// A library of the operating system is missing.
    SystemLibraryMissing = "ME021",
    /// The name is taken in conda's folders, so the conda door was not made.
    CondaNameTaken = "ME022",
    /// NVIDIA's packages are of two CUDA versions, or not those that torch pins.
    CudaPackagesDisagree = "ME025",
    /// Two runtimes of which a process can have only one.
    TwoRuntimes = "ME030",
    /// Two distributions install the same files.
    OwnedTwice = "ME031",
    /// A file is not as its package installed it.
    FileDiffers = "ME032",
    /// A file that a package installed is gone.
    FileMissing = "ME033",
    /// A library or a module is of no package.
    NotOwned = "ME034",
    /// A wheel was made for another Python or platform.
    WheelUnfit = "ME035",
    /// The packages are not those of the environment's own lock.
    NotAsLocked = "ME036",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_lost_or_reused() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| format!("{code} {code:?}")).collect();
        insta::assert_snapshot!(codes.join("\n"), @r#"
        ME001 ProbeFailed
        ME002 BenchFailed
        ME003 BenchWrong
        ME010 TorchPairMismatch
        ME011 TwoOnnxRuntimes
        ME012 NcclSymbolsMissing
        ME013 RequirementUnsatisfied
        ME014 BackendDiffers
        ME015 LibraryMissing
        ME016 NoCodeForCard
        ME017 GpuUnused
        ME018 ProcessorTooOld
        ME019 SymbolVersionMissing
        ME020 PostLinkNotRun
        ME021 SystemLibraryMissing
        ME022 CondaNameTaken
        ME025 CudaPackagesDisagree
        ME030 TwoRuntimes
        ME031 OwnedTwice
        ME032 FileDiffers
        ME033 FileMissing
        ME034 NotOwned
        ME035 WheelUnfit
        ME036 NotAsLocked
        "#);
    }
}
