//! Every fault that matenv knows by name: one file a fault, one code each, never reused.

mod me001_probe_failed;
mod me002_bench_failed;
mod me003_bench_wrong;
mod me010_torch_pair;
mod me011_two_onnxruntimes;
mod me012_nccl_symbols_missing;
mod me013_requirement_unsatisfied;
mod me014_backend_differs;
mod me015_library_missing;
mod me016_no_code_for_card;
mod me017_gpu_unused;
mod me018_processor_too_old;
mod me019_symbol_version_missing;
mod me020_post_link_not_run;
mod me021_system_library_missing;
mod me022_conda_name_taken;
mod me025_cuda_packages_disagree;
mod me030_two_runtimes;
mod me031_owned_twice;
mod me032_file_differs;
mod me033_file_missing;
mod me034_not_owned;
mod me035_wheel_unfit;
mod me036_not_as_locked;
mod me040_shadowed_library;
mod me041_python_variables;
mod me042_user_site;
mod me043_qt_plugin_path;
mod me044_conda_base_leak;
mod me050_driver_trouble;
mod me051_disk_full;
mod me052_no_exec;
mod me053_no_locking;
mod me054_no_hard_links;
mod me055_tls_intercepted;
mod me056_no_metadata;
mod me057_clock_wrong;
mod me058_conda_defaults;
mod me059_no_conda_on_path;
mod me060_long_paths;
mod me061_moved_prefix;
mod me062_read_only_prefix;
mod me063_generation_gone;
mod me064_source_silent;

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Finding,
    host::{HostFacts, PrefixFacts},
    patient::Patient,
    process::ProcessFacts,
};
use crate::audit::Inventory;
pub(super) use me063_generation_gone::detect as detect_lost;

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

/// Every fault that the machine shows, as far as it matters to the prefixes on it.
pub(super) fn detect_host(host: &HostFacts, patients: &[Patient]) -> Vec<Finding> {
    let mut found = me050_driver_trouble::detect(host, patients);
    found.extend(me051_disk_full::detect(host, patients));
    let others = [
        me052_no_exec::detect,
        me053_no_locking::detect,
        me054_no_hard_links::detect,
        me055_tls_intercepted::detect,
        me056_no_metadata::detect,
        me064_source_silent::detect,
        me057_clock_wrong::detect,
        me058_conda_defaults::detect,
        me059_no_conda_on_path::detect,
        me060_long_paths::detect,
    ];
    found.extend(others.iter().flat_map(|detect| detect(host)));
    found
}

/// Every fault that a prefix shows as a folder of this machine, with the libraries of the system that an import lacks.
pub(super) fn detect_prefix(
    facts: &PrefixFacts,
    missing_for_imports: &BTreeMap<String, String>,
    patient: &Patient,
) -> Vec<Finding> {
    let mut found = me021_system_library_missing::detect(&facts.missing_for_qt, missing_for_imports, patient);
    found.extend(facts.door.clone());
    found.extend(me061_moved_prefix::detect(facts.moved.as_ref(), patient));
    found.extend(me062_read_only_prefix::detect(facts.read_only, patient));
    found
}

/// Every fault that this shell's variables make of a prefix.
pub(super) fn detect_process(process: &ProcessFacts, patient: &Patient) -> Vec<Finding> {
    let mut found = me040_shadowed_library::detect(&process.injection, patient);
    found.extend(me041_python_variables::detect(&process.python, patient));
    found.extend(me042_user_site::detect(&process.python, patient));
    found.extend(me043_qt_plugin_path::detect(&process.plugins, patient));
    found.extend(me044_conda_base_leak::detect(process.mixed.as_ref(), patient));
    found
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal in $file:literal,)*) => {
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

            /// The source of its file here, whose module docs explain it.
            fn file(self) -> &'static str {
                match self { $(Self::$variant => include_str!($file),)* }
            }
        }
    };
}

codes! {
    /// A probe failed.
    ProbeFailed = "ME001" in "me001_probe_failed.rs",
    /// The bench worker crashed, hung or could not load ONNX Runtime.
    BenchFailed = "ME002" in "me002_bench_failed.rs",
    /// The bench's output differs from the reference.
    BenchWrong = "ME003" in "me003_bench_wrong.rs",
    /// torch and torchvision come from different builds.
    TorchPairMismatch = "ME010" in "me010_torch_pair.rs",
    /// Two ONNX Runtime flavours share one folder.
    TwoOnnxRuntimes = "ME011" in "me011_two_onnxruntimes.rs",
    /// NCCL lacks symbols that torch needs.
    NcclSymbolsMissing = "ME012" in "me012_nccl_symbols_missing.rs",
    /// An installed distribution's requirement is not satisfied.
    RequirementUnsatisfied = "ME013" in "me013_requirement_unsatisfied.rs",
    /// torch is another build than the backend asked for.
    BackendDiffers = "ME014" in "me014_backend_differs.rs",
    /// A library that the profile's programs load is missing or damaged.
    LibraryMissing = "ME015" in "me015_library_missing.rs",
    /// A GPU library holds no code for this machine's GPU.
    NoCodeForCard = "ME016" in "me016_no_code_for_card.rs",
    /// A GPU of this machine goes unused.
    GpuUnused = "ME017" in "me017_gpu_unused.rs",
    /// The processor lacks what a package needs.
    ProcessorTooOld = "ME018" in "me018_processor_too_old.rs",
    /// The C or C++ library that a file would load is older than it needs.
    SymbolVersionMissing = "ME019" in "me019_symbol_version_missing.rs",
    /// A package's post-link script was not run.
    PostLinkNotRun = "ME020" in "me020_post_link_not_run.rs",
    /// A library of the operating system is missing.
    SystemLibraryMissing = "ME021" in "me021_system_library_missing.rs",
    /// The name is taken in conda's folders, so the conda door was not made.
    CondaNameTaken = "ME022" in "me022_conda_name_taken.rs",
    /// NVIDIA's packages are of two CUDA versions, or not those that torch pins.
    CudaPackagesDisagree = "ME025" in "me025_cuda_packages_disagree.rs",
    /// Two runtimes of which a process can have only one.
    TwoRuntimes = "ME030" in "me030_two_runtimes.rs",
    /// Two distributions install the same files.
    OwnedTwice = "ME031" in "me031_owned_twice.rs",
    /// A file is not as its package installed it.
    FileDiffers = "ME032" in "me032_file_differs.rs",
    /// A file that a package installed is gone.
    FileMissing = "ME033" in "me033_file_missing.rs",
    /// A library or a module is of no package.
    NotOwned = "ME034" in "me034_not_owned.rs",
    /// A wheel was made for another Python or platform.
    WheelUnfit = "ME035" in "me035_wheel_unfit.rs",
    /// The packages are not those of the environment's own lock.
    NotAsLocked = "ME036" in "me036_not_as_locked.rs",
    /// A library on this shell's `LD_LIBRARY_PATH` or `LD_PRELOAD` comes before one of the environment's.
    ShadowedLibrary = "ME040" in "me040_shadowed_library.rs",
    /// `PYTHONPATH` or `PYTHONHOME` of this shell comes before the environment's packages.
    PythonVariables = "ME041" in "me041_python_variables.rs",
    /// The user's own site-packages come before the environment's.
    UserSite = "ME042" in "me042_user_site.rs",
    /// This shell names the plugins of another Qt.
    QtPluginPath = "ME043" in "me043_qt_plugin_path.rs",
    /// `CONDA_PREFIX` and PATH name two environments.
    CondaBaseLeak = "ME044" in "me044_conda_base_leak.rs",
    /// The NVIDIA driver or the GPU is in the way.
    DriverTrouble = "ME050" in "me050_driver_trouble.rs",
    /// A disk is full, or nearly.
    DiskFull = "ME051" in "me051_disk_full.rs",
    /// No program may run from the store.
    NoExec = "ME052" in "me052_no_exec.rs",
    /// A file system locks no files.
    NoLocking = "ME053" in "me053_no_locking.rs",
    /// Files of a cache are copied into environments.
    NoHardLinks = "ME054" in "me054_no_hard_links.rs",
    /// A source shows a certificate of somebody in between.
    TlsIntercepted = "ME055" in "me055_tls_intercepted.rs",
    /// An index gives no metadata beside its wheels.
    NoMetadata = "ME056" in "me056_no_metadata.rs",
    /// This machine's clock is wrong.
    ClockWrong = "ME057" in "me057_clock_wrong.rs",
    /// This machine's conda asks Anaconda's `defaults`.
    CondaDefaults = "ME058" in "me058_conda_defaults.rs",
    /// There is no `conda` for programs that ask for it.
    NoCondaOnPath = "ME059" in "me059_no_conda_on_path.rs",
    /// Windows allows no long paths.
    LongPaths = "ME060" in "me060_long_paths.rs",
    /// The prefix was made for another folder.
    MovedPrefix = "ME061" in "me061_moved_prefix.rs",
    /// The prefix may not be written to.
    ReadOnlyPrefix = "ME062" in "me062_read_only_prefix.rs",
    /// The folder that an environment's link leads to is gone.
    GenerationGone = "ME063" in "me063_generation_gone.rs",
    /// A source of packages does not answer.
    SourceSilent = "ME064" in "me064_source_silent.rs",
}

impl Code {
    /// What it is, in Markdown: the text that people see, an empty line, why it happens and how it is found, and a remedy.
    #[must_use]
    pub fn explained(self) -> String {
        let lines = self.file().lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.trim().to_owned() + "\n").collect()
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of_text = |code: &&Self| code.as_str().eq_ignore_ascii_case(text);
        let code = Self::ALL.iter().find(of_text).copied();
        code.ok_or_else(|| {
            format!("no finding has the code `{text}`; the codes are ME001 and on: docs/reference/faults.md")
        })
    }
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
    fn each_code_is_explained_by_what_people_see_and_what_helps() {
        for code in Code::ALL {
            let text = code.explained();
            let mut parts = text.split("\n\n");
            assert!(
                parts
                    .next()
                    .is_some_and(|seen| seen.contains('`') && !seen.contains('\n')),
                "{code}: {text}"
            );
            assert!(
                parts.next().is_some_and(|why| !why.starts_with("Remedy:")),
                "{code}: {text}"
            );
            assert!(parts.any(|part| part.starts_with("Remedy: ")), "{code}: {text}");
        }
    }

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
        ME040 ShadowedLibrary
        ME041 PythonVariables
        ME042 UserSite
        ME043 QtPluginPath
        ME044 CondaBaseLeak
        ME050 DriverTrouble
        ME051 DiskFull
        ME052 NoExec
        ME053 NoLocking
        ME054 NoHardLinks
        ME055 TlsIntercepted
        ME056 NoMetadata
        ME057 ClockWrong
        ME058 CondaDefaults
        ME059 NoCondaOnPath
        ME060 LongPaths
        ME061 MovedPrefix
        ME062 ReadOnlyPrefix
        ME063 GenerationGone
        ME064 SourceSilent
        "#);
    }
}
