//! Names that could be confused with each other, each with its own type; requirements by name; an error with its causes
//! as one line of text.

pub(crate) mod causes;
mod execution_provider;
mod home_path;
pub(crate) mod requirement;

pub use execution_provider::ExecutionProvider;
pub use home_path::HomePath;

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {kind}: {rule}")]
pub struct InvalidName {
    given: String,
    kind: &'static str,
    rule: &'static str,
}

/// Name of an environment, as conda and the host program see it: lowercase letters, digits, `.`, `_`
/// and `-`, starting with a letter or a digit, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z0-9][a-z0-9._-]{0,63}$"))]
pub struct EnvName(String);

impl EnvName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let starts_well = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let only_allowed = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'));
        if starts_well && only_allowed && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName {
                given: text.to_owned(),
                kind: "environment name",
                rule: "use at most 64 lowercase letters, digits, `.`, `_` and `-`, and start with a letter or a digit",
            })
        }
    }
}

/// Returns the name in `known` that is most similar to `asked`, if `asked` may be a typing error.
pub(crate) fn closest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // 0.7 accepts two swapped letters (`dmeo`), but no different word.
    const ALIKE: f64 = 0.7;
    let asked = asked.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&asked, known), known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// Returns the arguments of `matenv install` that install `env` again: its manifest, and `--name` if the names
/// differ.
#[must_use]
pub fn install_arguments(manifest: &EnvName, env: &EnvName) -> String {
    if manifest == env {
        env.to_string()
    } else {
        format!("{manifest} --name {env}")
    }
}

/// A torch backend: `cpu`, `cu126`, `cu130`, … as in the path of the torch index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^(cpu|cu[0-9]{3})$"))]
pub struct Backend(String);

impl Backend {
    /// Returns the backend without GPU code.
    #[must_use]
    pub fn cpu() -> Self {
        Self("cpu".to_owned())
    }

    /// Returns the backend as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the backend without GPU code.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        self.0 == "cpu"
    }

    /// Returns the CUDA version, such as `13.0` for `cu130`, or `None` without CUDA.
    #[must_use]
    pub fn cuda_version(&self) -> Option<String> {
        let digits: u32 = self.0.strip_prefix("cu")?.parse().ok()?;
        Some(format!("{}.{}", digits / 10, digits % 10))
    }

    /// Returns the major CUDA version, such as 13 for `cu130`, or `None` without CUDA.
    #[must_use]
    pub fn cuda_major(&self) -> Option<u32> {
        let digits = self.0.strip_prefix("cu")?;
        digits.parse::<u32>().ok().map(|version| version / 10)
    }
}

impl FromStr for Backend {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let cuda = text
            .strip_prefix("cu")
            .is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()));
        if text == "cpu" || cuda {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName {
                given: text.to_owned(),
                kind: "torch backend",
                rule: "use `cpu`, or `cu` and three digits, such as `cu130`",
            })
        }
    }
}

macro_rules! text_conversions {
    ($name:ty) => {
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text_conversions!(EnvName);
text_conversions!(Backend);

/// An alias of `gpu-trt`.
const TENSORRT: &str = "tensorrt";

/// The profile of an environment: the hardware that it uses. Help texts call it the accelerator level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// No GPU is used.
    Cpu,
    /// CUDA through torch and ONNX Runtime.
    Gpu,
    /// CUDA and TensorRT.
    #[serde(alias = "tensorrt")]
    GpuTrt,
}

impl ProfileName {
    /// All profiles, the simplest first.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Gpu, Self::GpuTrt];

    /// Returns the profile as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::GpuTrt => "gpu-trt",
        }
    }
}

/// Written by hand as one `enum` list, so that a map with this key type lists its possible keys.
impl JsonSchema for ProfileName {
    fn schema_name() -> Cow<'static, str> {
        "ProfileName".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut names = Self::ALL.map(Self::as_str).to_vec();
        names.push(TENSORRT);
        schemars::json_schema!({ "description": "An accelerator level.", "type": "string", "enum": names })
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProfileName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            "gpu-trt" | TENSORRT => Ok(Self::GpuTrt),
            _ => Err(InvalidName {
                given: text.to_owned(),
                kind: "profile",
                rule: "use `auto`, `cpu`, `gpu` or `gpu-trt` (alias `tensorrt`)",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_names_that_the_host_program_can_see_are_accepted() {
        for good in ["sleap", "sleap-gpu", "x-anylabeling", "runtime2", "0"] {
            assert_eq!(good.parse::<EnvName>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "Sleap", "../up", "a/b", "-x", ".x", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<EnvName>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn backends_are_cpu_or_cuda_with_three_digits() {
        assert!("cu130".parse::<Backend>().is_ok());
        assert!("cpu".parse::<Backend>().is_ok());
        assert!("cu13".parse::<Backend>().is_err());
        assert!("rocm6".parse::<Backend>().is_err());
    }

    #[test]
    fn a_backend_names_cudas_major() {
        let major = |backend: &str| backend.parse::<Backend>().expect("a backend").cuda_major();
        assert_eq!(major("cu130"), Some(13));
        assert_eq!(major("cu128"), Some(12));
        assert_eq!(major("cpu"), None);
        let version = |backend: &str| backend.parse::<Backend>().expect("a backend").cuda_version();
        assert_eq!(version("cu128").as_deref(), Some("12.8"));
        assert_eq!(version("cpu"), None);
    }

    #[test]
    fn tensorrt_is_an_alias_of_gpu_trt() {
        assert_eq!("tensorrt".parse(), Ok(ProfileName::GpuTrt));
    }
}
