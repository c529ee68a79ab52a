//! Names that could be mistaken for each other, each with a type of its own.

pub(crate) mod causes;
pub(crate) mod requirement;

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name that does not fit the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {kind}: {rule}")]
pub struct InvalidName {
    given: String,
    kind: &'static str,
    rule: &'static str,
}

/// Name of an environment, as conda and the host program see it: lower-case letters, digits, `.`, `_`
/// and `-`, starting with a letter or a digit, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z0-9][a-z0-9._-]{0,63}$"))]
pub struct EnvName(String);

impl EnvName {
    /// The name as text.
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
                rule: "use lower-case letters, digits, `.`, `_` and `-`, start with a letter or a digit, at most 64",
            })
        }
    }
}

/// The one of `known` that `asked` may be a slip of the hand for.
pub(crate) fn closest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // 0.7 takes two letters in the wrong order (`dmeo`), and no other word.
    const ALIKE: f64 = 0.7;
    let asked = asked.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&asked, known), known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// What is typed after `matenv install` to make `env` again: its manifest, and its name where that is another.
#[must_use]
pub fn typed(manifest: &EnvName, env: &EnvName) -> String {
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
    /// The backend without any GPU code.
    #[must_use]
    pub fn cpu() -> Self {
        Self("cpu".to_owned())
    }

    /// The backend as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the backend without GPU code.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        self.0 == "cpu"
    }

    /// CUDA's version: `13.0` of `cu130`; absent without CUDA.
    #[must_use]
    pub fn cuda_version(&self) -> Option<String> {
        let digits: u32 = self.0.strip_prefix("cu")?.parse().ok()?;
        Some(format!("{}.{}", digits / 10, digits % 10))
    }

    /// CUDA's major version: 13 of `cu130`, 12 of `cu128`; absent without CUDA.
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
                rule: "use `cpu` or `cu` and three digits, such as `cu130`",
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

/// Another word for `gpu-trt`.
const TENSORRT: &str = "tensorrt";

/// The accelerator level that an environment is made for.
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
    /// Every profile, the plainest first.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Gpu, Self::GpuTrt];

    /// The profile as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::GpuTrt => "gpu-trt",
        }
    }
}

/// One list, and not one entry a variant: as the key of a map it then says which keys there are.
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
    fn tensorrt_is_another_word_for_gpu_trt() {
        assert_eq!("tensorrt".parse(), Ok(ProfileName::GpuTrt));
    }
}
