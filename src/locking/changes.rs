use std::collections::BTreeMap;

use serde::Serialize;

use crate::lock::{LabEntry, LabLock};

/// A package whose version differs between two locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The package.
    pub package: String,
    /// Its version before; absent if it came.
    pub before: Option<String>,
    /// Its version now; absent if it went.
    pub after: Option<String>,
    /// Where: `sleap-cpu linux-64`.
    pub environments: Vec<String>,
}

/// What differs, by package.
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
        let before = versions(old.get(name, platform));
        let after = versions(new.get(name, platform));
        let mut packages: Vec<&String> = before.keys().chain(after.keys()).collect();
        packages.sort();
        packages.dedup();
        for package in packages {
            let pair = (before.get(package).cloned(), after.get(package).cloned());
            if pair.0 != pair.1 {
                let key = (package.clone(), pair.0, pair.1);
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

fn versions(entry: Option<&LabEntry>) -> BTreeMap<String, String> {
    let Some(entry) = entry else {
        return BTreeMap::new();
    };
    let conda = entry.lock.conda.iter().map(|record| {
        let record = &record.package_record;
        (record.name.as_normalized().to_owned(), record.version.to_string())
    });
    let wheels = &entry.lock.pypi.wheels;
    conda
        .chain(wheels.iter().map(|wheel| (wheel.name.clone(), wheel.version.clone())))
        .collect()
}
