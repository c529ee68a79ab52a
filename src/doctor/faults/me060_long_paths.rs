//! `The filename or extension is too long`, `[WinError 206]`, or a file that exists but is not found
//!
//! By default, Windows limits a path to 260 characters. Packages contain longer ones.
//!
//! Remedy: run this in PowerShell as administrator:
//! `New-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\FileSystem LongPathsEnabled -Value 1 -PropertyType DWORD -Force`

use crate::{
    doctor::host::HostFacts,
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    if host.long_paths != Some(false) {
        return Vec::new();
    }
    vec![
        Finding::new(
            Code::LongPaths,
            Severity::Warning,
            Scope::Host,
            "Windows allows paths of at most 260 characters, and packages contain longer ones",
        )
        .with_evidence([r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem: LongPathsEnabled is 0"])
        .with_remedy(
            r"New-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\FileSystem LongPathsEnabled -Value 1 -PropertyType DWORD -Force",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::host;

    #[test]
    fn only_a_windows_that_forbids_them_is_reported() {
        let of = |allowed| {
            let mut host = host();
            host.long_paths = allowed;
            detect(&host)
        };
        assert_eq!(of(None), []);
        assert_eq!(of(Some(true)), []);
        let found = of(Some(false));
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].render(), @r"
        [warning] ME060 Windows allows paths of at most 260 characters, and packages contain longer ones
          HKLM\SYSTEM\CurrentControlSet\Control\FileSystem: LongPathsEnabled is 0
          do: New-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\FileSystem LongPathsEnabled -Value 1 -PropertyType DWORD -Force
        ");
    }
}
