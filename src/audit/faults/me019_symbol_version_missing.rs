//! ``ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found``
//!
//! A library of the environment was built for a newer operating system than this one, or for a newer C++
//! library than the one that is found first (``version `GLIBCXX_3.4.30' not found``, `CXXABI_1.3.15`). There
//! are two usual causes: a wheel for a newer Linux was installed by hand, or the environment was created on
//! another machine. An older release of the package may work here. Only a newer operating system has a newer
//! glibc.
//!
//! Remedy: run `matenv repair ENV` if the wheel was installed by hand. Otherwise, choose an older release of
//! the package in the lab's folder: `matenv add ENV "PACKAGE<VERSION"`.

use std::collections::BTreeMap;

use super::capped;
use crate::{
    audit::{Inventory, MissingVersion},
    finding::{Code, Finding, Scope, Severity},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let mut by_library: BTreeMap<_, Vec<&MissingVersion>> = BTreeMap::new();
    for lacking in &inventory.missing_versions {
        by_library.entry(&lacking.library).or_default().push(lacking);
    }
    let finding = |(library, lacking): (&std::path::PathBuf, Vec<&MissingVersion>)| {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        let first = lacking.first()?;
        let owner = inventory.files.describe_owners(&first.path);
        let lines = lacking.iter().map(|one| {
            let path = inventory.short(&one.path);
            format!(
                "{path} ({}) needs {}",
                inventory.files.describe_owners(&one.path),
                one.version
            )
        });
        let message = format!(
            "{owner} cannot be loaded on this machine: {name} has no version {}",
            first.version
        );
        let found = Finding::new(Code::SymbolVersionMissing, Severity::Error, Scope::Environment, message)
            .with_evidence([format!("found first: {}", library.display())])
            .with_evidence(capped(lines))
            .with_remedy(inventory.remedy(|by| {
                let below = inventory.tree.relative(library);
                let condas = below.and_then(|path| inventory.files.owners_of(&path).find(|owner| owner.conda));
                match condas {
                    Some(owner) => by.newer(&owner.name),
                    None => by.at_most(inventory.files.owners_of(&first.path)),
                }
            }));
        Some(found)
    };
    by_library.into_iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::fixtures::Prefix, binary::fixtures::Shared};

    fn needs(prefix: &Prefix, versions: &[(&str, &str)]) {
        let module = Shared {
            needed: &["libc.so.6"],
            rpath: Some("$ORIGIN/../demo.libs"),
            needs: versions,
            ..Shared::default()
        };
        let own = Shared {
            soname: "libstdc++.so.6",
            defines: &["GLIBCXX_3.4", "GLIBCXX_3.4.29"],
            ..Shared::default()
        };
        let files: [(&str, &[u8]); 2] = [
            ("demo/_core.so", &module.bytes()),
            ("demo.libs/libstdc++.so.6", &own.bytes()),
        ];
        prefix.wheel("demo", "1.0", &files);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    #[test]
    fn a_version_that_the_libraries_of_this_machine_lack_is_an_error() {
        let prefix = Prefix::new();
        needs(
            &prefix,
            &[
                ("libc.so.6", "GLIBC_2.2.5"),
                ("libc.so.6", "GLIBC_PRIVATE"),
                ("libc.so.6", "OTHER_9"),
            ],
        );
        assert_eq!(detect(&prefix.inventory()), []);
        needs(&prefix, &[("libc.so.6", "GLIBC_2.999")]);
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        let text = prefix
            .render(&found[0])
            .replace(&found[0].evidence[0], "found first: [LIBC]");
        insta::assert_snapshot!(text, @r#"
        [error] ME019 demo 1.0 cannot be loaded on this machine: libc.so.6 has no version GLIBC_2.999
          found first: [LIBC]
          demo/_core.so (demo 1.0) needs GLIBC_2.999
          do: uv pip install --reinstall --no-deps "demo<=1.0" --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_library_that_is_found_first_counts() {
        let prefix = Prefix::new();
        needs(&prefix, &[("libstdc++.so.6", "GLIBCXX_3.4.29")]);
        assert_eq!(detect(&prefix.inventory()), []);
        needs(&prefix, &[("libstdc++.so.6", "GLIBCXX_3.4.30")]);
        let found = detect(&prefix.inventory());
        assert!(found[0].evidence[0].ends_with("demo.libs/libstdc++.so.6"), "{found:?}");
    }
}
