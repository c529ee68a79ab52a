//! Fixtures: locked packages and entries of a lab lock. Tests change the fields that matter to them.

use std::collections::BTreeSet;

use rattler_conda_types::RepoDataRecord;

use super::{LabEntry, Lock, LockedPypi, LockedWheel};
use crate::{
    context::sources::SourceName,
    names::{Backend, EnvName, ProfileName},
};

/// Returns a wheel from PyPI for every platform.
pub(crate) fn wheel(name: &str, version: &str) -> LockedWheel {
    LockedWheel {
        name: name.to_owned(),
        version: version.to_owned(),
        file: format!("{name}-{version}-py3-none-any.whl"),
        source: SourceName::Pypi,
        url: None,
        sha256: "ab".repeat(32),
        size: None,
    }
}

/// Returns wheels, each with its name and version.
pub(crate) fn wheels(packages: &[(&str, &str)]) -> Vec<LockedWheel> {
    packages.iter().map(|(name, version)| wheel(name, version)).collect()
}

/// Returns a conda package without dependencies.
pub(crate) fn conda(name: &str, version: &str, build: &str, subdir: &str) -> RepoDataRecord {
    let file = format!("{name}-{version}-{build}.conda");
    serde_json::from_value(serde_json::json!({
        "name": name, "version": version, "build": build, "build_number": 0, "depends": [], "subdir": subdir,
        "fn": file, "sha256": "cd".repeat(32), "url": format!("https://channel.example.org/{subdir}/{file}"),
        "channel": "https://channel.example.org/",
    }))
    .expect("a record")
}

/// Returns a lock without build requirements.
pub(crate) fn lock(backend: &Backend, conda: Vec<RepoDataRecord>, wheels: Vec<LockedWheel>) -> Lock {
    Lock {
        conda,
        pypi: LockedPypi {
            places: std::collections::BTreeMap::new(),
            wheels,
            build: Vec::new(),
            torch_from_pypi: false,
            findings: Vec::new(),
            computed: BTreeSet::new(),
        },
        backend: backend.clone(),
        fallbacks: Vec::new(),
    }
}

/// Returns an entry without packages.
pub(crate) fn entry(env: &str, profile: ProfileName, backend: &str, platform: &str) -> LabEntry {
    let env: EnvName = env.parse().expect("a name");
    let backend: Backend = backend.parse().expect("a backend");
    LabEntry {
        name: LabEntry::name_of(&env, profile, &backend),
        env,
        profile,
        platform: platform.to_owned(),
        python: "3.13.1".to_owned(),
        requirements: Vec::new(),
        lock: lock(&backend, Vec::new(), Vec::new()),
        backend,
    }
}
