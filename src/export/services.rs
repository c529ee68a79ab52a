//! Names and versions that CI services and container engines use: `profiles/services.toml`.
//!
//! Input: the data file. Output: [`Services`]. [`crate::export::ci`] and [`crate::export`] write files with these names.

use serde::Deserialize;

use crate::files::toml_file::TomlFile;

const SERVICES: &str = include_str!("../../profiles/services.toml");

/// The contents of `profiles/services.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Services {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    pub(crate) github: Actions,
    pub(crate) python: Python,
    platform: Vec<Platform>,
    #[expect(dead_code, reason = "read by people")]
    runners: Evidence,
}

/// Versions of GitHub's actions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Actions {
    pub(crate) checkout: String,
    pub(crate) setup_python: String,
    pub(crate) cache: String,
    pub(crate) upload_artifact: String,
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

/// The Python that installs matenv's wheel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Python {
    pub(crate) version: String,
    pub(crate) image: String,
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

/// A conda platform, as each service calls it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Platform {
    #[serde(rename = "platform")]
    name: String,
    /// GitHub's runner.
    pub(crate) github: String,
    /// The tag of GitLab's runner.
    pub(crate) gitlab: Option<String>,
    /// A container's platform.
    pub(crate) container: Option<String>,
    /// Patterns of a wheel's platform tag.
    wheel: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

impl Services {
    /// Parses the built-in file.
    pub(crate) fn load() -> Self {
        TomlFile::new("built-in: profiles/services.toml", SERVICES)
            .parse()
            .expect("tested: profiles/services.toml parses")
    }

    /// Returns the row of a conda platform such as `linux-64`.
    pub(crate) fn platform(&self, name: &str) -> Option<&Platform> {
        self.platform.iter().find(|row| row.name == name)
    }
}

impl Platform {
    /// Returns whether a wheel with that file name runs on the platform.
    pub(crate) fn runs(&self, wheel: &str) -> bool {
        let tags = wheel.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
        let fits = |tag: &str| {
            self.wheel
                .iter()
                .filter_map(|pattern| glob::Pattern::new(pattern).ok())
                .any(|pattern| pattern.matches(tag))
        };
        tags.split('.').any(|tag| tag == "any" || fits(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_for_the_platforms_of_its_tag() {
        let services = Services::load();
        let platforms = |wheel: &str| -> Vec<&str> {
            let rows = services.platform.iter().filter(|row| row.runs(wheel));
            rows.map(|row| row.name.as_str()).collect()
        };
        let wheel = |tag: &str| format!("matenv-0.1.0-py3-none-{tag}.whl");
        assert_eq!(platforms(&wheel("manylinux_2_28_x86_64")), ["linux-64"]);
        assert_eq!(
            platforms(&wheel("manylinux2014_aarch64.manylinux_2_17_aarch64")),
            ["linux-aarch64"]
        );
        assert_eq!(platforms(&wheel("macosx_11_0_universal2")), ["osx-arm64", "osx-64"]);
        assert_eq!(platforms(&wheel("win_amd64")), ["win-64"]);
        assert_eq!(platforms(&wheel("win32")), [""; 0]);
    }
}
