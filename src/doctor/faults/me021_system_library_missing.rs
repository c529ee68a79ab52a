//! `libEGL.so.1: cannot open shared object file: No such file or directory`, `Could not load the Qt platform plugin "xcb"`
//!
//! A window needs libraries that are part of the operating system's desktop. This machine has no desktop: it
//! is a server, a container or WSL. Everything that opens no window works, with one exception: OpenCV needs
//! `libGL.so.1` already at `import cv2`. In that case the finding is an *error*.
//!
//! Remedy: run the `apt-get` or `dnf` command in the finding.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{
    doctor::{examined::ExaminedPrefix, process::BINDINGS},
    finding::{Code, Finding, Scope, Severity},
    profile::system_libraries,
};

/// Reports missing system libraries: `for_qt` maps each one to the file of Qt that needs it, and `for_imports` to
/// the module whose import fails.
pub(crate) fn detect(
    for_qt: &BTreeMap<String, PathBuf>,
    for_imports: &BTreeMap<String, String>,
    examined: &ExaminedPrefix,
) -> Vec<Finding> {
    let asks = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut missing: BTreeMap<&str, String> = for_imports
        .iter()
        .map(|(library, module)| (library.as_str(), format!("`import {module}`")))
        .collect();
    for (library, file) in for_qt {
        missing.entry(library).or_insert_with(|| asks(file));
    }
    let is_of_qt = |module: &&String| BINDINGS.iter().any(|binding| module.split('.').next() == Some(binding));
    let (qt, others): (Vec<&String>, Vec<&String>) = for_imports.values().partition(is_of_qt);
    let names: Vec<&str> = missing.keys().copied().collect();
    let lacks = format!("this machine has no {}", names.join(", "));
    let windows = !for_qt.is_empty() || !qt.is_empty();
    // Programs work without windows, but not without a module that they import.
    let (severity, message) = match others.first() {
        Some(module) if windows => (
            Severity::Error,
            format!(
                "`import {module}` fails in {}, and its windows cannot open: {lacks}",
                examined.name()
            ),
        ),
        Some(module) => (
            Severity::Error,
            format!("`import {module}` fails in {}: {lacks}", examined.name()),
        ),
        None if windows => (
            Severity::Warning,
            format!(
                "windows of {} cannot open here: {lacks}; everything else works",
                examined.name()
            ),
        ),
        None => return Vec::new(),
    };
    let packages: Vec<(String, String)> = names
        .iter()
        .filter_map(|name| system_libraries::package(name))
        .collect();
    let finding = Finding::new(Code::SystemLibraryMissing, severity, Scope::Host, message)
        .with_evidence(missing.iter().map(|(name, asks)| format!("{name} is needed by {asks}")))
        .with_libraries(names.iter().copied());
    if packages.is_empty() {
        return vec![finding];
    }
    // One package can contain several of the libraries.
    let joined = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(" ");
    let apt = joined(packages.iter().map(|(apt, _)| apt.as_str()).collect());
    let dnf = joined(packages.iter().map(|(_, dnf)| dnf.as_str()).collect());
    vec![finding.with_remedy(format!("sudo apt-get install {apt}   or   sudo dnf install {dnf}"))]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn all_packages_are_in_one_command() {
        let examined = ExaminedPrefix::foreign(Path::new("/e"));
        assert_eq!(detect(&BTreeMap::new(), &BTreeMap::new(), &examined), []);
        let asks = PathBuf::from("/e/PySide6/Qt/plugins/platforms/libqxcb.so");
        let missing = ["libEGL.so.1", "libxcb-cursor.so.0"].map(|name| (name.to_owned(), asks.clone()));
        let found = detect(&BTreeMap::from(missing), &BTreeMap::new(), &examined);
        insta::assert_snapshot!(found[0].render(), @"
        [warning] ME021 windows of /e cannot open here: this machine has no libEGL.so.1, libxcb-cursor.so.0; everything else works
          libEGL.so.1 is needed by libqxcb.so
          libxcb-cursor.so.0 is needed by libqxcb.so
          do: sudo apt-get install libegl1 libxcb-cursor0   or   sudo dnf install libglvnd-egl xcb-util-cursor
        ");
    }

    #[test]
    fn an_import_that_fails_without_the_library_is_one_error() {
        let examined = ExaminedPrefix::foreign(Path::new("/e"));
        let of = |module: &str| BTreeMap::from([("libGL.so.1".to_owned(), module.to_owned())]);
        let found = detect(&BTreeMap::new(), &of("cv2"), &examined);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].libraries, ["libGL.so.1"]);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME021 `import cv2` fails in /e: this machine has no libGL.so.1
          libGL.so.1 is needed by `import cv2`
          do: sudo apt-get install libgl1   or   sudo dnf install libglvnd-glx
        ");
        let plugin = PathBuf::from("/e/PySide6/Qt/lib/libQt6Gui.so.6");
        let qt = ["libEGL.so.1", "libGL.so.1"].map(|name| (name.to_owned(), plugin.clone()));
        let found = detect(&BTreeMap::from(qt), &of("cv2"), &examined);
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME021 `import cv2` fails in /e, and its windows cannot open: this machine has no libEGL.so.1, libGL.so.1
          libEGL.so.1 is needed by libQt6Gui.so.6
          libGL.so.1 is needed by `import cv2`
          do: sudo apt-get install libegl1 libgl1   or   sudo dnf install libglvnd-egl libglvnd-glx
        ");
        let found = detect(&BTreeMap::new(), &of("PySide6.QtWidgets"), &examined);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
    }
}
