//! A program loads a library or a module that belongs to no package: `ImportError: … (/…/site-packages/lib….so)`
//!
//! Somebody copied a file into the environment, or a package was removed without its record. Such a file is
//! an *info* as long as nothing loads it instead of a file of a package. A shared library is an *error* if
//! the loader uses it in place of a library that a package needs: the package then works or crashes by
//! chance.
//!
//! Remedy: run `matenv repair ENV`. It builds the environment without the file.

use super::capped;
use crate::{
    audit::{Inventory, Unowned, installers::aside},
    finding::{Code, Finding, Scope, Severity},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let (loaded, idle): (Vec<&Unowned>, Vec<&Unowned>) =
        inventory.unowned.iter().partition(|file| file.loaded_by.is_some());
    let mut found: Vec<Finding> = loaded
        .iter()
        .filter_map(|file| {
            let by = file.loaded_by.as_ref()?;
            let by_whom = match inventory.files.owners_of(by).next() {
                Some(owner) => format!("{} {}", owner.name, owner.version),
                None => inventory.short(by).to_owned(),
            };
            let message = format!(
                "{} belongs to no package, and {by_whom} would load it",
                inventory.short(&file.path)
            );
            Some(
                Finding::new(Code::NotOwned, Severity::Error, Scope::Environment, message)
                    .with_evidence([format!("{} needs a library of that name", inventory.short(by))])
                    .with_remedy(inventory.remedy(|_| aside(&inventory.tree.path(&file.path)))),
            )
        })
        .collect();
    for (library, what) in [(true, "shared libraries"), (false, "Python modules")] {
        let paths: Vec<_> = idle
            .iter()
            .filter(|file| file.library == library)
            .map(|file| inventory.short(&file.path).to_owned())
            .collect();
        if !paths.is_empty() {
            let message = match paths.as_slice() {
                [one] => format!("{one} belongs to no package"),
                several => format!("{} {what} belong to no package", several.len()),
            };
            found.push(
                Finding::new(Code::NotOwned, Severity::Info, Scope::Environment, message).with_evidence(capped(paths)),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::fixtures::{Prefix, SITE},
        binary::fixtures::Shared,
    };

    #[test]
    fn files_of_packages_and_of_python_itself_have_no_finding() {
        let prefix = Prefix::new();
        prefix.wheel("demo", "1.0", &[("demo/__init__.py", b"1"), ("demo/_core.so", b"1")]);
        prefix.write(&format!("{SITE}/_virtualenv.py"), "");
        prefix.write(&format!("{SITE}/demo/__pycache__/__init__.cpython-313.pyc"), "");
        prefix.write(&format!("{SITE}/demo/data.bin"), "");
        assert_eq!(detect(&prefix.inventory()), []);
    }

    #[test]
    fn a_module_and_a_library_that_nothing_needs_are_an_info() {
        let prefix = Prefix::new();
        prefix.wheel("demo", "1.0", &[("demo/__init__.py", b"1")]);
        prefix.write(&format!("{SITE}/mine.py"), "");
        prefix.write(&format!("{SITE}/demo/libother.so"), "");
        let found = detect(&prefix.inventory());
        let found: Vec<_> = found.iter().map(|one| (one.severity, one.message.as_str())).collect();
        assert_eq!(
            found,
            [
                (Severity::Info, "demo/libother.so belongs to no package"),
                (Severity::Info, "mine.py belongs to no package")
            ]
        );
    }

    /// Its libraries must not be reported as unowned files to be moved away.
    #[cfg(target_os = "linux")]
    #[test]
    fn files_of_a_half_removed_package_belong_to_it() {
        let module = Shared {
            needed: &["libother.so"],
            rpath: Some("$ORIGIN/../demo.libs"),
            ..Shared::default()
        };
        let other = Shared {
            soname: "libother.so",
            ..Shared::default()
        };
        for (gone, folder) in [
            ("RECORD", "demo-1.0.dist-info"),
            ("METADATA", "demo-1.0.dist-info"),
            ("", "~emo-1.0.dist-info"),
        ] {
            let prefix = Prefix::new();
            let files: [(&str, &[u8]); 2] = [
                ("demo/_core.so", &module.bytes()),
                ("demo.libs/libother.so", &other.bytes()),
            ];
            prefix.wheel("demo", "1.0", &files);
            fs_err::rename(prefix.site("demo-1.0.dist-info"), prefix.site(folder)).expect("renamed");
            if !gone.is_empty() {
                fs_err::remove_file(prefix.site(&format!("{folder}/{gone}"))).expect("removed");
            }
            assert_eq!(detect(&prefix.inventory()), [], "{folder} without {gone}");
        }
    }

    /// A Python that is not a conda package contains libraries that no record names.
    #[cfg(unix)]
    #[test]
    fn libraries_in_lib_count_only_where_conda_records_others() {
        let prefix = Prefix::new();
        prefix.write("lib/libmine.so", "");
        assert_eq!(detect(&prefix.inventory()), []);
        prefix.conda("zlib", "1.3", &[("lib/libz.so.1", b"1")]);
        std::os::unix::fs::symlink("libz.so.1", prefix.path().join("lib/libz.so")).expect("linked");
        let found = detect(&prefix.inventory());
        assert_eq!((found.len(), found[0].severity), (1, Severity::Info));
        assert_eq!(found[0].evidence, ["lib/libmine.so"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_library_that_the_loader_uses_is_an_error() {
        let prefix = Prefix::new();
        let module = Shared {
            needed: &["libother.so"],
            rpath: Some("$ORIGIN"),
            ..Shared::default()
        };
        prefix.wheel("demo", "1.0", &[("demo/_core.so", &module.bytes())]);
        assert_eq!(detect(&prefix.inventory()), []);
        let other = Shared {
            soname: "libother.so",
            ..Shared::default()
        };
        prefix.write(&format!("{SITE}/demo/libother.so"), other.bytes());
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME034 demo/libother.so belongs to no package, and demo 1.0 would load it
          demo/_core.so needs a library of that name
          do: mv "[PREFIX]/lib/python3.13/site-packages/demo/libother.so" "[PREFIX]/lib/python3.13/site-packages/demo/libother.so.aside"   or install a proven environment next to it: matenv install sleap
        "#);
    }
}
