//! `ModuleNotFoundError: No module named 'numpy._core'`, although the package is listed as installed
//!
//! Files that a package installed are missing. They were deleted by hand or by a cleanup. An interrupted
//! removal can also leave `numpy-2.4.6.dist-info` without METADATA, or a folder such as `~umpy`. `pip` and `uv`
//! regard the package as installed and do nothing.
//!
//! Remedy: run `matenv repair ENV`.

use std::collections::BTreeMap;

use super::capped;
use crate::{
    audit::{
        Inventory, LeftoverKind, Owner,
        installers::{delete, then},
    },
    finding::{Code, Finding, Scope, Severity},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let mut by_owner: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (owner, path) in &inventory.files.missing {
        by_owner.entry(*owner).or_default().push(path);
    }
    let missing = by_owner.into_iter().map(|(owner, paths)| {
        let package = &inventory.files.owners[owner];
        let all = package.files;
        let owner = inventory.files.describe_owner(owner);
        let message = match paths.as_slice() {
            several if several.len() * 2 > all && all > 2 => {
                format!(
                    "{owner} is half removed: {} of its {all} files are missing",
                    several.len()
                )
            }
            [one] => format!("{} of {owner} is missing", inventory.short(one)),
            several => format!("{} files of {owner} are missing", several.len()),
        };
        error(message)
            .with_evidence(capped(paths.iter().map(|path| inventory.short(path).to_owned())))
            .with_remedy(inventory.remedy(|by| by.again([package])))
    });
    let remains = inventory.installed.remains.iter().map(|remains| {
        let folder = &remains.folder;
        let (severity, message) = match remains.kind {
            LeftoverKind::NoMetadata => (Severity::Error, format!("{folder} is half removed: it has no METADATA")),
            LeftoverKind::NoRecord => (Severity::Error, format!("{folder} is half removed: it has no RECORD")),
            LeftoverKind::MovedAside => (
                Severity::Warning,
                format!("{folder} is left over from a package that pip did not remove completely"),
            ),
        };
        let path = inventory
            .tree
            .path(&format!("{}/{folder}", inventory.installed.site_packages));
        let package = folder
            .strip_suffix(".dist-info")
            .filter(|_| remains.kind != LeftoverKind::MovedAside)
            .and_then(|whole| whole.split_once('-'));
        let package = package.map(|(name, version)| owner(name, version, false));
        Finding {
            severity,
            ..error(message)
        }
        .with_evidence([path.display().to_string()])
        // As long as the folder is there, pip and uv regard the package as installed, and they cannot remove it.
        .with_remedy(inventory.remedy(|by| then([delete(&path), by.again(&package)])))
    });
    let records = inventory.installed.damaged_records.iter().map(|record| {
        let message = format!("{record} is damaged: it is unknown which files conda installed");
        let path = inventory.tree.path(record);
        let mut parts = record.trim_start_matches("conda-meta/").rsplitn(3, '-');
        let package = parts
            .nth(1)
            .and_then(|version| Some(owner(parts.next()?, version, true)));
        error(message)
            .with_evidence([path.display().to_string()])
            .with_remedy(inventory.remedy(|by| then([delete(&path), by.again(&package)])))
    });
    missing.chain(remains).chain(records).collect()
}

fn error(message: String) -> Finding {
    Finding::new(Code::FileMissing, Severity::Error, Scope::Environment, message)
}

/// Returns the package that a folder or record is named after.
fn owner(name: &str, version: &str, conda: bool) -> Owner {
    Owner {
        name: name.to_owned(),
        version: version.to_owned(),
        conda,
        files: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixtures::{Prefix, SITE};

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
    fn a_whole_package_has_no_finding_even_without_compiled_files() {
        let prefix = demo();
        fs_err::remove_dir_all(prefix.site("demo/__pycache__")).expect("removed");
        assert_eq!(detect(&prefix.inventory()), []);
    }

    #[test]
    fn a_deleted_file_is_an_error() {
        let prefix = demo();
        fs_err::remove_file(prefix.site("demo/a.py")).expect("removed");
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME033 demo/a.py of demo 1.0 is missing
          demo/a.py
          do: uv pip install --reinstall --no-deps demo==1.0 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }

    #[test]
    fn a_half_removed_package_is_one_finding() {
        let prefix = demo();
        fs_err::remove_dir_all(prefix.site("demo")).expect("removed");
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].message,
            "demo 1.0 is half removed: 3 of its 5 files are missing"
        );

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
