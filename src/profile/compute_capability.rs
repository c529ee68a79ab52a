use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// NVIDIA's version of a GPU's instruction set: 8.9 is `sm_89`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComputeCapability {
    /// The major number: the GPU generation.
    pub major: u8,
    /// The minor number: the variant within the generation.
    pub minor: u8,
}

/// How a GPU can run the code of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeSupport {
    /// The build contains machine code for the GPU.
    Sass,
    /// The driver compiles PTX for the GPU. The first run takes minutes.
    Ptx,
    /// The GPU cannot run the build (`cudaErrorNoKernelImageForDevice`).
    Nothing,
}

/// The error for a text that is not a compute capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a compute capability, such as 8.9")]
pub struct InvalidComputeCapability(String);

impl ComputeCapability {
    /// Returns whether a GPU of this capability runs machine code (SASS) for `code`: same major, equal or lower
    /// minor.
    #[must_use]
    pub fn runs_sass(self, code: Self) -> bool {
        self.major == code.major && code.minor <= self.minor
    }

    /// Returns whether the driver can compile PTX for `code` on a GPU of this capability. The PTX must not be
    /// newer than the GPU.
    #[must_use]
    pub fn compiles_ptx(self, code: Self) -> bool {
        code <= self
    }

    /// Returns how a GPU of this capability runs a build with machine code for `sass` and PTX for `ptx`.
    #[must_use]
    pub fn supported_by(self, sass: &[Self], ptx: &[Self]) -> CodeSupport {
        if sass.iter().any(|code| self.runs_sass(*code)) {
            CodeSupport::Sass
        } else if ptx.iter().any(|code| self.compiles_ptx(*code)) {
            CodeSupport::Ptx
        } else {
            CodeSupport::Nothing
        }
    }

    /// Returns the compiler's name for it, such as `sm_89`.
    #[must_use]
    pub fn sm(self) -> String {
        format!("sm_{}{}", self.major, self.minor)
    }

    /// Converts the architecture number of a fat binary's entry, such as 89, to a capability.
    #[must_use]
    pub fn from_arch(arch: u32) -> Option<Self> {
        Some(Self {
            major: u8::try_from(arch / 10).ok()?,
            minor: u8::try_from(arch % 10).ok()?,
        })
    }
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ComputeCapability {
    type Err = InvalidComputeCapability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .trim()
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        match numbers {
            Some((major, minor)) => Ok(Self { major, minor }),
            None => Err(InvalidComputeCapability(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ComputeCapability {
    type Error = InvalidComputeCapability;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ComputeCapability> for String {
    fn from(capability: ComputeCapability) -> Self {
        capability.to_string()
    }
}

impl JsonSchema for ComputeCapability {
    fn schema_name() -> Cow<'static, str> {
        "ComputeCapability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+\\.[0-9]+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cc(text: &str) -> ComputeCapability {
        text.parse().expect("a compute capability")
    }

    #[test]
    fn sass_runs_on_the_same_major_with_no_lower_minor() {
        for (card, code, runs) in [
            ("8.9", "8.0", true),
            ("8.6", "8.9", false),
            ("9.0", "8.0", false),
            ("12.1", "12.0", true),
        ] {
            assert_eq!(cc(card).runs_sass(cc(code)), runs, "sm {code} on {card}");
        }
    }

    #[test]
    fn ptx_is_compiled_for_newer_cards_only() {
        assert!(cc("12.0").compiles_ptx(cc("9.0")));
        assert!(!cc("8.6").compiles_ptx(cc("9.0")));
    }

    #[test]
    fn machine_code_is_preferred_to_ptx() {
        let (sass, ptx) = ([cc("7.5"), cc("8.0")], [cc("8.0")]);
        for (card, reach) in [
            ("8.9", CodeSupport::Sass),
            ("9.0", CodeSupport::Ptx),
            ("7.0", CodeSupport::Nothing),
        ] {
            assert_eq!(cc(card).supported_by(&sass, &ptx), reach, "{card}");
        }
        assert_eq!(cc("9.0").supported_by(&sass, &[]), CodeSupport::Nothing);
    }

    #[test]
    fn a_fat_binarys_numbers_are_capabilities() {
        assert_eq!(ComputeCapability::from_arch(120), Some(cc("12.0")));
        assert_eq!(cc("10.3").sm(), "sm_103");
        assert!("89".parse::<ComputeCapability>().is_err());
    }
}
