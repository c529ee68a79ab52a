//! The lab lock: every environment for every profile, backend and platform of the lab.
//!
//! `matenv.lock` has `rattler_lock`'s format. The sidecar `matenv-lock.json` contains the data for which that format
//! has no field: the requirements with their reasons, file names and sizes, and build requirements. Both list the
//! wheels. If they differ, the lock is damaged.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::Path,
};

use rattler_conda_types::RepoDataRecord;
use rattler_lock::{LockFile, ParseCondaLockError};
use serde::{Deserialize, Serialize};

use super::{Lock, LockError, LockedPypi, LockedWheel, file};
use crate::{
    context::sources::SourceName,
    files,
    finding::Finding,
    input::{self, Input},
    manifest::lab::LAB_LOCK,
    names::{Backend, EnvName, ProfileName},
    plan::PlannedRequirement,
};

/// The sidecar, which only matenv reads.
pub(crate) const LAB_SIDECAR: &str = "matenv-lock.json";

/// How an error describes a line with git's conflict marker.
pub(crate) const CONFLICT: &str = "a git merge conflict marker";

/// The format version of [`LAB_SIDECAR`].
const SCHEMA: u32 = 1;

/// One environment of a lab lock, for one platform.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LabEntry {
    /// The entry's name in the lock: `sleap-cpu`, `sleap-gpu-cu130`, `sleap-gpu-trt-cu130`.
    pub name: String,
    /// The environment.
    pub env: EnvName,
    /// The profile.
    pub profile: ProfileName,
    /// The torch backend.
    pub backend: Backend,
    /// The conda subdir, such as `linux-64`.
    pub platform: String,
    /// Python's version, such as `3.13.5`.
    pub python: String,
    /// The requirements of wheels, with the reasons.
    pub requirements: Vec<PlannedRequirement>,
    /// The packages.
    pub lock: Lock,
}

/// A lab lock.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LabLock {
    /// The entries, sorted by name and then platform.
    pub entries: Vec<LabEntry>,
}

/// The text of the two files of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabText {
    /// The text of [`LAB_LOCK`].
    pub lock: String,
    /// The text of [`LAB_SIDECAR`].
    pub sidecar: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    schema: u32,
    environments: Vec<SidecarEntry>,
    /// By location, a URL or `./pypi/FILE`: most wheels are in many environments.
    files: BTreeMap<String, SidecarFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SidecarEntry {
    name: String,
    env: EnvName,
    profile: ProfileName,
    backend: Backend,
    platform: String,
    python: String,
    requirements: Vec<PlannedRequirement>,
    /// SHA-256 by URL.
    conda: BTreeMap<String, String>,
    /// By location, as in `files`.
    wheels: Vec<String>,
    build: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    computed: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SidecarFile {
    file: String,
    name: String,
    version: String,
    source: SourceName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

#[derive(Deserialize)]
struct Head {
    schema: u32,
}

impl LabEntry {
    /// Returns the name of an environment in the lock.
    #[must_use]
    pub(crate) fn name_of(env: &EnvName, profile: ProfileName, backend: &Backend) -> String {
        match profile {
            ProfileName::Cpu => format!("{env}-{profile}"),
            ProfileName::Gpu | ProfileName::GpuTrt => format!("{env}-{profile}-{backend}"),
        }
    }
}

impl LabLock {
    /// Returns the entries of an environment for every profile, backend and platform.
    pub(crate) fn entries_of<'a>(&'a self, env: &'a EnvName) -> impl Iterator<Item = &'a LabEntry> {
        self.entries.iter().filter(move |entry| entry.env == *env)
    }

    /// Returns the entry with a name for a platform.
    #[must_use]
    pub(crate) fn get(&self, name: &str, platform: &str) -> Option<&LabEntry> {
        self.entries
            .iter()
            .find(|entry| entry.name == name && entry.platform == platform)
    }

    /// Reads the lock in a lab's folder. Returns `None` if there is none.
    pub(crate) fn read(root: &Path) -> Result<Option<Self>, LockError> {
        let path = root.join(LAB_LOCK);
        let sidecar = root.join(LAB_SIDECAR);
        let text = |path: &Path| {
            files::if_exists(input::read_text(path, Input::Lock)).map_err(|error| LockError::of_read(path, error))
        };
        let lost = |path: &Path| LockError::Damaged {
            path: path.to_owned(),
            because: "the file is missing, but the other file of the lock exists".to_owned(),
        };
        match (text(&path)?, text(&sidecar)?) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(lost(&sidecar)),
            (None, Some(_)) => Err(lost(&path)),
            (Some(lock), Some(text)) => Self::parse(&LabText { lock, sidecar: text }, root).map(Some),
        }
    }

    /// Writes the lock into a lab's folder, each file whole. Returns `false` if both were up to date.
    pub(crate) fn write(&self, root: &Path) -> Result<bool, LockError> {
        let text = self.text()?;
        let mut changed = false;
        for (name, text) in [(LAB_SIDECAR, &text.sidecar), (LAB_LOCK, &text.lock)] {
            let path = root.join(name);
            if input::read_text(&path, Input::Lock).is_ok_and(|there| there == *text) {
                continue;
            }
            files::write_whole(&path, text).map_err(|source| match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => LockError::Io(source),
                _ => LockError::Folder {
                    folder: root.to_owned(),
                    source,
                },
            })?;
            changed = true;
        }
        Ok(changed)
    }

    /// Parses both files. `root` is used only in error messages.
    pub(crate) fn parse(text: &LabText, root: &Path) -> Result<Self, LockError> {
        let damaged = |name: &str, because: String| LockError::Damaged {
            path: root.join(name),
            because,
        };
        for (name, text) in [(LAB_LOCK, &text.lock), (LAB_SIDECAR, &text.sidecar)] {
            if let Some(at) = text.lines().position(|line| line.starts_with("<<<<<<< ")) {
                let because = format!("line {} is {CONFLICT}", at + 1);
                return Err(damaged(name, because));
            }
        }
        let head: Head =
            serde_json::from_str(&text.sidecar).map_err(|error| damaged(LAB_SIDECAR, error.to_string()))?;
        if head.schema != SCHEMA {
            return Err(LockError::Newer {
                path: root.join(LAB_SIDECAR),
                found: head.schema.to_string(),
            });
        }
        let sidecar: Sidecar =
            serde_json::from_str(&text.sidecar).map_err(|error| damaged(LAB_SIDECAR, error.to_string()))?;
        let path = root.join(LAB_LOCK);
        let file = file::parsed(&text.lock, None).map_err(|error| match error {
            file::Unparsed::Damaged(because) => damaged(LAB_LOCK, because),
            file::Unparsed::Refused(error) => match *error {
                ParseCondaLockError::IncompatibleVersion { lock_file_version, .. } => LockError::Newer {
                    path: path.clone(),
                    found: lock_file_version.to_string(),
                },
                other => damaged(LAB_LOCK, crate::names::causes::chain(&other)),
            },
        })?;
        let mut entries = Vec::new();
        for one in sidecar.environments {
            entries.push(
                one.into_entry(&sidecar.files, &file)
                    .map_err(|because| damaged(LAB_LOCK, because))?,
            );
        }
        let known: BTreeSet<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        if let Some((name, _)) = file.environments().find(|(name, _)| !known.contains(name)) {
            return Err(damaged(LAB_SIDECAR, format!("the environment `{name}` is missing")));
        }
        Ok(Self { entries })
    }

    /// Returns the text of both files. Equal locks have equal text.
    pub(crate) fn text(&self) -> Result<LabText, LockError> {
        let written = |because: String| LockError::Damaged {
            path: LAB_LOCK.into(),
            because,
        };
        let mut entries: Vec<&LabEntry> = self.entries.iter().collect();
        entries.sort_by_key(|entry| (&entry.name, &entry.platform));
        let locks: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.platform.as_str(), &entry.lock))
            .collect();
        let lock = file::lock_file(&locks)
            .map_err(written)?
            .render_to_string()
            .map_err(LockError::Io)?;
        let mut files = BTreeMap::new();
        let environments = entries
            .iter()
            .map(|entry| SidecarEntry::from_entry(entry, &mut files))
            .collect();
        let sidecar = Sidecar {
            schema: SCHEMA,
            environments,
            files,
        };
        let sidecar = serde_json::to_string_pretty(&sidecar).map_err(|error| written(error.to_string()))? + "\n";
        Ok(LabText { lock, sidecar })
    }
}

impl SidecarEntry {
    fn from_entry(entry: &LabEntry, files: &mut BTreeMap<String, SidecarFile>) -> Self {
        let mut names = |wheels: &[LockedWheel]| {
            let mut names: Vec<String> = Vec::new();
            for wheel in wheels {
                let place = file::place(wheel);
                names.push(place.clone());
                files.entry(place).or_insert_with(|| SidecarFile {
                    file: wheel.file.clone(),
                    name: wheel.name.clone(),
                    version: wheel.version.clone(),
                    source: wheel.source,
                    url: wheel.url.clone(),
                    sha256: wheel.sha256.clone(),
                    size: wheel.size,
                });
            }
            names.sort();
            names
        };
        let pypi = &entry.lock.pypi;
        Self {
            name: entry.name.clone(),
            env: entry.env.clone(),
            profile: entry.profile,
            backend: entry.backend.clone(),
            platform: entry.platform.clone(),
            python: entry.python.clone(),
            requirements: entry.requirements.clone(),
            conda: hashes(&entry.lock.conda),
            wheels: names(&pypi.wheels),
            build: names(&pypi.build),
            computed: pypi.computed.clone(),
            findings: pypi.findings.clone(),
        }
    }

    fn into_entry(self, files: &BTreeMap<String, SidecarFile>, file: &LockFile) -> Result<LabEntry, String> {
        let wheels = |names: &[String]| -> Result<Vec<LockedWheel>, String> {
            names
                .iter()
                .map(|name| {
                    let file = files
                        .get(name)
                        .ok_or_else(|| format!("the file {name} is missing in {LAB_SIDECAR}"))?;
                    Ok(LockedWheel {
                        name: file.name.clone(),
                        version: file.version.clone(),
                        file: file.file.clone(),
                        source: file.source,
                        url: file.url.clone(),
                        sha256: file.sha256.clone(),
                        size: file.size,
                    })
                })
                .collect()
        };
        let pypi = LockedPypi {
            places: BTreeMap::new(),
            wheels: wheels(&self.wheels)?,
            build: wheels(&self.build)?,
            torch_from_pypi: false,
            findings: self.findings,
            computed: self.computed,
        };
        let (conda, there) = file::contents(file, &self.name, &self.platform)?;
        file::check_fields(&pypi).map_err(|because| format!("{} for {}: {because}", self.name, self.platform))?;
        file::same_wheels(&pypi.wheels, &there)
            .map_err(|because| format!("{} for {}: {because}", self.name, self.platform))?;
        let there = hashes(&conda);
        let different = self.conda.iter().find(|(url, sha256)| there.get(*url) != Some(sha256));
        let different = different.or_else(|| there.iter().find(|(url, _)| !self.conda.contains_key(*url)));
        if let Some((url, _)) = different {
            return Err(format!(
                "{} for {}: the two files differ in the conda package {url}",
                self.name, self.platform
            ));
        }
        Ok(LabEntry {
            lock: Lock {
                conda,
                pypi,
                backend: self.backend.clone(),
                fallbacks: Vec::new(),
            },
            name: self.name,
            env: self.env,
            profile: self.profile,
            backend: self.backend,
            platform: self.platform,
            python: self.python,
            requirements: self.requirements,
        })
    }
}

/// Returns the SHA-256 of conda packages by URL. It is empty for a record without one, but matenv never writes those.
fn hashes(records: &[RepoDataRecord]) -> BTreeMap<String, String> {
    let hash = |record: &RepoDataRecord| record.package_record.sha256.map(hex::encode).unwrap_or_default();
    records
        .iter()
        .map(|record| (record.url.to_string(), hash(record)))
        .collect()
}

#[cfg(test)]
mod tests;
