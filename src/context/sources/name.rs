use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceName {
    /// The conda channel conda-forge.
    CondaForge,
    /// PyPI, or the index that this machine uses instead.
    Pypi,
    /// The torch index, with one URL per backend.
    Torch,
    /// NVIDIA's index.
    Nvidia,
}

impl SourceName {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::CondaForge, Self::Pypi, Self::Torch, Self::Nvidia];

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CondaForge => "conda-forge",
            Self::Pypi => "pypi",
            Self::Torch => "torch",
            Self::Nvidia => "nvidia",
        }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SourceName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(())
    }
}
