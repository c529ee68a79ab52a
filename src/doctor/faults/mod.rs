//! All faults that matenv can report. Each fault has its own file and its own code. Codes are never reused.

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

/// Detects all faults in the files of a prefix.
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

/// Detects all faults of the machine that matter to the prefixes on it.
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

/// Detects the faults of a prefix that depend on this machine: missing system libraries, the conda link, a moved or
/// read-only folder. `missing_for_imports` maps each missing library to the module whose import needs it.
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

/// Detects all faults that the variables of this shell cause in a prefix.
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
        /// The code of a fault. Codes are stable, so that scripts and search engines can rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the code as text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Returns the source of the fault's file. Its module docs explain the fault.
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
    /// Two ONNX Runtime packages install into one folder.
    TwoOnnxRuntimes = "ME011" in "me011_two_onnxruntimes.rs",
    /// NCCL lacks symbols that torch needs.
    NcclSymbolsMissing = "ME012" in "me012_nccl_symbols_missing.rs",
    /// An installed distribution's requirement is not satisfied.
    RequirementUnsatisfied = "ME013" in "me013_requirement_unsatisfied.rs",
    /// torch is not the build that the backend requires.
    BackendDiffers = "ME014" in "me014_backend_differs.rs",
    /// A library that the profile's programs load is missing or damaged.
    LibraryMissing = "ME015" in "me015_library_missing.rs",
    /// A GPU library has no code for this machine's GPU.
    NoCodeForCard = "ME016" in "me016_no_code_for_card.rs",
    /// A GPU of this machine is not used.
    GpuUnused = "ME017" in "me017_gpu_unused.rs",
    /// The CPU lacks instructions that a package needs.
    ProcessorTooOld = "ME018" in "me018_processor_too_old.rs",
    /// The C or C++ library is older than a file needs.
    SymbolVersionMissing = "ME019" in "me019_symbol_version_missing.rs",
    /// A package's post-link script was not run.
    PostLinkNotRun = "ME020" in "me020_post_link_not_run.rs",
    /// A library of the operating system is missing.
    SystemLibraryMissing = "ME021" in "me021_system_library_missing.rs",
    /// Another environment has the same name in conda, so the conda link is missing or has no effect.
    CondaNameTaken = "ME022" in "me022_conda_name_taken.rs",
    /// NVIDIA's packages are for two CUDA versions, or are not those that torch pins.
    CudaPackagesDisagree = "ME025" in "me025_cuda_packages_disagree.rs",
    /// There are two runtimes, but a process can have only one.
    TwoRuntimes = "ME030" in "me030_two_runtimes.rs",
    /// Two distributions install the same files.
    OwnedTwice = "ME031" in "me031_owned_twice.rs",
    /// A file differs from what its package installed.
    FileDiffers = "ME032" in "me032_file_differs.rs",
    /// A file that a package installed is missing.
    FileMissing = "ME033" in "me033_file_missing.rs",
    /// A library or a module belongs to no package.
    NotOwned = "ME034" in "me034_not_owned.rs",
    /// A wheel was built for another Python or platform.
    WheelUnfit = "ME035" in "me035_wheel_unfit.rs",
    /// The packages differ from the environment's own lock.
    NotAsLocked = "ME036" in "me036_not_as_locked.rs",
    /// A library from `LD_LIBRARY_PATH` or `LD_PRELOAD` has the same name as one that the environment needs.
    ShadowedLibrary = "ME040" in "me040_shadowed_library.rs",
    /// `PYTHONPATH` or `PYTHONHOME` overrides the environment's packages.
    PythonVariables = "ME041" in "me041_python_variables.rs",
    /// The user's own site-packages override the environment's packages.
    UserSite = "ME042" in "me042_user_site.rs",
    /// A variable of this shell points to the plugins of another Qt.
    QtPluginPath = "ME043" in "me043_qt_plugin_path.rs",
    /// `CONDA_PREFIX` and PATH name two environments.
    CondaBaseLeak = "ME044" in "me044_conda_base_leak.rs",
    /// The NVIDIA driver or the GPU does not work or does not fit.
    DriverTrouble = "ME050" in "me050_driver_trouble.rs",
    /// A disk is full or nearly full.
    DiskFull = "ME051" in "me051_disk_full.rs",
    /// Programs cannot run from the store.
    NoExec = "ME052" in "me052_no_exec.rs",
    /// A file system does not support file locks.
    NoLocking = "ME053" in "me053_no_locking.rs",
    /// Files of a cache are copied into environments instead of linked.
    NoHardLinks = "ME054" in "me054_no_hard_links.rs",
    /// A source presents the certificate of a proxy.
    TlsIntercepted = "ME055" in "me055_tls_intercepted.rs",
    /// An index serves no separate metadata for its wheels.
    NoMetadata = "ME056" in "me056_no_metadata.rs",
    /// This machine's clock is wrong.
    ClockWrong = "ME057" in "me057_clock_wrong.rs",
    /// This machine's conda uses Anaconda's `defaults` channel.
    CondaDefaults = "ME058" in "me058_conda_defaults.rs",
    /// There is no `conda` on PATH for programs that need it.
    NoCondaOnPath = "ME059" in "me059_no_conda_on_path.rs",
    /// Windows does not allow long paths.
    LongPaths = "ME060" in "me060_long_paths.rs",
    /// The prefix was created in another folder.
    MovedPrefix = "ME061" in "me061_moved_prefix.rs",
    /// The prefix is read-only for this user.
    ReadOnlyPrefix = "ME062" in "me062_read_only_prefix.rs",
    /// The folder that an environment's link points to is missing.
    GenerationGone = "ME063" in "me063_generation_gone.rs",
    /// A package source does not answer.
    SourceSilent = "ME064" in "me064_source_silent.rs",
}

impl Code {
    /// Returns the explanation of the fault as Markdown paragraphs: the message that users see, the cause, the remedy.
    #[must_use]
    pub fn explained(self) -> String {
        let lines = self.file().lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.trim().to_owned() + "\n").collect()
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let matches = |code: &&Self| code.as_str().eq_ignore_ascii_case(text);
        let code = Self::ALL.iter().find(matches).copied();
        code.ok_or_else(|| format!("unknown finding code `{text}`: docs/reference/faults.md lists all codes"))
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
    fn each_code_has_a_message_a_cause_and_a_remedy() {
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
