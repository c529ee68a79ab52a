use std::path::PathBuf;

use super::Failure;
use crate::hardware::Hardware;

/// The option for a machine other than this one.
#[derive(Debug, clap::Args)]
pub(super) struct HardwareFile {
    /// Use the machine that FILE describes instead of this one; create FILE there with `matenv hardware --json`
    #[arg(long = "hardware", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

impl HardwareFile {
    /// Reads the hardware file, if one is given.
    pub(super) fn read(&self) -> Result<Option<Hardware>, Failure> {
        Ok(self.file.as_deref().map(Hardware::read).transpose()?)
    }
}
