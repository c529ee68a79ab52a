//! A generation, and what is written down of it.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{StoreError, link};
use crate::files::layout;
use crate::{
    finding::Finding,
    names::{EnvName, ProfileName, typed},
};

/// What is written down of a generation (`share/matenv/generation.json`). Where it is missing, the folder is unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// Version of the form.
    pub schema: u32,
    /// The environment.
    pub env: EnvName,
    /// Its manifest.
    pub manifest: EnvName,
    /// The accelerator level.
    pub profile: ProfileName,
    /// Counts from 1 for each environment.
    pub number: u64,
    /// What it was made from, see [`Plan::fingerprint`](crate::plan::Plan::fingerprint).
    pub plan_fingerprint: String,
    /// When, RFC 3339.
    pub created: String,
    /// Whether audit, probes and benchmark ran.
    pub proven: bool,
    /// Whether they found nothing that blocks.
    pub ok: bool,
    /// It was made for another machine, and what needs that one did not run yet.
    #[serde(default)]
    pub cross: bool,
    /// What its audit found that does not block: the locked packages bring it, and no repair mends it.
    #[serde(default)]
    pub made_with: Vec<Known>,
}

/// A finding that was there from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its code, as text: an older matenv may not know it.
    pub code: String,
    /// Its sentence.
    pub message: String,
}

impl Known {
    /// Whether `finding` is it.
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
    /// Counts from 1.
    pub number: u64,
    /// Its folder.
    pub prefix: PathBuf,
    /// What is written down of it.
    pub record: GenerationRecord,
}

impl GenerationRecord {
    /// Write the record into the generation at `prefix`, whole or not at all.
    pub(super) fn write(&self, prefix: &Path) -> Result<(), StoreError> {
        let file = path(prefix);
        let text = serde_json::to_string_pretty(self).map_err(|error| StoreError::Write(error.into()))?;
        let write = || -> std::io::Result<()> {
            fs_err::create_dir_all(layout::records(prefix))?;
            let unfinished = file.with_extension("new");
            let mut new = fs_err::File::create(&unfinished)?;
            new.write_all(text.as_bytes())?;
            // What says that the generation is whole must be on the disk before the link is.
            new.sync_all()?;
            fs_err::rename(&unfinished, &file)?;
            link::sync_folder(&file)
        };
        write().map_err(StoreError::Write)
    }
}

impl GenerationRecord {
    /// What is typed after `matenv install` to make the environment again.
    #[must_use]
    pub fn typed(&self) -> String {
        format!("{} --profile {}", typed(&self.manifest, &self.env), self.profile)
    }
}

impl Generation {
    /// Write down that the machine is there that it was made for, and what was proven on it.
    pub fn arrived(&self, proven: bool, ok: bool) -> Result<(), StoreError> {
        let record = GenerationRecord {
            proven,
            ok,
            cross: false,
            ..self.record.clone()
        };
        record.write(&self.prefix)
    }

    /// The generation at `prefix`; `None` if it is not finished, not matenv's, or its record cannot be read.
    #[must_use]
    pub fn of_prefix(prefix: &Path) -> Option<Self> {
        Self::read(prefix.to_owned()).ok().flatten()
    }

    /// The generation in the folder at `prefix`; `None` if it is not finished.
    pub(super) fn read(prefix: PathBuf) -> Result<Option<Self>, StoreError> {
        let path = path(&prefix);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Read(error)),
        };
        let record: GenerationRecord =
            serde_json::from_str(&text).map_err(|source| StoreError::Damaged { path, source })?;
        Ok(Some(Self {
            env: record.env.clone(),
            number: record.number,
            prefix,
            record,
        }))
    }
}

fn path(prefix: &Path) -> PathBuf {
    layout::records(prefix).join("generation.json")
}
