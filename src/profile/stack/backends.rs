//! `profiles/backends.toml`: what the torch index offers, and which driver serves it.

use std::sync::LazyLock;

use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;

use crate::profile::CudaVersion;
use crate::{names::Backend, profile::ComputeCapability};

const FILE: &str = include_str!("../../../profiles/backends.toml");

static TABLE: LazyLock<Backends> =
    LazyLock::new(|| toml::from_str(FILE).expect("tested: profiles/backends.toml parses"));

/// The torch index's backends and the drivers that serve them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backends {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    driver: Vec<DriverRow>,
    minor_compatibility: Vec<MinorCompatibilityRow>,
    backend: Vec<BackendRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DriverRow {
    cuda: CudaVersion,
    linux: Option<Version>,
    windows: Option<Version>,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people"))]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinorCompatibilityRow {
    major: u32,
    linux: Version,
    windows: Version,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people"))]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

/// A backend of the torch index.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendRow {
    /// Its name, as in the index's path.
    pub name: Backend,
    /// The CUDA that it is built for; absent for cpu.
    pub cuda: Option<CudaVersion>,
    /// The releases of torch that it has, the oldest first.
    pub torch: Vec<Version>,
    /// The conda subdirs that it has wheels for.
    pub platforms: Vec<String>,
    #[serde(default)]
    code: Vec<TorchCodeRow>,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

/// The GPUs that a range of torch releases holds code for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchCodeRow {
    torch: VersionSpecifiers,
    platforms: Vec<String>,
    /// What there is machine code for.
    pub sass: Vec<ComputeCapability>,
    /// What a driver can compile newer code from.
    pub ptx: Vec<ComputeCapability>,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

impl Backends {
    /// The table that is compiled in.
    ///
    /// # Panics
    /// Never in a released program: a test reads it.
    #[must_use]
    pub fn table() -> &'static Self {
        &TABLE
    }

    /// Those for CUDA, the newest first.
    #[must_use]
    pub fn on_cuda(&self) -> Vec<(&BackendRow, CudaVersion)> {
        let mut rows: Vec<_> = self.backend.iter().filter_map(|row| Some((row, row.cuda?))).collect();
        rows.sort_by_key(|(_, cuda)| std::cmp::Reverse(*cuda));
        rows
    }

    /// The backend of that name.
    #[must_use]
    pub fn get(&self, name: &Backend) -> Option<&BackendRow> {
        self.backend.iter().find(|row| row.name == *name)
    }

    /// The newest CUDA that a driver serves.
    #[must_use]
    pub fn served_by(&self, driver: &Version, windows: bool) -> Option<CudaVersion> {
        let by_minor = self.driver.iter().filter_map(|row| {
            let least = if windows { &row.windows } else { &row.linux };
            least.as_ref().is_some_and(|least| driver >= least).then_some(row.cuda)
        });
        // A driver serves a whole major from its first minor version on.
        let by_major = self.minor_compatibility.iter().filter_map(|row| {
            let least = if windows { &row.windows } else { &row.linux };
            let cuda = CudaVersion {
                major: row.major,
                minor: 0,
            };
            (driver >= least).then_some(cuda)
        });
        by_minor.chain(by_major).max()
    }

    /// The oldest driver for a CUDA major.
    #[must_use]
    pub fn least_driver(&self, major: u32, windows: bool) -> Option<&Version> {
        self.minor_compatibility
            .iter()
            .find(|row| row.major == major)
            .map(|row| if windows { &row.windows } else { &row.linux })
    }
}

impl BackendRow {
    /// What a release of torch holds code for on a platform; `None` where no document says.
    #[must_use]
    pub fn code(&self, torch: &Version, subdir: &str) -> Option<&TorchCodeRow> {
        self.code
            .iter()
            .find(|row| row.torch.contains(torch) && row.platforms.iter().any(|platform| platform == subdir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_where_it_was_read() {
        let table = Backends::table();
        let backends = table.backend.iter().map(|row| &row.source);
        let code = table.backend.iter().flat_map(|row| &row.code).map(|row| &row.source);
        let drivers = table.driver.iter().map(|row| &row.source);
        let majors = table.minor_compatibility.iter().map(|row| &row.source);
        for source in backends.chain(code).chain(drivers).chain(majors) {
            assert!(source.len() > 5, "{source:?}");
        }
    }

    #[test]
    fn a_backends_name_is_its_cuda() {
        for (row, cuda) in Backends::table().on_cuda() {
            assert_eq!(row.name.to_string(), format!("cu{}{}", cuda.major, cuda.minor));
            assert!(row.torch.is_sorted(), "{}", row.name);
        }
    }

    #[test]
    fn a_driver_serves_what_its_table_says() {
        let served = |driver: &str, windows| {
            let driver = driver.parse().expect("a version");
            Backends::table().served_by(&driver, windows).map(String::from)
        };
        assert_eq!(served("580.65.06", false).as_deref(), Some("13.0"));
        assert_eq!(served("570.133.20", false).as_deref(), Some("12.8"));
        assert_eq!(served("535.183.01", false).as_deref(), Some("12.1"));
        assert_eq!(served("525.60.13", false).as_deref(), Some("12.0"));
        assert_eq!(served("581.29", true).as_deref(), Some("13.0"));
        assert_eq!(served("390.157", false), None);
    }
}
