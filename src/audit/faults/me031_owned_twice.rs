//! `AttributeError: module 'cv2' has no attribute …`, after two packages wrote the same files
//!
//! Two packages install the same files with different contents, such as opencv-python and
//! opencv-contrib-python-headless, or a fork and its original. The package that was unpacked last overwrote
//! the other, file by file. Removing one breaks the other. Remove both, then install one again. Some packages
//! share files by design and without harm. They are listed in `profiles/shared_files.toml`.
//!
//! Remedy: run `matenv repair ENV`. It keeps the packages that are in the lock.

use std::collections::{BTreeMap, BTreeSet};

use super::{capped, me025_cuda_packages_disagree::is_nccl};
use crate::{
    audit::{Claim, Inventory, Owner, SharedFiles, extension},
    finding::{Code, Finding, Scope, Severity},
    profile::stack::Stacks,
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let files = &inventory.files;
    let mut shared: BTreeMap<BTreeSet<usize>, Vec<&str>> = BTreeMap::new();
    for (path, claims) in &files.claims {
        let owners: BTreeSet<usize> = claims.iter().map(|claim| claim.owner).collect();
        // conda handles conflicts between its own packages: it renames files that exist already.
        let wheels = owners.iter().any(|owner| !files.owners[*owner].conda);
        if owners.len() < 2 || !wheels || !differ(claims) {
            continue;
        }
        let names: Vec<&str> = owners.iter().map(|owner| files.owners[*owner].name.as_str()).collect();
        if SharedFiles::find(inventory.short(path), &names).is_none() && !is_reported_by_another_fault(&names) {
            shared.entry(owners).or_default().push(path);
        }
    }
    shared
        .into_iter()
        .map(|(owners, paths)| {
            let names: Vec<_> = owners.iter().map(|owner| files.describe_owner(*owner)).collect();
            let code: Vec<_> = paths.iter().copied().filter(|path| is_code(path)).collect();
            let imported = code.iter().any(|path| is_imported(inventory, path, &owners));
            let (severity, shown) = match (code.is_empty(), imported) {
                (true, _) => (Severity::Info, paths),
                (false, true) => (Severity::Error, code),
                (false, false) => (Severity::Warning, code),
            };
            let count = shown.len();
            let message = format!(
                "{} install {count} {} with different contents: one overwrote the other",
                names.join(" and "),
                if count == 1 { "file" } else { "files" },
            );
            let found = Finding::new(Code::OwnedTwice, severity, Scope::Environment, message)
                .with_evidence(capped(shown.iter().map(|path| inventory.short(path).to_owned())));
            match severity {
                Severity::Error | Severity::Warning => found.with_remedy(inventory.remedy(|by| {
                    let owners: Vec<&Owner> = owners.iter().map(|owner| &files.owners[*owner]).collect();
                    let kept = by.kept(&owners, &shown);
                    kept.map_or_else(String::new, |kept| by.only(kept, owners))
                })),
                Severity::Info => found,
            }
        })
        .collect()
}

/// Checks whether the records of the file contradict each other.
fn differ(claims: &[Claim]) -> bool {
    let hashes: BTreeSet<_> = claims.iter().filter_map(|claim| claim.sha256).collect();
    let sizes: BTreeSet<_> = claims.iter().filter_map(|claim| claim.size).collect();
    hashes.len() > 1 || sizes.len() > 1
}

/// Checks whether another fault reports these packages.
fn is_reported_by_another_fault(names: &[&str]) -> bool {
    let flavors = Stacks::table().onnxruntime();
    let all = |is: &dyn Fn(&str) -> bool| names.iter().all(|name| is(name));
    all(&is_nccl) || all(&|name| flavors.iter().any(|flavor| flavor == name))
}

/// Checks whether Python or the loader loads such a file.
fn is_code(path: &str) -> bool {
    matches!(extension(path), "py" | "so" | "pyd" | "dll" | "dylib" | "pth") || path.contains(".so.")
}

/// Checks whether programs load the file: a library, or a module in a Python package that all the owners record. A
/// module outside a Python package, such as a build helper, was packed by mistake.
fn is_imported(inventory: &Inventory, path: &str, owners: &BTreeSet<usize>) -> bool {
    let below = inventory.short(path);
    let Some((top, _)) = below.split_once('/') else {
        return true;
    };
    let package = format!("{}/{top}/__init__.py", inventory.installed.site_packages);
    let claims = inventory
        .files
        .claims
        .get(&package)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let of_all = owners
        .iter()
        .all(|owner| claims.iter().any(|claim| claim.owner == *owner));
    extension(below) != "py" || of_all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixtures::Prefix;

    #[test]
    fn packages_that_share_equal_or_harmless_files_have_no_finding() {
        let prefix = Prefix::new();
        let same: [(&str, &[u8]); 3] = [
            ("nvidia/__init__.py", b""),
            ("tests/__init__.py", b"1"),
            ("PySide6/_config.py", b"1"),
        ];
        let other: [(&str, &[u8]); 3] = [
            ("nvidia/__init__.py", b""),
            ("tests/__init__.py", b"22"),
            ("PySide6/_config.py", b"2"),
        ];
        prefix.wheel("PySide6_Addons", "6.12.0", &same);
        prefix.wheel("PySide6_Essentials", "6.12.0", &other);
        assert_eq!(detect(&prefix.inventory()), []);
    }

    #[test]
    fn two_opencvs_are_one_error_with_the_files() {
        let prefix = Prefix::new();
        let files: [(&str, &[u8]); 3] = [
            ("cv2/cv2.abi3.so", b"1"),
            ("cv2/version.py", b"1"),
            ("cv2/LICENSE.txt", b"1"),
        ];
        prefix.wheel("opencv_python", "5.0.0.93", &files);
        let files: [(&str, &[u8]); 3] = [
            ("cv2/cv2.abi3.so", b"22"),
            ("cv2/version.py", b"2"),
            ("cv2/LICENSE.txt", b"1"),
        ];
        prefix.wheel("opencv_contrib_python_headless", "5.0.0.93", &files);
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME031 opencv-contrib-python-headless 5.0.0.93 and opencv-python 5.0.0.93 install 2 files with different contents: one overwrote the other
          cv2/cv2.abi3.so
          cv2/version.py
          do: uv pip uninstall opencv-contrib-python-headless opencv-python --python "[PYTHON]" && uv pip install --reinstall --no-deps opencv-contrib-python-headless==5.0.0.93 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
        // An overwritten file is not reported as damaged as well.
        assert!(prefix.inventory().files.differing.is_empty());
    }

    #[test]
    fn modules_of_one_package_are_an_error_and_helpers_of_a_build_a_warning() {
        let prefix = Prefix::new();
        prefix.wheel(
            "one",
            "1.0",
            &[("scripted/a.py", b"1"), ("fork/__init__.py", b"1"), ("fork/a.py", b"1")],
        );
        prefix.wheel("other", "1.0", &[("scripted/a.py", b"2")]);
        let found = detect(&prefix.inventory());
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
        prefix.wheel("third", "1.0", &[("fork/__init__.py", b"1"), ("fork/a.py", b"2")]);
        let found = detect(&prefix.inventory());
        assert!(found.iter().any(Finding::blocks), "{found:?}");
    }

    #[test]
    fn texts_that_differ_are_an_info() {
        let prefix = Prefix::new();
        prefix.wheel("one", "1.0", &[("share/data.json", b"1")]);
        prefix.wheel("other", "1.0", &[("share/data.json", b"2")]);
        assert_eq!(detect(&prefix.inventory())[0].severity, Severity::Info);
    }
}
