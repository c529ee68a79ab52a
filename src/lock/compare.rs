//! The packages that differ between two locks.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Lock, PackageKind};

/// A package that differs between two locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackageChange {
    /// The kind of the package.
    pub kind: PackageKind,
    /// The normalized name.
    pub name: String,
    /// The package before, or `None` if it was added.
    pub before: Option<LockedVersion>,
    /// The package after, or `None` if it was removed.
    pub after: Option<LockedVersion>,
}

/// The version of a locked package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockedVersion {
    /// The version.
    pub version: String,
    /// The conda build. For a wheel, its file name if only that or its contents differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}

/// The number of added, removed and changed packages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeCounts {
    /// Packages that are only in the second lock.
    pub added: usize,
    /// Packages that are only in the first lock.
    pub removed: usize,
    /// Packages with another version or build.
    pub changed: usize,
}

impl ChangeCounts {
    /// Counts `changes`.
    #[must_use]
    pub(crate) fn count(changes: &[PackageChange]) -> Self {
        let count = |wanted: fn(&PackageChange) -> bool| changes.iter().filter(|change| wanted(change)).count();
        Self {
            added: count(|change| change.before.is_none()),
            removed: count(|change| change.after.is_none()),
            changed: count(|change| change.before.is_some() && change.after.is_some()),
        }
    }
}

impl fmt::Display for PackageChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before.version == after.version => {
                let build =
                    |version: &LockedVersion| version.build.clone().unwrap_or_else(|| "another file".to_owned());
                let (version, before, after) = (&before.version, build(before), build(after));
                write!(f, "{} {version} {before} -> {after}", self.name)
            }
            (Some(before), Some(after)) => write!(f, "{} {} -> {}", self.name, before.version, after.version),
            (Some(before), None) => write!(f, "{} {} removed", self.name, before.version),
            (None, Some(after)) => write!(f, "{} {} added", self.name, after.version),
            (None, None) => write!(f, "{}", self.name),
        }
    }
}

/// A package of a lock. Two equal ones are the same package.
#[derive(PartialEq, Eq)]
struct Found {
    version: String,
    build: String,
    sha256: String,
}

/// Returns the packages that differ, conda packages first, sorted by name.
#[must_use]
pub(crate) fn compare(before: &Lock, after: &Lock) -> Vec<PackageChange> {
    let (mut old, mut new) = (packages(before), packages(after));
    let mut changes = Vec::new();
    let keys: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
    for key in keys {
        let (old, new) = (old.remove(&key), new.remove(&key));
        if old == new {
            // Equal, or taken from both maps before.
            continue;
        }
        let (kind, name) = key;
        // A wheel is identified by its version. Its file matters only if the version is the same.
        let same_version = old.as_ref().map(|old| &old.version) == new.as_ref().map(|new| &new.version);
        let locked = |found: Found| LockedVersion {
            build: (kind == PackageKind::Conda || same_version).then_some(found.build),
            version: found.version,
        };
        changes.push(PackageChange {
            kind,
            name,
            before: old.map(locked),
            after: new.map(locked),
        });
    }
    changes.sort_by(|a, b| (a.kind as u8, &a.name).cmp(&(b.kind as u8, &b.name)));
    changes
}

fn packages(lock: &Lock) -> BTreeMap<(PackageKind, String), Found> {
    let conda = lock.conda.iter().map(|record| {
        let package = &record.package_record;
        let found = Found {
            version: package.version.to_string(),
            build: package.build.to_string(),
            sha256: package.sha256.map(hex::encode).unwrap_or_default(),
        };
        ((PackageKind::Conda, package.name.as_normalized().to_owned()), found)
    });
    let wheels = lock.pypi.wheels.iter().map(|wheel| {
        let found = Found {
            version: wheel.version.clone(),
            build: wheel.file.clone(),
            sha256: wheel.sha256.clone(),
        };
        ((PackageKind::Pypi, wheel.name.clone()), found)
    });
    conda.chain(wheels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lock::fixtures, names::Backend};

    #[test]
    fn added_removed_and_changed_packages_are_listed_with_builds() {
        let conda = |build| vec![fixtures::conda("python", "3.13.1", build, "linux-64")];
        let lock = |build, wheels: &[_]| fixtures::lock(&Backend::cpu(), conda(build), fixtures::wheels(wheels));
        let before = lock(
            "h1_0",
            &[("gone", "1.0"), ("numpy", "2.1"), ("same", "1.0"), ("rebuilt", "1.0")],
        );
        let mut after = lock(
            "h2_0",
            &[("new", "3.0"), ("numpy", "2.2"), ("same", "1.0"), ("rebuilt", "1.0")],
        );
        after.pypi.wheels[3].file = "rebuilt-1.0-2-py3-none-any.whl".to_owned();
        let changes = compare(&before, &after);
        let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        python 3.13.1 h1_0 -> h2_0
        gone 1.0 removed
        new 3.0 added
        numpy 2.1 -> 2.2
        rebuilt 1.0 rebuilt-1.0-py3-none-any.whl -> rebuilt-1.0-2-py3-none-any.whl
        ");
        let counts = ChangeCounts::count(&changes);
        assert_eq!((counts.added, counts.removed, counts.changed), (1, 1, 3));
        assert_eq!(compare(&before, &before), []);
    }

    #[test]
    fn a_wheel_with_the_same_name_and_other_contents_is_a_change() {
        let before = fixtures::lock(&Backend::cpu(), Vec::new(), fixtures::wheels(&[("numpy", "2.1")]));
        let mut after = before.clone();
        after.pypi.wheels[0].sha256 = "cd".repeat(32);
        assert_eq!(compare(&before, &after).len(), 1);
    }
}
