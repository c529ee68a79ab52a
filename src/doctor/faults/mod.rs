//! The faults of the machine, the shell and the checks: one file per fault. The faults of files are in
//! [`crate::audit::faults`]. Each fault has its own code. Codes are never reused.

mod me001_probe_failed;
mod me002_bench_failed;
mod me003_bench_wrong;
mod me014_backend_differs;
mod me017_gpu_unused;
mod me018_processor_too_old;
mod me020_post_link_not_run;
mod me021_system_library_missing;
mod me022_conda_name_taken;
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

use std::collections::BTreeMap;

use super::{
    host::{HostFacts, PrefixFacts},
    process::ProcessFacts,
};
use crate::{
    audit,
    doctor::examined::ExaminedPrefix,
    finding::{Code, Finding},
};
pub(super) use me063_generation_gone::detect as detect_lost;

/// Detects all faults of the machine that matter to the prefixes on it.
pub(super) fn detect_host(host: &HostFacts, prefixes: &[ExaminedPrefix]) -> Vec<Finding> {
    let mut found = me050_driver_trouble::detect(host, prefixes);
    found.extend(me051_disk_full::detect(host, prefixes));
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
    examined: &ExaminedPrefix,
) -> Vec<Finding> {
    let mut found = me021_system_library_missing::detect(&facts.missing_for_qt, missing_for_imports, examined);
    found.extend(facts.conda_link.clone());
    found.extend(me061_moved_prefix::detect(facts.moved.as_ref(), examined));
    found.extend(me062_read_only_prefix::detect(facts.read_only, examined));
    found
}

/// Detects all faults that the variables of this shell cause in a prefix.
pub(super) fn detect_process(process: &ProcessFacts, examined: &ExaminedPrefix) -> Vec<Finding> {
    let mut found = me040_shadowed_library::detect(&process.injection, examined);
    found.extend(me041_python_variables::detect(&process.python, examined));
    found.extend(me042_user_site::detect(&process.python, examined));
    found.extend(me043_qt_plugin_path::detect(&process.plugins, examined));
    found.extend(me044_conda_base_leak::detect(process.mixed.as_ref(), examined));
    found
}

/// The source of each fault's file in this folder. Its module docs explain the fault.
const FILES: &[(Code, &str)] = &[
    (Code::ProbeFailed, include_str!("me001_probe_failed.rs")),
    (Code::BenchFailed, include_str!("me002_bench_failed.rs")),
    (Code::BenchWrong, include_str!("me003_bench_wrong.rs")),
    (Code::BackendDiffers, include_str!("me014_backend_differs.rs")),
    (Code::GpuUnused, include_str!("me017_gpu_unused.rs")),
    (Code::ProcessorTooOld, include_str!("me018_processor_too_old.rs")),
    (Code::PostLinkNotRun, include_str!("me020_post_link_not_run.rs")),
    (
        Code::SystemLibraryMissing,
        include_str!("me021_system_library_missing.rs"),
    ),
    (Code::CondaNameTaken, include_str!("me022_conda_name_taken.rs")),
    (Code::ShadowedLibrary, include_str!("me040_shadowed_library.rs")),
    (Code::PythonVariables, include_str!("me041_python_variables.rs")),
    (Code::UserSite, include_str!("me042_user_site.rs")),
    (Code::QtPluginPath, include_str!("me043_qt_plugin_path.rs")),
    (Code::CondaBaseLeak, include_str!("me044_conda_base_leak.rs")),
    (Code::DriverTrouble, include_str!("me050_driver_trouble.rs")),
    (Code::DiskFull, include_str!("me051_disk_full.rs")),
    (Code::NoExec, include_str!("me052_no_exec.rs")),
    (Code::NoLocking, include_str!("me053_no_locking.rs")),
    (Code::NoHardLinks, include_str!("me054_no_hard_links.rs")),
    (Code::TlsIntercepted, include_str!("me055_tls_intercepted.rs")),
    (Code::NoMetadata, include_str!("me056_no_metadata.rs")),
    (Code::ClockWrong, include_str!("me057_clock_wrong.rs")),
    (Code::CondaDefaults, include_str!("me058_conda_defaults.rs")),
    (Code::NoCondaOnPath, include_str!("me059_no_conda_on_path.rs")),
    (Code::LongPaths, include_str!("me060_long_paths.rs")),
    (Code::MovedPrefix, include_str!("me061_moved_prefix.rs")),
    (Code::ReadOnlyPrefix, include_str!("me062_read_only_prefix.rs")),
    (Code::GenerationGone, include_str!("me063_generation_gone.rs")),
    (Code::SourceSilent, include_str!("me064_source_silent.rs")),
];

/// Returns the explanation of the fault as Markdown paragraphs: the message that users see, the cause, the remedy.
#[must_use]
pub(crate) fn explained(code: Code) -> String {
    let files = FILES.iter().chain(audit::faults::FILES);
    let text = files.filter(|(of, _)| *of == code).map(|(_, text)| *text);
    let lines = text.flat_map(str::lines).map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.trim().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_message_a_cause_and_a_remedy() {
        for code in Code::ALL {
            let text = explained(*code);
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
}
