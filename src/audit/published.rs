//! Files that are not as their package's own record says, because they were published so. Whoever built an environment from checked
//! archives writes them down beside it, and nobody is told twice of what no new installation mends.

use std::path::Path;

use rattler_digest::{Sha256, compute_file_digest};
use serde::{Deserialize, Serialize};

use super::Tree;
use crate::files::layout;

const FILE: &str = "published.json";

/// A file that was published so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Below the prefix.
    pub path: String,
    /// Its size in bytes; absent if the record names a file that is in no archive.
    pub size: Option<u64>,
    /// Its SHA-256 in hex; absent as the size is.
    pub sha256: Option<String>,
}

impl Published {
    /// The file at `path` below a prefix as it is.
    pub(super) fn of(tree: &Tree, path: &str) -> Self {
        let size = tree.get(path).map(|entry| entry.size);
        let digest = size.and_then(|_| compute_file_digest::<Sha256>(tree.path(path)).ok());
        Self {
            path: path.to_owned(),
            size,
            sha256: digest.map(hex::encode),
        }
    }

    /// Those of a prefix. What cannot be read was not written by matenv.
    pub(super) fn read(prefix: &Path) -> Vec<Self> {
        let text = fs_err::read_to_string(layout::records(prefix).join(FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Write them down in a prefix that is being built.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(published: &[Self], prefix: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(published)?;
        fs_err::write(layout::records(prefix).join(FILE), text)
    }
}

/// A file that is not as its package's record says, as something to look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The package.
    pub package: String,
    /// Whether conda's tools installed it.
    pub conda: bool,
    /// The file as it is.
    pub there: Published,
}
