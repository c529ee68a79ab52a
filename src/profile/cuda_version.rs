use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A CUDA version, such as 13.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CudaVersion {
    /// The major number. Libraries of another major are not compatible.
    pub major: u32,
    /// The minor number. A driver of the same major runs machine code of a higher minor, but cannot compile its PTX.
    pub minor: u32,
}

/// The error for a text that is not a CUDA version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a CUDA version, such as 13.0")]
pub struct InvalidCudaVersion(String);

impl CudaVersion {
    /// Parses a version that a user gave. 12 means 12.0, which every driver of that major supports.
    pub fn from_driver(text: &str) -> Result<Self, InvalidCudaVersion> {
        match text.trim().parse() {
            Ok(major) => Ok(Self { major, minor: 0 }),
            Err(_) => text.parse(),
        }
    }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for CudaVersion {
    type Err = InvalidCudaVersion;

    /// Parses `major.minor`. Further parts are ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => Err(InvalidCudaVersion(text.to_owned())),
        }
    }
}

impl TryFrom<String> for CudaVersion {
    type Error = InvalidCudaVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CudaVersion> for String {
    fn from(version: CudaVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_number() {
        let version = |text: &str| text.parse::<CudaVersion>();
        assert_eq!(version("13.0").map(String::from), Ok("13.0".to_owned()));
        assert_eq!(version("12.8.93").map(String::from), Ok("12.8".to_owned()));
        let given = |text: &str| CudaVersion::from_driver(text).map(String::from);
        assert_eq!(
            (given(" 12 "), given("12.8")),
            (Ok("12.0".to_owned()), Ok("12.8".to_owned()))
        );
        assert!(given("twelve").is_err() && given("13.").is_err());
        assert!(version("12.10").ok() > version("12.9").ok());
        for wrong in ["", "13", "13.", ".0", "twelve.1", "-1.0"] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
