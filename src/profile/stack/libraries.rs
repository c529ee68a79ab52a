use std::sync::LazyLock;

use glob::Pattern;
use serde::{Deserialize, Deserializer, de::Error};

use crate::names::ProfileName;

const FILE: &str = include_str!("../../../profiles/libraries.toml");

static LIBRARIES: LazyLock<Vec<Library>> = LazyLock::new(|| {
    let file: File = toml::from_str(FILE).expect("tested: profiles/libraries.toml parses");
    file.library
});

/// A library that the programs of a GPU environment load.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// The CUDA majors that it belongs to.
    pub cuda: Vec<u32>,
    /// The profiles that load it. Empty means every GPU profile.
    #[serde(default)]
    pub profiles: Vec<ProfileName>,
    /// The soname on Linux, such as `libcudart.so.13`.
    #[serde(deserialize_with = "pattern")]
    pub linux: Pattern,
    /// The file name on Windows, such as `cudart64_13.dll`. Absent if it is unknown.
    #[serde(default, deserialize_with = "some_pattern")]
    pub windows: Option<Pattern>,
    /// The file that opens it at run time (`dlopen`). Absent if it is linked (`DT_NEEDED`).
    #[serde(default)]
    pub dlopened_by: Option<String>,
    /// Whether an environment may lack it.
    #[serde(default)]
    pub optional: bool,
    /// The reason: what loads it.
    pub because: String,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

impl Library {
    /// Returns whether a file has the name of this library on this operating system.
    #[must_use]
    pub fn matches(&self, file_name: &str) -> bool {
        let name = if cfg!(windows) {
            self.windows.as_ref()
        } else {
            Some(&self.linux)
        };
        name.is_some_and(|name| name.matches(file_name))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "there is only one version so far")]
    schema: u32,
    library: Vec<Library>,
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
    Pattern::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn some_pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Pattern>, D::Error> {
    pattern(deserializer).map(Some)
}

/// Returns the libraries of a profile on a CUDA major, each after its own dependencies. Empty for `cpu`.
///
/// # Panics
/// Never in a released program: a test parses the built-in data file.
#[must_use]
pub fn libraries(cuda: u32, profile: ProfileName) -> Vec<Library> {
    LIBRARIES
        .iter()
        .filter(|library| profile != ProfileName::Cpu && library.cuda.contains(&cuda))
        .filter(|library| library.profiles.is_empty() || library.profiles.contains(&profile))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_names_its_source_and_what_opens_it() {
        for cuda in [12, 13] {
            let libraries = libraries(cuda, ProfileName::GpuTrt);
            for library in &libraries {
                assert!(!library.because.is_empty() && !library.source.is_empty(), "{library:?}");
                let Some(by) = &library.dlopened_by else {
                    continue;
                };
                let provider = by == "libonnxruntime_providers_cuda.so" || by == "libonnxruntime_providers_tensorrt.so";
                assert!(
                    provider || libraries.iter().any(|other| other.linux.as_str() == by),
                    "no row for {by}"
                );
            }
        }
    }

    #[test]
    fn tensorrt_and_cudas_major_choose_the_rows() {
        let names = |cuda, profile| -> Vec<String> {
            let libraries = libraries(cuda, profile);
            libraries.iter().map(|library| library.linux.to_string()).collect()
        };
        assert!(names(13, ProfileName::GpuTrt).contains(&"libnvinfer.so.10".to_owned()));
        assert!(!names(13, ProfileName::Gpu).contains(&"libnvinfer.so.10".to_owned()));
        assert!(names(12, ProfileName::Gpu).contains(&"libcufft.so.11".to_owned()));
        assert!(!names(13, ProfileName::Gpu).contains(&"libcufft.so.11".to_owned()));
        assert_eq!(names(13, ProfileName::Cpu), Vec::<String>::new());
        assert_eq!(names(11, ProfileName::Gpu), Vec::<String>::new());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn any_minor_version_matches_but_no_other_name() {
        let libraries = libraries(13, ProfileName::Gpu);
        let taken = |name: &str| libraries.iter().filter(|library| library.matches(name)).count();
        assert_eq!(taken("libnvrtc-builtins.so.13.2"), 1);
        assert_eq!(taken("libnvrtc-builtins.alt.so.13.2"), 0);
        assert_eq!(taken("libcudart.so.12"), 0);
    }
}
