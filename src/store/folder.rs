//! The folders of the store, by their names.

use std::path::{Path, PathBuf};

use super::StoreError;
use crate::{files, names::EnvName};

/// The folder of a generation, known from its name alone.
pub(super) struct Folder {
    pub(super) number: u64,
    pub(super) prefix: PathBuf,
}

impl Folder {
    /// Parses the name of a generation of `env`: `sleap-3.0f4a21` is one of `sleap`, `sleap-gpu-3.0f4a21` is not.
    pub(super) fn named(name: &str, env: &EnvName, store: &Path) -> Option<Self> {
        let (of, number) = Self::parse(name)?;
        (of == *env).then(|| Self {
            number,
            prefix: store.join(name),
        })
    }

    /// Parses the name of a generation: `sleap-gpu-3.0f4a21` is number 3 of `sleap-gpu`.
    pub(super) fn parse(name: &str) -> Option<(EnvName, u64)> {
        let (env, id) = name.rsplit_once('-')?;
        let (number, stamp) = id.split_once('.')?;
        let number = number.parse().ok()?;
        let is_stamp = stamp.len() == 6 && stamp.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_stamp.then_some((env.parse().ok()?, number))
    }
}

/// Returns the names in a folder, which may not exist yet.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = files::entries(folder).map_err(StoreError::Read)?;
    let names = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.collect())
}
