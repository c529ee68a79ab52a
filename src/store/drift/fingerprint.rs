//! A record of the packages in a proven prefix, made for a fast comparison.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rattler_digest::{Sha256, compute_bytes_digest};
use serde::{Deserialize, Serialize};

use super::{
    Change,
    listing::{Entry, Kind, modified},
};
use crate::files::{self, layout};
use crate::input::{self, Input};

const FILE: &str = "fingerprint.json";

/// The packages that were installed in a prefix at one moment (`share/matenv/fingerprint.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    schema: u32,
    /// The distributions in `site-packages`.
    python: Side,
    /// The packages in `conda-meta`.
    conda: Side,
}

/// One folder that lists installed packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Side {
    /// The path relative to the prefix.
    folder: PathBuf,
    /// The time of the last added or removed entry, in nanoseconds since 1970; absent if it was less than 2 seconds
    /// ago.
    modified: Option<u64>,
    installed: Vec<Installed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Installed {
    name: String,
    version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build: Option<String>,
    /// The distribution's own list of its files (`RECORD`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    bytes: u64,
    modified: Option<u64>,
    sha256: String,
}

impl Fingerprint {
    /// Reads the prefix; `None` if it does not contain Python.
    ///
    /// # Errors
    /// A folder or a distribution's `RECORD` cannot be read.
    pub fn take(prefix: &Path) -> std::io::Result<Option<Self>> {
        let Some(site_packages) = layout::site_packages_of(prefix) else {
            return Ok(None);
        };
        Ok(Some(Self {
            schema: 1,
            python: Side::take(prefix, &site_packages, Kind::Python)?,
            conda: Side::take(prefix, &prefix.join("conda-meta"), Kind::Conda)?,
        }))
    }

    /// Writes the fingerprint into the prefix.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, prefix: &Path) -> std::io::Result<()> {
        fs_err::create_dir_all(layout::records(prefix))?;
        files::write_whole(&path(prefix), serde_json::to_string(self)?)
    }

    /// Reads the fingerprint from the prefix; `None` if it is missing or damaged. Old environments have none.
    #[must_use]
    pub fn read(prefix: &Path) -> Option<Self> {
        let text = input::read_text(&path(prefix), Input::Record).ok()?;
        serde_json::from_str(&text)
            .inspect_err(|error| tracing::debug!("{} is damaged: {error}", path(prefix).display()))
            .ok()
            .filter(|read: &Self| read.schema == 1)
    }

    /// Returns the differences between now and then, the most important first.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn changes(&self, prefix: &Path) -> std::io::Result<Vec<Change>> {
        let mut changes = self.python.changes(prefix, Kind::Python)?;
        for change in self.conda.changes(prefix, Kind::Conda)? {
            // A conda package that contains a Python distribution is reported once.
            if !changes.iter().any(|known| known.is_as(&change)) {
                changes.push(change);
            }
        }
        changes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Ok(changes)
    }
}

fn path(prefix: &Path) -> PathBuf {
    layout::records(prefix).join(FILE)
}

impl Side {
    fn take(prefix: &Path, folder: &Path, kind: Kind) -> std::io::Result<Self> {
        // Read before the listing, so that a change during the listing shows as a later time.
        let modified = stamp(folder).filter(|modified| is_settled(*modified));
        let mut installed = Vec::new();
        for entry in kind.list(folder)?.into_values().flatten() {
            installed.push(Installed {
                record: if kind == Kind::Python {
                    Record::of(&entry)?
                } else {
                    None
                },
                name: entry.name,
                version: entry.version,
                build: entry.build,
            });
        }
        Ok(Self {
            folder: folder.strip_prefix(prefix).unwrap_or(folder).to_owned(),
            modified,
            installed,
        })
    }

    fn changes(&self, prefix: &Path, kind: Kind) -> std::io::Result<Vec<Change>> {
        let folder = prefix.join(&self.folder);
        let modified = stamp(&folder);
        // Every installation or removal adds or removes an entry. One `stat` is fast even on slow network disks.
        if modified.is_some() && modified == self.modified {
            return Ok(Vec::new());
        }
        let now = kind.list(&folder)?;
        let mut then: BTreeMap<&str, Vec<&Installed>> = BTreeMap::new();
        for installed in &self.installed {
            then.entry(&installed.name).or_default().push(installed);
        }
        let names: BTreeSet<&str> = then.keys().copied().chain(now.keys().map(String::as_str)).collect();
        Ok(names
            .into_iter()
            .filter_map(|name| {
                let before = then.get(name).map(Vec::as_slice).unwrap_or_default();
                let after = now.get(name).map(Vec::as_slice).unwrap_or_default();
                change(name, before, after, modified)
            })
            .collect())
    }
}

/// Returns the change of a package, if it has changed.
fn change(name: &str, before: &[&Installed], after: &[Entry], folder: Option<u64>) -> Option<Change> {
    let same = before.len() == after.len()
        && before
            .iter()
            .zip(after)
            .all(|(then, now)| then.version == now.version && then.build == now.build);
    if same {
        let again = before.iter().zip(after).find(|(then, now)| {
            let record = then.record.as_ref();
            record.is_some_and(|record| record.is_another(&now.record()))
        });
        return again.map(|(then, now)| Change::again(name, &then.version, now.made()));
    }
    let versions = |of: Vec<(&str, Option<&str>)>, with_build: bool| -> Vec<String> {
        of.into_iter()
            .map(|(version, build)| match build.filter(|_| with_build) {
                Some(build) => format!("{version} {build}"),
                None => version.to_owned(),
            })
            .collect()
    };
    let then: Vec<_> = before
        .iter()
        .map(|then| (then.version.as_str(), then.build.as_deref()))
        .collect();
    let now: Vec<_> = after
        .iter()
        .map(|now| (now.version.as_str(), now.build.as_deref()))
        .collect();
    // Two builds of the same version differ only in their build strings.
    let alike = then
        .iter()
        .map(|(version, _)| version)
        .eq(now.iter().map(|(version, _)| version));
    let when = after.iter().filter_map(Entry::made).max().or(folder);
    Some(Change::between(
        name,
        &versions(then, alike),
        &versions(now, alike),
        when,
    ))
}

/// Returns whether a later change would get another timestamp: file systems have steps of up to 2 seconds (FAT).
fn is_settled(modified: u64) -> bool {
    const STEP: u128 = 2_000_000_000;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u128::from(modified) + STEP < now.as_nanos()
}

fn stamp(path: &Path) -> Option<u64> {
    modified(&fs_err::metadata(path).ok()?)
}

impl Record {
    fn of(entry: &Entry) -> std::io::Result<Option<Self>> {
        let path = entry.record();
        let bytes = match input::read(&path, Input::FileList) {
            Ok(bytes) => bytes,
            // Some conda packages and all `.egg-info` entries have none.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            bytes: bytes.len() as u64,
            modified: stamp(&path),
            sha256: hex::encode(compute_bytes_digest::<Sha256>(&bytes)),
        }))
    }

    /// Returns whether `path` has other contents. The file is read only if its time differs: a copied or restored
    /// environment has new times and the same bytes.
    fn is_another(&self, path: &Path) -> bool {
        let Ok(metadata) = fs_err::metadata(path) else {
            return true;
        };
        if metadata.len() != self.bytes {
            return true;
        }
        if self.modified.is_some() && modified(&metadata) == self.modified {
            return false;
        }
        input::read(path, Input::FileList).map_or(true, |bytes| {
            hex::encode(compute_bytes_digest::<Sha256>(&bytes)) != self.sha256
        })
    }
}
