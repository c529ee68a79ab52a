//! Pins: a pinned generation is never removed to free space, only together with its environment.

use std::path::{Path, PathBuf};

use super::{Generation, Store, StoreError, janitor::PINNED};
use crate::files;

impl Store {
    /// Pins a generation.
    pub fn pin(&self, generation: &Generation) -> Result<(), StoreError> {
        fs_err::create_dir_all(self.state()).map_err(StoreError::Write)?;
        fs_err::write(self.pin_file(&generation.prefix), "").map_err(StoreError::Write)
    }

    /// Removes the pin of a generation. Returns whether it had one.
    pub fn unpin(&self, generation: &Generation) -> Result<bool, StoreError> {
        files::remove_if_exists(&self.pin_file(&generation.prefix)).map_err(StoreError::Write)
    }

    /// Returns whether the generation at `prefix` is pinned.
    #[must_use]
    pub fn is_pinned(&self, prefix: &Path) -> bool {
        self.pin_file(prefix).exists()
    }

    /// Returns the empty file that exists while the generation at `prefix` is pinned.
    pub(super) fn pin_file(&self, prefix: &Path) -> PathBuf {
        let name = prefix.file_name().unwrap_or_default().to_string_lossy();
        self.state().join(format!("{name}{PINNED}"))
    }
}
