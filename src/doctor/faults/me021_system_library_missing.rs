//! `libEGL.so.1: cannot open shared object file: No such file or directory`, `Could not load the Qt platform plugin "xcb"`
//!
//! A window needs libraries that come with the operating system's desktop, and this machine has none: a server, a container, WSL. All that opens no
//! window works.
//!
//! Remedy: the line with `apt-get` or `dnf` below the finding.

use std::{collections::BTreeMap, path::PathBuf};

use super::Code;
use crate::{
    doctor::{Finding, Scope, Severity, patient::Patient},
    verify::system_package,
};

/// The libraries that an environment's Qt asks for and nobody has.
pub(crate) fn detect(missing: &BTreeMap<String, PathBuf>, patient: &Patient) -> Vec<Finding> {
    if missing.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = missing.keys().map(String::as_str).collect();
    let packages: Vec<(String, String)> = names.iter().filter_map(|name| system_package(name)).collect();
    let finding = Finding::new(
        Code::SystemLibraryMissing,
        Severity::Warning,
        Scope::Host,
        format!(
            "windows of {} cannot open here: this machine has no {}; everything else works",
            patient.name(),
            names.join(", ")
        ),
    )
    .with_evidence(missing.iter().map(|(name, asks)| {
        let asks = asks.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} is needed by {asks}")
    }));
    if packages.is_empty() {
        return vec![finding];
    }
    let joined = |names: Vec<&str>| names.join(" ");
    let apt = joined(packages.iter().map(|(apt, _)| apt.as_str()).collect());
    let dnf = joined(packages.iter().map(|(_, dnf)| dnf.as_str()).collect());
    vec![finding.with_remedy(format!("sudo apt-get install {apt}   or   sudo dnf install {dnf}"))]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn all_packages_stand_in_one_line() {
        let patient = Patient::foreign(Path::new("/e"));
        assert_eq!(detect(&BTreeMap::new(), &patient), []);
        let asks = PathBuf::from("/e/PySide6/Qt/plugins/platforms/libqxcb.so");
        let missing = ["libEGL.so.1", "libxcb-cursor.so.0"].map(|name| (name.to_owned(), asks.clone()));
        let found = detect(&BTreeMap::from(missing), &patient);
        assert_eq!(
            found[0].remedy.as_deref(),
            Some("sudo apt-get install libegl1 libxcb-cursor0   or   sudo dnf install libglvnd-egl xcb-util-cursor")
        );
    }
}
