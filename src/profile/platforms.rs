//! `profiles/platforms.toml`: what the wheels ask of a platform.

use std::sync::LazyLock;

use pep440_rs::Version;
use rattler_conda_types::subdir::Subdir;
use serde::Deserialize;
use target_lexicon::{Architecture, OperatingSystem};

const FILE: &str = include_str!("../../profiles/platforms.toml");

static TABLE: LazyLock<Platforms> =
    LazyLock::new(|| toml::from_str(FILE).expect("tested: profiles/platforms.toml parses"));

/// What the wheels ask of a platform.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platforms {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    glibc: Vec<GlibcRow>,
    gone: Vec<GoneRow>,
    target: Vec<TargetRow>,
}

/// What a lock for a platform counts on.
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
    /// uv's name for it; `{glibc}` in it is filled in with `_` for the point.
    pub uv: String,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

/// The oldest glibc that a package's wheels run on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlibcRow {
    /// The package.
    pub package: String,
    /// The oldest.
    pub least: Version,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

/// A platform that a package has no wheels for any more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneRow {
    platform: String,
    /// The package.
    pub package: String,
    /// The last release that had one.
    pub last: Version,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

impl Platforms {
    /// The table that is compiled in.
    ///
    /// # Panics
    /// Never in a released program: a test reads it.
    #[must_use]
    pub fn table() -> &'static Self {
        &TABLE
    }

    /// What a lock for a conda subdir counts on.
    #[must_use]
    pub fn target(&self, subdir: &str) -> Option<&TargetRow> {
        self.target.iter().find(|row| row.platform == subdir)
    }

    /// Every conda subdir that can be locked for.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.target.iter().map(|row| row.platform.as_str())
    }

    /// The first package of an environment, with torch or without, that needs a newer glibc.
    #[must_use]
    pub fn too_old(&self, glibc: &Version, torch: bool) -> Option<&GlibcRow> {
        self.glibc
            .iter()
            .find(|row| (torch || row.package != "torch") && *glibc < row.least)
    }

    /// The first package of an environment, with torch or without, that a conda subdir has no wheels of any more.
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
    fn every_row_says_where_it_was_read() {
        let table = Platforms::table();
        let glibc = table.glibc.iter().map(|row| &row.source);
        let gone = table.gone.iter().map(|row| &row.source);
        for source in glibc.chain(gone).chain(table.target.iter().map(|row| &row.source)) {
            assert!(source.len() > 5, "{source:?}");
        }
    }
}
