//! `changed since the installation: numpy 2.4.6 -> 1.26.4`
//!
//! The environment does not contain the packages that matenv installed. `pip install`, `uv pip install` or
//! `conda install` changed, added or removed a package. The certificate is no longer valid for it.
//!
//! Remedy: run `matenv repair ENV` to restore the locked versions. To keep a package, add it to the lab's
//! recipe: `matenv add ENV PACKAGE`.

use std::collections::BTreeSet;

use pep440_rs::Version;

use super::capped;
use crate::{
    audit::{Inventory, Origin},
    finding::{Code, Finding, Scope, Severity},
    lock::Lock,
};

/// The package that matenv installs although it is not in the lock.
const OURS: &str = "matenv-preload";

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    if let Some(because) = &inventory.damaged_lock {
        let message = "the environment's own lock is missing or damaged: the installed packages cannot be checked";
        return vec![
            Finding::new(Code::NotAsLocked, Severity::Error, Scope::Environment, message)
                .with_evidence([because.clone()])
                .with_remedy(inventory.reinstall_command()),
        ];
    }
    let Some(lock) = &inventory.lock else {
        return Vec::new();
    };
    let mut changed = wheels(inventory, lock);
    changed.extend(conda(inventory, lock));
    let added = added(inventory, lock);
    let mut found = Vec::new();
    if let Some(first) = changed.first() {
        let message = match changed.len() {
            1 => format!("changed since the installation: {first}"),
            count => format!("{count} packages changed since the installation; the first: {first}"),
        };
        found.push(
            Finding::new(Code::NotAsLocked, Severity::Error, Scope::Environment, message)
                .with_evidence(capped(changed))
                .with_remedy(inventory.repair_command()),
        );
    }
    if let Some(first) = added.first() {
        let message = match added.len() {
            1 => format!("{first} was added by hand"),
            count => format!("{count} packages were added by hand; the first: {first}"),
        };
        found.push(
            Finding::new(Code::NotAsLocked, Severity::Warning, Scope::Environment, message)
                .with_evidence(capped(added))
                .with_remedy(inventory.repair_command()),
        );
    }
    found
}

/// Lists wheels that are missing or have another version, as `NAME OLD -> NEW`.
fn wheels(inventory: &Inventory, lock: &Lock) -> Vec<String> {
    lock.pypi
        .wheels
        .iter()
        .filter_map(|wheel| {
            let (name, locked) = (&wheel.name, &wheel.version);
            match inventory.get(name) {
                None => Some(format!("{name} {locked} -> missing")),
                Some(there) => {
                    let same = locked.parse::<Version>().is_ok_and(|locked| locked == there.version);
                    (!same).then(|| format!("{name} {locked} -> {}", there.version))
                }
            }
        })
        .collect()
}

/// Lists conda packages that are missing or have another version or build.
fn conda(inventory: &Inventory, lock: &Lock) -> Vec<String> {
    lock.conda
        .iter()
        .filter_map(|record| {
            let record = &record.package_record;
            let (name, locked) = (record.name.as_normalized(), record.version.to_string());
            match inventory.installed.conda.iter().find(|package| package.name == name) {
                // A damaged record is reported by ME033.
                None if !inventory.installed.damaged_records.is_empty() => None,
                None => Some(format!("{name} {locked} -> missing")),
                Some(there) if there.version != locked => Some(format!("{name} {locked} -> {}", there.version)),
                Some(there) => {
                    let build = record.build.to_string();
                    (there.build != build).then(|| format!("{name} {locked} {build} -> {locked} {}", there.build))
                }
            }
        })
        .collect()
}

/// Lists packages that are not in the lock. Packages from a folder or a repository are the user's own source, which
/// is never locked.
fn added(inventory: &Inventory, lock: &Lock) -> Vec<String> {
    let wheels: BTreeSet<&str> = lock.pypi.wheels.iter().map(|wheel| wheel.name.as_str()).collect();
    let packages: BTreeSet<&str> = lock
        .conda
        .iter()
        .map(|record| record.package_record.name.as_normalized())
        .collect();
    let distributions = inventory.installed.distributions.iter().filter(|distribution| {
        let source = distribution.origin.as_ref().is_some_and(Origin::is_source);
        let name = distribution.name.as_ref();
        name != OURS && !source && !wheels.contains(name) && !inventory.files.is_of_conda(distribution)
    });
    let distributions = distributions.map(|one| format!("{} {}", one.name, one.version));
    let conda = inventory
        .installed
        .conda
        .iter()
        .filter(|package| !packages.contains(package.name.as_str()))
        .map(|package| format!("{} {} (conda)", package.name, package.version));
    distributions.chain(conda).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::CondaPackage, lock::fixtures, names::Backend};

    fn inventory(texts: &[&str]) -> Inventory {
        let mut inventory = Inventory::from_metadata(texts);
        std::sync::Arc::make_mut(&mut inventory.installed)
            .conda
            .push(CondaPackage {
                name: "python".to_owned(),
                version: "3.13.1".to_owned(),
                build: "0_cp313".to_owned(),
                files: Vec::new(),
            });
        let python = fixtures::conda("python", "3.13.1", "0_cp313", "linux-64");
        let wheels = fixtures::wheels(&[("numpy", "2.4.6"), ("torch", "2.15.0+cpu")]);
        inventory.lock = Some(fixtures::lock(&Backend::cpu(), vec![python], wheels));
        inventory
    }

    const TORCH: &str = "Name: torch\nVersion: 2.15.0+cpu\n";

    #[test]
    fn locked_packages_and_a_prefix_without_a_lock_have_no_finding() {
        let ours = "Name: matenv-preload\nVersion: 0.1.0\n";
        assert_eq!(detect(&inventory(&["Name: numpy\nVersion: 2.4.6\n", TORCH, ours])), []);
        assert_eq!(
            detect(&Inventory::from_metadata(&["Name: numpy\nVersion: 2.4.6\n"])),
            []
        );
    }

    #[test]
    fn each_changed_package_is_listed() {
        let found = detect(&inventory(&["Name: numpy\nVersion: 1.26.4\n"]));
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].render(), @"
        [error] ME036 2 packages changed since the installation; the first: numpy 2.4.6 -> 1.26.4
          numpy 2.4.6 -> 1.26.4
          torch 2.15.0+cpu -> missing
          do: matenv repair sleap
        ");
        let mut other = inventory(&["Name: numpy\nVersion: 2.4.6\n", TORCH]);
        std::sync::Arc::make_mut(&mut other.installed).conda[0].version = "3.13.2".to_owned();
        assert_eq!(
            detect(&other)[0].message,
            "changed since the installation: python 3.13.1 -> 3.13.2"
        );
    }

    #[test]
    fn an_added_package_is_a_warning_but_the_users_own_source_is_not() {
        let mut inventory = inventory(&["Name: numpy\nVersion: 2.4.6\n", TORCH, "Name: extra\nVersion: 1.0\n"]);
        let found = detect(&inventory);
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].render(), @"
        [warning] ME036 extra 1.0 was added by hand
          extra 1.0
          do: matenv repair sleap
        ");
        let origin = serde_json::json!({ "url": "https://example.org/extra.git", "vcs_info": { "vcs": "git", "commit_id": "0a1b" } });
        std::sync::Arc::make_mut(&mut inventory.installed).distributions[2].origin =
            serde_json::from_value(origin).ok();
        assert_eq!(detect(&inventory), []);
    }

    #[test]
    fn a_damaged_lock_is_an_error() {
        let mut inventory = inventory(&[]);
        inventory.lock = None;
        inventory.damaged_lock = Some("lock.json is damaged: cut".to_owned());
        assert_eq!(detect(&inventory)[0].evidence, ["lock.json is damaged: cut"]);
    }
}
