//! `ModuleNotFoundError: No module named 'numpy._core'`, though the package is listed as installed
//!
//! Files that a package installed are gone: deleted by hand or by a clean-up, or a removal was cut off half-way and left
//! `numpy-2.4.6.dist-info` without METADATA, or `~umpy`. `pip` and `uv` take the package for installed and do nothing.
//!
//! Remedy: `matenv repair ENV`.

use std::collections::BTreeMap;

use super::{Code, capped};
use crate::{
    audit::{Inventory, RemainsKind},
    doctor::{Finding, Scope, Severity},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let mut of_owner: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (owner, path) in &inventory.files.missing {
        of_owner.entry(*owner).or_default().push(path);
    }
    let gone = of_owner.into_iter().map(|(owner, paths)| {
        let all = inventory.files.owners[owner].files;
        let owner = inventory.files.owner_words(owner);
        let message = match paths.as_slice() {
            several if several.len() * 2 > all && all > 2 => {
                format!("{owner} is half removed: {} of its {all} files are gone", several.len())
            }
            [one] => format!("{} of {owner} is gone", inventory.short(one)),
            several => format!("{} files of {owner} are gone", several.len()),
        };
        error(inventory, message).with_evidence(capped(paths.iter().map(|path| inventory.short(path).to_owned())))
    });
    let remains = inventory.remains.iter().map(|remains| {
        let folder = &remains.folder;
        let (severity, message) = match remains.kind {
            RemainsKind::NoMetadata => (Severity::Error, format!("{folder} is half removed: it has no METADATA")),
            RemainsKind::NoRecord => (Severity::Error, format!("{folder} is half removed: it has no RECORD")),
            RemainsKind::Aside => (
                Severity::Warning,
                format!("{folder} is left of a package that pip did not remove to the end"),
            ),
        };
        let path = inventory.tree.path(&format!("{}/{folder}", inventory.site_packages));
        Finding {
            severity,
            ..error(inventory, message)
        }
        .with_evidence([path.display().to_string()])
    });
    let records = inventory.damaged_records.iter().map(|record| {
        let message = format!("{record} is damaged: what conda installed is not known");
        error(inventory, message).with_evidence([inventory.tree.path(record).display().to_string()])
    });
    gone.chain(remains).chain(records).collect()
}

fn error(inventory: &Inventory, message: String) -> Finding {
    Finding::new(Code::FileMissing, Severity::Error, Scope::Environment, message).with_remedy(inventory.again())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::made::{Prefix, SITE};

    fn demo() -> Prefix {
        let prefix = Prefix::new();
        let files: [(&str, &[u8]); 4] = [
            ("demo/__init__.py", b"1"),
            ("demo/a.py", b"1"),
            ("demo/b.py", b"1"),
            ("demo/__pycache__/a.cpython-313.pyc", b"1"),
        ];
        prefix.wheel("demo", "1.0", &files);
        prefix
    }

    #[test]
    fn a_whole_package_raises_nothing_and_compiled_files_may_go() {
        let prefix = demo();
        fs_err::remove_dir_all(prefix.site("demo/__pycache__")).expect("removed");
        assert_eq!(detect(&prefix.inventory()), []);
    }

    #[test]
    fn a_deleted_file_is_an_error() {
        let prefix = demo();
        fs_err::remove_file(prefix.site("demo/a.py")).expect("removed");
        let found = detect(&prefix.inventory());
        assert_eq!((found.len(), found[0].severity), (1, Severity::Error));
        assert_eq!(found[0].message, "demo/a.py of demo 1.0 is gone");
    }

    #[test]
    fn a_half_removed_package_is_one_finding_however_it_was_left() {
        let prefix = demo();
        fs_err::remove_dir_all(prefix.site("demo")).expect("removed");
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "demo 1.0 is half removed: 3 of its 5 files are gone");

        let prefix = demo();
        fs_err::remove_file(prefix.site("demo-1.0.dist-info/METADATA")).expect("removed");
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].message,
            "demo-1.0.dist-info is half removed: it has no METADATA"
        );

        let prefix = demo();
        fs_err::remove_file(prefix.site("demo-1.0.dist-info/RECORD")).expect("removed");
        prefix.write(&format!("{SITE}/~emo/__init__.py"), "");
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].message, "demo-1.0.dist-info is half removed: it has no RECORD");
        assert_eq!(found[1].severity, Severity::Warning);
    }
}
