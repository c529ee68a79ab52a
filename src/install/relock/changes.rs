use std::collections::BTreeMap;

use serde::Serialize;

use crate::lock::{LabEntry, LabLock};

/// A package that differs between two locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// The package's name.
    pub package: String,
    /// The old version, or `None` if the package is new.
    pub before: Option<String>,
    /// The new version, or `None` if the package was removed. It equals the old one if only the file differs.
    pub after: Option<String>,
    /// The environments and platforms, such as `sleap-cpu linux-64`.
    pub environments: Vec<String>,
}

/// A version and the SHA-256 of its file.
type Locked = (String, String);

/// Returns the differences between two locks, by package.
pub(super) fn changes(old: &LabLock, new: &LabLock) -> Vec<Change> {
    let mut found: BTreeMap<(String, Option<String>, Option<String>), Vec<String>> = BTreeMap::new();
    let mut places: Vec<(&str, &str)> = old
        .entries
        .iter()
        .chain(&new.entries)
        .map(|entry| (entry.name.as_str(), entry.platform.as_str()))
        .collect();
    places.sort_unstable();
    places.dedup();
    for (name, platform) in places {
        let before = packages(old.get(name, platform));
        let after = packages(new.get(name, platform));
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort();
        names.dedup();
        for package in names {
            let (before, after) = (before.get(package), after.get(package));
            if before != after {
                let version = |locked: Option<&Locked>| locked.map(|(version, _)| version.clone());
                let key = (package.clone(), version(before), version(after));
                found.entry(key).or_default().push(format!("{name} {platform}"));
            }
        }
    }
    found
        .into_iter()
        .map(|((package, before, after), environments)| Change {
            package,
            before,
            after,
            environments,
        })
        .collect()
}

fn packages(entry: Option<&LabEntry>) -> BTreeMap<String, Locked> {
    let Some(entry) = entry else {
        return BTreeMap::new();
    };
    let conda = entry.lock.conda.iter().map(|record| {
        let record = &record.package_record;
        let sha256 = record.sha256.map(hex::encode).unwrap_or_default();
        let locked = (record.version.to_string(), sha256);
        (record.name.as_normalized().to_owned(), locked)
    });
    let wheels = entry.lock.pypi.wheels.iter();
    conda
        .chain(wheels.map(|wheel| (wheel.name.clone(), (wheel.version.clone(), wheel.sha256.clone()))))
        .collect()
}
