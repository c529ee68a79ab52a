//! Finds the records of a generation that cannot be read. They are empty, cut, missing, of another form, not text, or
//! not a file, for example after a disk error. Nothing depends on a single one: the others say enough to write it again.

use std::{collections::BTreeMap, fmt, path::Path};

use rattler_digest::{Sha256, compute_bytes_digest};

use super::{Generation, Store, StoreError, drift::Fingerprint};
use crate::{
    files::layout,
    input::{self, Input},
    lock::Lock,
    names::EnvName,
    plan::Plan,
};

/// The records that never change after the generation became current. The certificate changes when it is proven again.
const UNCHANGING: [&str; 3] = ["plan.json", "matenv.lock", "lock.json"];

/// A record of a generation, apart from the one that makes it a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFile {
    /// The plan.
    Plan,
    /// The two files of the lock.
    Lock,
    /// The certificate.
    Certificate,
    /// The packages at the time when it was proven.
    Fingerprint,
}

impl RecordFile {
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Plan => &["plan.json"],
            Self::Lock => &["matenv.lock", "lock.json"],
            Self::Certificate => &["certificate.json"],
            Self::Fingerprint => &["fingerprint.json"],
        }
    }
}

impl fmt::Display for RecordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.files().join(" and "))
    }
}

/// Returns the SHA-256 of each record in `prefix` that never changes. Skips files that cannot be read.
pub(super) fn digests(prefix: &Path) -> BTreeMap<String, String> {
    let digest = |name: &&str| Some(((*name).to_owned(), digest(prefix, name)?));
    UNCHANGING.iter().filter_map(digest).collect()
}

fn digest(prefix: &Path, name: &str) -> Option<String> {
    let path = layout::records(prefix).join(name);
    // Reading a pipe would never end.
    let bytes = path.is_file().then(|| input::read(&path, Input::Record).ok())??;
    Some(hex::encode(compute_bytes_digest::<Sha256>(&bytes)))
}

impl Generation {
    /// Returns the records that cannot be read. It parses only records that are not as they were written.
    #[must_use]
    pub fn damaged_records(&self) -> Vec<RecordFile> {
        let records = layout::records(&self.prefix);
        let is_as_written = |names: &[&str]| {
            names.iter().all(|name| {
                let written = self.record.digests.get(*name);
                written.is_some() && written == digest(&self.prefix, name).as_ref()
            })
        };
        let is_file = |name: &str| records.join(name).is_file();
        let text = |name: &str| is_file(name).then(|| input::read_text(&records.join(name), Input::Record).ok())?;
        let plan = || text("plan.json").is_some_and(|text| serde_json::from_str::<Plan>(&text).is_ok());
        let lock = || is_file("matenv.lock") && is_file("lock.json") && Lock::read(&records).is_ok();
        // Its type is defined above the store. Who needs more than this reads it there.
        let certificate = || {
            let value = serde_json::from_str::<serde_json::Value>(&text("certificate.json")?).ok()?;
            (value["schema"] == 1 && value["env"] == self.env.as_str()).then_some(())
        };
        // A prefix without Python has none.
        let fingerprint = || {
            (is_file("fingerprint.json") && Fingerprint::read(&self.prefix).is_some())
                || layout::site_packages_of(&self.prefix).is_none()
        };
        let mut damaged = Vec::new();
        if !is_as_written(&UNCHANGING[..1]) && !plan() {
            damaged.push(RecordFile::Plan);
        }
        if !is_as_written(&UNCHANGING[1..]) && !lock() {
            damaged.push(RecordFile::Lock);
        }
        if certificate().is_none() {
            damaged.push(RecordFile::Certificate);
        }
        if !fingerprint() {
            damaged.push(RecordFile::Fingerprint);
        }
        damaged
    }

    /// Removes folders that are in the place of a `damaged` record, so that it can be written again.
    ///
    /// # Errors
    /// A folder cannot be removed.
    pub fn make_way(&self, damaged: &[RecordFile]) -> Result<(), StoreError> {
        let records = layout::records(&self.prefix);
        let names = damaged.iter().flat_map(|record| record.files());
        for path in names.map(|name| records.join(name)).filter(|path| !path.is_symlink()) {
            if path.is_dir() {
                fs_err::remove_dir_all(path).map_err(StoreError::Write)?;
            }
        }
        Ok(())
    }

    /// Returns whether its packages and its proof can be read, so that it can be used in place of another generation.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let damaged = self.damaged_records();
        damaged.iter().all(|record| *record == RecordFile::Fingerprint)
    }
}

impl Store {
    /// Returns the newest generation of `env` that is proven and readable, current or not. If there is none, returns the
    /// newest readable one.
    pub fn newest_readable(&self, env: &EnvName) -> Result<Option<Generation>, StoreError> {
        let mut generations = self.generations(env)?;
        generations.retain(Generation::is_readable);
        let proven = generations.iter().rposition(Generation::is_proven);
        Ok(match proven {
            Some(at) => Some(generations.swap_remove(at)),
            None => generations.pop(),
        })
    }
}
