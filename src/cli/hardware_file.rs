use std::path::PathBuf;

use super::Failure;
use crate::hardware::Hardware;

/// A machine that is not this one.
#[derive(Debug, clap::Args)]
pub(super) struct HardwareFile {
    /// Take the machine that FILE describes, as `matenv hardware --json` wrote it there, instead of this one
    #[arg(long = "hardware", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

impl HardwareFile {
    /// What the file says, if one is named.
    pub(super) fn read(&self) -> Result<Option<Hardware>, Failure> {
        Ok(self.file.as_deref().map(Hardware::read).transpose()?)
    }
}
