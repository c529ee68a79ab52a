//! `profiles/platforms.toml`: what the wheels require of a platform.

use std::sync::LazyLock;

use pep440_rs::Version;
use rattler_conda_types::subdir::Subdir;
use serde::Deserialize;
use target_lexicon::{Architecture, OperatingSystem};

const FILE: &str = include_str!("../../profiles/platforms.toml");

static TABLE: LazyLock<Platforms> =
    LazyLock::new(|| toml::from_str(FILE).expect("tested: profiles/platforms.toml parses"));

/// The requirements of the wheels on a platform.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platforms {
    #[expect(dead_code, reason = "there is only one version so far")]
    schema: u32,
    glibc: Vec<GlibcRow>,
    gone: Vec<GoneRow>,
    target: Vec<TargetRow>,
}

/// The system that a lock for a platform assumes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRow {
    platform: String,
    /// The oldest glibc, on Linux.
    pub glibc: Option<Version>,
    /// The oldest kernel, on Linux.
    pub linux: Option<Version>,
    /// The oldest macOS.
    pub macos: Option<Version>,
    /// uv's name for the platform. `{glibc}` is replaced by the glibc version, with `_` instead of the dot.
    pub uv: String,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

/// The oldest glibc that a package's wheels run on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlibcRow {
    /// The package.
    pub package: String,
    /// The oldest supported glibc.
    pub least: Version,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

/// A platform that a package no longer has wheels for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneRow {
    platform: String,
    /// The package.
    pub package: String,
    /// The last release with a wheel.
    pub last: Version,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

impl Platforms {
    /// Returns the built-in table.
    ///
    /// # Panics
    /// Never in a released program: a test parses the table.
    #[must_use]
    pub fn table() -> &'static Self {
        &TABLE
    }

    /// Returns the system that a lock for a conda subdir assumes.
    #[must_use]
    pub fn target(&self, subdir: &str) -> Option<&TargetRow> {
        self.target.iter().find(|row| row.platform == subdir)
    }

    /// Returns the conda subdirs that a lock can be made for.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.target.iter().map(|row| row.platform.as_str())
    }

    /// Returns the first package of an environment, with or without torch, that needs a newer glibc.
    #[must_use]
    pub fn too_old(&self, glibc: &Version, torch: bool) -> Option<&GlibcRow> {
        self.glibc
            .iter()
            .find(|row| (torch || row.package != "torch") && *glibc < row.least)
    }

    /// Returns the first package of an environment, with or without torch, that no longer has wheels for a conda
    /// subdir.
    #[must_use]
    pub fn gone(&self, subdir: &str, torch: bool) -> Option<&GoneRow> {
        self.gone
            .iter()
            .find(|row| (torch || row.package != "torch") && row.platform == subdir)
    }
}

/// A platform that has no conda subdir here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no packages for `{triple}`")]
pub struct UnsupportedPlatform {
    /// Its target triple.
    pub triple: String,
}

/// The conda subdir of a target triple: `linux-64` for `x86_64-unknown-linux-gnu`.
pub fn subdir(triple: &str) -> Result<Subdir, UnsupportedPlatform> {
    let unknown = || UnsupportedPlatform {
        triple: triple.to_owned(),
    };
    let parsed: target_lexicon::Triple = triple.parse().map_err(|_| unknown())?;
    let os = match parsed.operating_system {
        OperatingSystem::Linux => "linux",
        OperatingSystem::Darwin(_) | OperatingSystem::MacOSX(_) => "osx",
        OperatingSystem::Windows => "win",
        _ => return Err(unknown()),
    };
    let arch = match parsed.architecture {
        Architecture::X86_64 => "64",
        Architecture::Aarch64(_) if os == "linux" => "aarch64",
        Architecture::Aarch64(_) => "arm64",
        _ => return Err(unknown()),
    };
    format!("{os}-{arch}").parse().map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_its_source() {
        let table = Platforms::table();
        let glibc = table.glibc.iter().map(|row| &row.source);
        let gone = table.gone.iter().map(|row| &row.source);
        for source in glibc.chain(gone).chain(table.target.iter().map(|row| &row.source)) {
            assert!(source.len() > 5, "{source:?}");
        }
    }
}
