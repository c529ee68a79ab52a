//! A generation and its record.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{StoreError, durable, folder::Folder};
use crate::{
    files::{self, layout},
    finding::Finding,
    names::{EnvName, ProfileName, install_arguments},
};

/// The record of a generation (`share/matenv/generation.json`). Without it, the folder counts as unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// Version of the file format.
    pub schema: u32,
    /// The environment.
    pub env: EnvName,
    /// The manifest that it was built from.
    pub manifest: EnvName,
    /// The profile.
    pub profile: ProfileName,
    /// The generation's number. Each environment counts from 1.
    pub number: u64,
    /// The fingerprint of its plan, see [`Plan::fingerprint`](crate::plan::Plan::fingerprint).
    pub plan_fingerprint: String,
    /// The creation time, as RFC 3339.
    pub created: String,
    /// The prefix in which it was built; absent in records of older versions.
    #[serde(default)]
    pub prefix: Option<PathBuf>,
    /// Whether audit, probes and benchmark ran.
    pub proven: bool,
    /// Whether they found nothing that blocks the environment.
    pub ok: bool,
    /// Whether it was created for another machine and the checks that need that machine did not run yet.
    #[serde(default)]
    pub cross: bool,
    /// The folder name of the generation that it replaced as the current one.
    #[serde(default)]
    pub replaced: Option<String>,
    /// The SHA-256 of each record that never changes, by file name. Records with these bytes are not damaged.
    #[serde(default)]
    pub digests: BTreeMap<String, String>,
    /// The name of the user who created it; absent in records of older versions.
    #[serde(default)]
    pub created_by: Option<String>,
    /// Findings of its audit that do not block. The locked packages cause them, so a repair cannot fix them.
    #[serde(default)]
    pub made_with: Vec<Known>,
}

/// A finding that the environment has had since it was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The finding's code, as text: an older matenv may not know it.
    pub code: String,
    /// The finding's message.
    pub message: String,
}

impl Known {
    /// Returns whether `finding` is this finding.
    #[must_use]
    pub fn is(&self, finding: &Finding) -> bool {
        self.code == finding.code.as_str() && self.message == finding.message
    }
}

/// One installed prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Generation {
    /// The environment.
    pub env: EnvName,
    /// The generation's number, counted from 1.
    pub number: u64,
    /// The generation's folder.
    pub prefix: PathBuf,
    /// The generation's record.
    pub record: GenerationRecord,
}

impl GenerationRecord {
    /// Writes the record into the generation at `prefix`.
    pub(super) fn write(&self, prefix: &Path) -> Result<(), StoreError> {
        let file = path(prefix);
        let text = serde_json::to_string_pretty(self).map_err(|error| StoreError::Write(error.into()))?;
        let write = || -> std::io::Result<()> {
            fs_err::create_dir_all(layout::records(prefix))?;
            files::write_whole(&file, text)?;
            // The record marks the generation as complete, so it must be on the disk before the link.
            durable::sync_folder(&layout::records(prefix))
        };
        write().map_err(StoreError::Write)
    }
}

impl GenerationRecord {
    /// Returns the arguments of `matenv install` that create the environment again.
    #[must_use]
    pub fn typed(&self) -> String {
        format!(
            "{} --profile {}",
            install_arguments(&self.manifest, &self.env),
            self.profile
        )
    }
}

impl Generation {
    /// Records that the environment is now on the machine that it was created for, and the results of the checks.
    pub fn record_arrival(&self, proven: bool, ok: bool) -> Result<(), StoreError> {
        let record = GenerationRecord {
            proven,
            ok,
            cross: false,
            ..self.record.clone()
        };
        record.write(&self.prefix)
    }

    /// Records the results of the checks after it was proven again.
    pub fn record_proof(&self, proven: bool, ok: bool) -> Result<(), StoreError> {
        let record = GenerationRecord {
            proven,
            ok,
            ..self.record.clone()
        };
        record.write(&self.prefix)
    }

    /// Returns the generation at `prefix`, or `None` if it is unfinished, not created by matenv, or its record cannot
    /// be read.
    #[must_use]
    pub fn at_prefix(prefix: &Path) -> Option<Self> {
        Self::read(prefix.to_owned()).ok().flatten()
    }

    /// Reads the generation in the folder at `prefix`. Returns `None` if it is unfinished.
    pub(super) fn read(prefix: PathBuf) -> Result<Option<Self>, StoreError> {
        let path = path(&prefix);
        let Some(text) = read_record(&path)? else {
            return Ok(None);
        };
        let damaged = |because: String| StoreError::Damaged {
            path: path.clone(),
            because,
        };
        let record: GenerationRecord = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if record.schema != 1 {
            let found = record.schema;
            return Err(damaged(format!(
                "this version of matenv cannot read format version {found}"
            )));
        }
        let name = prefix.file_name().unwrap_or_default().to_string_lossy();
        if Folder::parse(&name).is_some_and(|(env, number)| env != record.env || number != record.number) {
            return Err(damaged(format!("it is the record of {} {}", record.env, record.number)));
        }
        Ok(Some(Self {
            env: record.env.clone(),
            number: record.number,
            prefix,
            record,
        }))
    }

    /// Returns whether all checks ran and found no error.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.record.proven && self.record.ok
    }
}

/// Reads the file at `path`, or returns `None` if there is nothing. Anything that is not a text file is damaged.
fn read_record(path: &Path) -> Result<Option<String>, StoreError> {
    let damaged = |because: String| StoreError::Damaged {
        path: path.to_owned(),
        because,
    };
    let kind = match fs_err::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound if path.is_symlink() => Err(damaged("it is a link to a missing file".to_owned())),
                ErrorKind::NotFound => Ok(None),
                ErrorKind::PermissionDenied => Err(StoreError::Read(error)),
                // A file in the place of the folder, a link to itself, a disk error.
                _ => Err(damaged(error.to_string())),
            };
        }
    };
    if !kind.is_file() {
        return Err(damaged("it is not a file".to_owned()));
    }
    files::read_if_exists(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => StoreError::Read(error),
        ErrorKind::InvalidData => damaged("it is not text".to_owned()),
        _ => damaged(error.to_string()),
    })
}

pub(super) fn path(prefix: &Path) -> PathBuf {
    layout::records(prefix).join("generation.json")
}
