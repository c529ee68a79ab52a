//! Files that differ from their package's record because they were published that way. An installation from verified
//! archives saves the list of them, so that the audit does not report what a new installation cannot fix.

use std::path::Path;

use rattler_digest::{Sha256, compute_file_digest};
use serde::{Deserialize, Serialize};

use super::Tree;
use crate::files::{self, layout};
use crate::input::{self, Input};

const FILE: &str = "published.json";

/// A file that was published with a wrong record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The path relative to the prefix.
    pub path: String,
    /// The size in bytes. `None` if the record lists a file that is not in the archive.
    pub size: Option<u64>,
    /// The SHA-256 in hex, or `None` like the size.
    pub sha256: Option<String>,
}

impl Published {
    /// Reads the current state of the file at `path`, relative to the prefix.
    pub(super) fn from_file(tree: &Tree, path: &str) -> Self {
        let size = tree.get(path).map(|entry| entry.size);
        let digest = size.and_then(|_| compute_file_digest::<Sha256>(tree.path(path)).ok());
        Self {
            path: path.to_owned(),
            size,
            sha256: digest.map(hex::encode),
        }
    }

    /// Reads the list of a prefix. Returns an empty list if it is missing or invalid.
    pub(super) fn read(prefix: &Path) -> Vec<Self> {
        let text = input::read_text(&layout::records(prefix).join(FILE), Input::Record).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes the list into a prefix that is being installed.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(published: &[Self], prefix: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(published)?;
        files::write_whole(&layout::records(prefix).join(FILE), text)
    }
}

/// A file that differs from its package's record, for further checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The package.
    pub package: String,
    /// Whether conda's tools installed it.
    pub conda: bool,
    /// The current state of the file.
    pub there: Published,
}
