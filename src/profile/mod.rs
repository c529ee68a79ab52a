//! Profiles: the hardware that an environment can use (`cpu`, `gpu`, `gpu-trt`), and what each profile requires.
//!
//! Input: the TOML files of `profiles/`. Output: [`Profile`]s, the versions that fit each other ([`stack`]), platforms,
//! CUDA versions, compute capabilities and the packages of system libraries. This module does not detect hardware: see
//! [`crate::hardware`].

mod compute_capability;
mod cuda_version;
mod platforms;
pub mod stack;
pub(crate) mod system_libraries;

use crate::{
    files::toml_file::{TomlError, TomlFile},
    names::{Backend, ExecutionProvider, ProfileName},
};
pub use compute_capability::{CodeSupport, ComputeCapability};
pub use cuda_version::{CudaVersion, InvalidCudaVersion};
pub use platforms::{Platforms, UnsupportedPlatform, subdir};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const BUILT_IN: [(&str, &str); 3] = [
    ("cpu.toml", include_str!("../../profiles/cpu.toml")),
    ("gpu.toml", include_str!("../../profiles/gpu.toml")),
    ("gpu-trt.toml", include_str!("../../profiles/gpu-trt.toml")),
];

/// The hardware that a profile or a check needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Needs {
    /// Any machine.
    #[default]
    Nothing,
    /// An NVIDIA GPU with its driver.
    Nvidia,
}

impl Needs {
    /// Returns whether any machine is enough.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of the file's schema.
    pub schema: u32,
    /// The name.
    pub name: ProfileName,
    /// A one-sentence description.
    pub description: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The hardware that the profile needs.
    pub needs: Needs,
    /// The torch backends, the best first.
    pub backends: Vec<Backend>,
    /// The execution providers of ONNX Runtime, the best first.
    pub providers: Vec<ExecutionProvider>,
}

impl Profile {
    fn load(name: ProfileName) -> Result<Self, TomlError> {
        let (file, text) = match name {
            ProfileName::Cpu => BUILT_IN[0],
            ProfileName::Gpu => BUILT_IN[1],
            ProfileName::GpuTrt => BUILT_IN[2],
        };
        TomlFile::new(format!("built-in: profiles/{file}"), text).parse()
    }
}

/// All profiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles(Vec<Profile>);

impl Profiles {
    /// Loads the built-in profiles.
    ///
    /// # Errors
    /// A built-in file is invalid. A test parses all of them.
    pub fn load() -> Result<Self, TomlError> {
        ProfileName::ALL
            .into_iter()
            .map(Profile::load)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns the profile of that name.
    #[must_use]
    pub fn get(&self, name: ProfileName) -> &Profile {
        // `load` keeps the order of `ProfileName::ALL`.
        &self.0[name as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profiles_are_valid() {
        let profiles = Profiles::load().expect("valid");
        for name in ProfileName::ALL {
            let profile = profiles.get(name);
            assert_eq!(profile.name, name);
            assert!(!profile.backends.is_empty() && !profile.providers.is_empty());
        }
    }
}
