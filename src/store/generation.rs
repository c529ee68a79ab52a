//! A generation and its record.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StoreError, link};
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
            link::sync_folder(&file)
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

    /// Returns the generation at `prefix`, or `None` if it is unfinished, not created by matenv, or its record cannot
    /// be read.
    #[must_use]
    pub fn at_prefix(prefix: &Path) -> Option<Self> {
        Self::read(prefix.to_owned()).ok().flatten()
    }

    /// Reads the generation in the folder at `prefix`. Returns `None` if it is unfinished.
    pub(super) fn read(prefix: PathBuf) -> Result<Option<Self>, StoreError> {
        let path = path(&prefix);
        let Some(text) = files::read_if_exists(&path).map_err(StoreError::Read)? else {
            return Ok(None);
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
