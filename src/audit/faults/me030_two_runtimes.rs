//! `OMP: Error #15`, `Class … is implemented in both …`, `Could not load the Qt platform plugin "xcb" in ".../cv2/qt/plugins" even though it was found`
//!
//! Two packages installed a runtime each, but a process can have only one of them. Examples are Intel's
//! OpenMP (`intel-openmp`) and LLVM's, PyQt6 and PySide6, or opencv-python with its own Qt and PyQt5. The one
//! that is imported first wins. So one program works, and the next one crashes or hangs. Remove one of the
//! two packages. For OpenCV, keep the `-headless` package.
//!
//! Remedy: run `matenv repair ENV`. It keeps the packages that are in the lock.

use std::collections::{BTreeMap, BTreeSet};

use super::capped;
use crate::{
    audit::{
        Family, Inventory, Owner,
        installers::{Installers, aside, then},
    },
    finding::{Code, Finding, Scope, Severity},
};

/// A copy of a runtime.
struct Held<'a> {
    kind: &'a str,
    path: &'a str,
    /// The packages that installed it; empty if it belongs to no package.
    owners: BTreeSet<usize>,
}

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    Family::all()
        .iter()
        .flat_map(|family| check_family(inventory, family))
        .collect()
}

fn check_family(inventory: &Inventory, family: &Family) -> Vec<Finding> {
    let copies: Vec<Held<'_>> = inventory
        .tree
        .iter()
        .filter(|(_, entry)| !entry.link)
        .filter_map(|(path, _)| {
            let claims = inventory.files.claims.get(path).map(Vec::as_slice).unwrap_or_default();
            Some(Held {
                kind: family.kind(path)?,
                path,
                owners: claims.iter().map(|claim| claim.owner).collect(),
            })
        })
        .collect();
    // One finding for each pair of kinds, no matter how many copies there are.
    let mut pairs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (at, one) in copies.iter().enumerate() {
        for other in &copies[at + 1..] {
            if one.owners.is_disjoint(&other.owners) && !(one.owners.is_empty() && other.owners.is_empty()) {
                let kinds = (one.kind.min(other.kind), one.kind.max(other.kind));
                pairs.entry(kinds).or_default().extend([one.path, other.path]);
            }
        }
    }
    pairs
        .into_iter()
        .filter_map(|((one, other), paths)| {
            let conflict = family.conflict(one, other);
            let severity = match conflict {
                Some(conflict) => conflict.severity,
                None if one == other => family.copies?,
                None => family.between?,
            };
            let what = if one == other {
                format!("two copies of {one}")
            } else {
                format!("{one} and {other}")
            };
            let why = conflict.map_or(&family.because, |conflict| &conflict.says);
            let lines = paths
                .iter()
                .map(|path| format!("{} of {}", inventory.short(path), inventory.files.describe_owners(path)));
            let found = Finding::new(
                Code::TwoRuntimes,
                severity,
                Scope::Environment,
                format!("a process may load {what} ({}): {why}", family.name),
            )
            .with_evidence(capped(lines));
            Some(match severity {
                Severity::Error | Severity::Warning => {
                    found.with_remedy(inventory.remedy(|by| keep_one(&paths, inventory, by)))
                }
                Severity::Info => found,
            })
        })
        .collect()
}

/// Returns the commands that leave only one of the packages that installed the files.
fn keep_one(paths: &BTreeSet<&str>, inventory: &Inventory, by: &Installers<'_>) -> String {
    let files = &inventory.files;
    if let Some(unowned) = paths.iter().find(|path| files.owners_of(path).next().is_none()) {
        return aside(&inventory.tree.path(unowned));
    }
    let mut owners: Vec<&Owner> = Vec::new();
    for owner in paths.iter().flat_map(|path| files.owners_of(path)) {
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    // opencv-python-headless is the same package without a Qt.
    let has_qt = |owner: &&&Owner| owner.name.starts_with("opencv-") && !owner.name.ends_with("-headless");
    if let Some(opencv) = owners.iter().find(has_qt) {
        let headless = format!("{}-headless=={}", opencv.name, opencv.version);
        return then([by.without([*opencv]), by.exactly(&[headless], None)]);
    }
    let Some(kept) = by.kept(&owners, &[]) else {
        return String::new();
    };
    owners.retain(|owner| *owner != kept);
    by.without(&by.with_dependents(&owners, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixtures::Prefix;

    #[test]
    fn one_of_each_and_private_copies_of_libgomp_have_no_finding() {
        let prefix = Prefix::new();
        prefix.wheel(
            "PySide6_Essentials",
            "6.12.0",
            &[("PySide6/Qt/lib/libQt6Core.so.6", b"1")],
        );
        prefix.wheel(
            "scikit_learn",
            "1.9.1",
            &[("scikit_learn.libs/libgomp-e985bcbb.so.1.0.0", b"1")],
        );
        prefix.wheel("torch", "2.15.0", &[("torch/lib/libgomp.so.1", b"1")]);
        prefix.wheel("opencv_python_headless", "5.0.0.93", &[("cv2/cv2.abi3.so", b"1")]);
        assert_eq!(detect(&prefix.inventory()), []);
    }

    #[test]
    fn two_qts_are_an_error_that_names_both_packages() {
        let prefix = Prefix::new();
        prefix.wheel(
            "PySide6_Essentials",
            "6.12.0",
            &[("PySide6/Qt/lib/libQt6Core.so.6", b"1")],
        );
        prefix.wheel("PyQt6_Qt6", "6.11.2", &[("PyQt6/Qt6/lib/libQt6Core.so.6", b"2")]);
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME030 a process may load two copies of Qt6 (Qt): the one that is loaded first uses the plugins and symbols of the other
          PyQt6/Qt6/lib/libQt6Core.so.6 of pyqt6-qt6 6.11.2
          PySide6/Qt/lib/libQt6Core.so.6 of pyside6-essentials 6.12.0
          do: uv pip uninstall pyqt6-qt6 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
        prefix.wheel("PyQt5_Qt5", "5.15.2", &[("PyQt5/Qt5/lib/libQt5Core.so.5", b"3")]);
        assert_eq!(detect(&prefix.inventory()).len(), 2);
    }

    #[test]
    fn opencvs_own_qt_next_to_another_is_reported_with_the_message_of_qt() {
        let prefix = Prefix::new();
        prefix.wheel(
            "opencv_python",
            "5.0.0.93",
            &[("cv2/qt/plugins/platforms/libqxcb.so", b"1")],
        );
        assert_eq!(detect(&prefix.inventory()), []);
        // sleap's own requirements install this pair, and it works.
        prefix.wheel(
            "PySide6_Essentials",
            "6.12.0",
            &[("PySide6/Qt/lib/libQt6Core.so.6", b"2")],
        );
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [info] ME030 a process may load OpenCV's own Qt and Qt6 (Qt): Qt 6 ignores OpenCV's plugins, but the error Could not load the Qt platform plugin "xcb" in ".../cv2/qt/plugins" names them if a system library, such as libxcb-cursor.so.0, is missing
          PySide6/Qt/lib/libQt6Core.so.6 of pyside6-essentials 6.12.0
          cv2/qt/plugins/platforms/libqxcb.so of opencv-python 5.0.0.93
        "#);

        let prefix = Prefix::new();
        prefix.wheel(
            "opencv_python",
            "5.0.0.93",
            &[("cv2/qt/plugins/platforms/libqxcb.so", b"1")],
        );
        prefix.wheel("PyQt5_Qt5", "5.15.2", &[("PyQt5/Qt5/lib/libQt5Core.so.5", b"2")]);
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME030 a process may load OpenCV's own Qt and Qt5 (Qt): Could not load the Qt platform plugin "xcb" in ".../cv2/qt/plugins" even though it was found; opencv-python-headless has no Qt
          PyQt5/Qt5/lib/libQt5Core.so.5 of pyqt5-qt5 5.15.2
          cv2/qt/plugins/platforms/libqxcb.so of opencv-python 5.0.0.93
          do: uv pip uninstall opencv-python --python "[PYTHON]" && uv pip install --reinstall --no-deps opencv-python-headless==5.0.0.93 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }

    #[test]
    fn intels_openmp_with_llvms_is_an_error_and_with_libgomp_an_info() {
        let prefix = Prefix::new();
        prefix.wheel(
            "intel_openmp",
            "2026.2.0",
            &[("../../libiomp5.so", b"1"), ("../../libiomp5_db.so", b"1")],
        );
        prefix.wheel("torch", "2.15.0", &[("torch/lib/libgomp.so.1", b"1")]);
        let found = detect(&prefix.inventory());
        assert_eq!(
            (found.len(), found[0].severity, &found[0].remedy),
            (1, Severity::Info, &None)
        );
        prefix.wheel("demo", "1.0", &[("demo.libs/libomp-1a2b3c4d.so.5", b"1")]);
        let errors: Vec<_> = detect(&prefix.inventory())
            .into_iter()
            .filter(Finding::blocks)
            .collect();
        assert_eq!(errors.len(), 1);
        insta::assert_snapshot!(errors[0].message, @"a process may load libiomp5 and libomp (OpenMP): OMP: Error #15: Initializing libiomp5, but found libomp already initialized; on Linux the threads wait for each other forever");
    }
}
