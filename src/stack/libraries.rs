use serde::Deserialize;

use crate::names::ProfileName;

const FILE: &str = include_str!("../../profiles/libraries.toml");

/// A library that a GPU environment's programs load.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// CUDA's major version.
    pub cuda: u32,
    /// The profiles that load it; empty means every GPU profile.
    #[serde(default)]
    pub profiles: Vec<ProfileName>,
    /// Its soname on Linux, such as `libcudart.so.13`.
    pub linux: String,
    /// Its file on Windows, such as `cudart64_13.dll`; absent where it is not known.
    #[serde(default)]
    pub windows: Option<String>,
    /// The file that opens it by name while it runs; absent where a loader's table names it (`DT_NEEDED`).
    #[serde(default)]
    pub dlopened_by: Option<String>,
    /// Who loads it and how that is known.
    pub because: String,
    /// What it was read off.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    library: Vec<Library>,
}

/// The libraries of a profile on a CUDA major, each after those that it needs.
///
/// # Panics
/// Never in a released program: the data file is compiled in and a test reads it.
#[must_use]
pub fn libraries(cuda: u32, profile: ProfileName) -> Vec<Library> {
    let file: File = toml::from_str(FILE).expect("tested: profiles/libraries.toml parses");
    file.library
        .into_iter()
        .filter(|library| library.cuda == cuda)
        .filter(|library| library.profiles.is_empty() || library.profiles.contains(&profile))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_says_where_it_is_known_from() {
        for library in libraries(13, ProfileName::GpuTrt) {
            assert!(!library.because.is_empty() && !library.source.is_empty(), "{library:?}");
        }
    }
}
