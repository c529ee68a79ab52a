//! `profiles/backends.toml`: the backends of the torch index, and the drivers that support them.

use std::sync::LazyLock;

use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;

use crate::{
    names::Backend,
    profile::{ComputeCapability, CudaVersion},
};

const FILE: &str = include_str!("../../../profiles/backends.toml");

static TABLE: LazyLock<Backends> =
    LazyLock::new(|| toml::from_str(FILE).expect("tested: profiles/backends.toml parses"));

/// The backends of the torch index and the drivers that support them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backends {
    #[expect(dead_code, reason = "there is only one version so far")]
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
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the file"))]
    source: String,
    #[expect(dead_code, reason = "for readers of the file")]
    seen: toml::value::Datetime,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinorCompatibilityRow {
    major: u32,
    linux: Version,
    windows: Version,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the file"))]
    source: String,
    #[expect(dead_code, reason = "for readers of the file")]
    seen: toml::value::Datetime,
}

/// A backend of the torch index.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendRow {
    /// The name, as in the path of the index.
    pub name: Backend,
    /// The CUDA version that it is built for. Absent for cpu.
    pub cuda: Option<CudaVersion>,
    /// The releases of torch in the index, the oldest first.
    pub torch: Vec<Version>,
    /// The conda subdirs with wheels.
    pub platforms: Vec<String>,
    #[serde(default)]
    code: Vec<TorchCodeRow>,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

/// The GPU code that a range of torch releases contains.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchCodeRow {
    torch: VersionSpecifiers,
    platforms: Vec<String>,
    /// The compute capabilities with machine code.
    pub sass: Vec<ComputeCapability>,
    /// The compute capabilities with PTX, which a driver can compile for newer GPUs.
    pub ptx: Vec<ComputeCapability>,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

impl Backends {
    /// Returns the built-in table.
    ///
    /// # Panics
    /// Never in a released program: a test parses the table.
    #[must_use]
    pub fn table() -> &'static Self {
        &TABLE
    }

    /// Returns the CUDA backends, the newest first.
    #[must_use]
    pub fn on_cuda(&self) -> Vec<(&BackendRow, CudaVersion)> {
        let mut rows: Vec<_> = self.backend.iter().filter_map(|row| Some((row, row.cuda?))).collect();
        rows.sort_by_key(|(_, cuda)| std::cmp::Reverse(*cuda));
        rows
    }

    /// Returns the backend of that name.
    #[must_use]
    pub fn get(&self, name: &Backend) -> Option<&BackendRow> {
        self.backend.iter().find(|row| row.name == *name)
    }

    /// Returns the newest CUDA version that a driver supports.
    #[must_use]
    pub fn served_by(&self, driver: &Version, windows: bool) -> Option<CudaVersion> {
        let by_minor = self.driver.iter().filter_map(|row| {
            let least = if windows { &row.windows } else { &row.linux };
            least.as_ref().is_some_and(|least| driver >= least).then_some(row.cuda)
        });
        // A driver supports all minor versions of a major (minor-version compatibility).
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

    /// Returns the oldest driver for a CUDA major.
    #[must_use]
    pub fn least_driver(&self, major: u32, windows: bool) -> Option<&Version> {
        self.minor_compatibility
            .iter()
            .find(|row| row.major == major)
            .map(|row| if windows { &row.windows } else { &row.linux })
    }
}

impl BackendRow {
    /// Returns the GPU code of a torch release on a platform. `None` if it is not documented.
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
    fn every_row_names_its_source() {
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
    fn a_backend_is_named_after_its_cuda_version() {
        for (row, cuda) in Backends::table().on_cuda() {
            assert_eq!(row.name.to_string(), format!("cu{}{}", cuda.major, cuda.minor));
            assert!(row.torch.is_sorted(), "{}", row.name);
        }
    }

    #[test]
    fn a_driver_supports_what_its_table_says() {
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
