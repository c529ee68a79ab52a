use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A source that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceName {
    /// The conda channel.
    CondaForge,
    /// The machine's PyPI.
    Pypi,
    /// The torch index, one per backend.
    Torch,
    /// NVIDIA's index.
    Nvidia,
}

impl SourceName {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::CondaForge, Self::Pypi, Self::Torch, Self::Nvidia];

    /// The name as text.
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
