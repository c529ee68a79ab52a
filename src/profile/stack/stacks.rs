//! `profiles/stacks.toml`: package versions that are compatible with each other and with the card.

use std::{collections::BTreeSet, sync::LazyLock};

use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;

use crate::{
    context::sources::SourceName,
    names::{ProfileName, requirement::name_of},
    profile::{ComputeCapability, CudaVersion},
};

const FILE: &str = include_str!("../../../profiles/stacks.toml");

static TABLE: LazyLock<Stacks> = LazyLock::new(|| toml::from_str(FILE).expect("tested: profiles/stacks.toml parses"));

/// Version bounds that belong together, and the GPU code of the wheels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stacks {
    #[expect(dead_code, reason = "there is only one version so far")]
    schema: u32,
    onnxruntime: Vec<String>,
    stack: Vec<StackRow>,
    card: Vec<CardRow>,
    bound: Vec<Bound>,
    code: Vec<WheelCode>,
    torch: Vec<TorchRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StackRow {
    cuda: u32,
    profiles: BTreeSet<ProfileName>,
    #[serde(default)]
    platforms: BTreeSet<String>,
    torch: Option<bool>,
}

/// The oldest GPU that a profile supports.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardRow {
    profiles: BTreeSet<ProfileName>,
    /// The lowest compute capability.
    pub compute_capability: ComputeCapability,
    /// The package that requires it.
    pub package: String,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

/// The versions of a package that a stack allows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    cuda: Option<u32>,
    #[serde(default)]
    profiles: BTreeSet<ProfileName>,
    #[serde(default)]
    platforms: BTreeSet<String>,
    torch: Option<bool>,
    below: Option<ComputeCapability>,
    /// The name of the package, with extras.
    pub package: String,
    /// The version range. `{cuda}` is replaced by the backend's CUDA version.
    pub versions: String,
    /// The source of the package, if the stack requires it itself. Otherwise the row only bounds a dependency.
    pub ask: Option<SourceName>,
    /// The reason for the bound.
    pub because: String,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

/// The GPU code of a range of wheel releases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelCode {
    package: String,
    /// The releases.
    pub versions: VersionSpecifiers,
    platforms: BTreeSet<String>,
    cuda: u32,
    /// The major of the TensorRT library that the TensorRT provider needs.
    pub tensorrt: u32,
    /// The compute capabilities with machine code.
    pub sass: Vec<ComputeCapability>,
    /// The compute capabilities with PTX, which a driver can compile for newer GPUs.
    pub ptx: Vec<ComputeCapability>,
    /// The releases that were examined.
    pub read: Vec<Version>,
    /// The source of the data.
    pub source: String,
    /// When the source was read.
    pub seen: toml::value::Datetime,
}

/// A torch release on PyPI.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchRow {
    /// The torch version.
    pub version: Version,
    /// The torchvision version that is built for it.
    pub torchvision: Version,
    /// The CUDA version that it is built for.
    pub cuda: CudaVersion,
    /// The NCCL version that it pins.
    pub nccl: String,
    /// The cuDNN version that it pins.
    pub cudnn: String,
    /// Whether it requires cuRAND, which ONNX Runtime needs.
    pub curand: bool,
}

/// The environment that a stack is for.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The profile.
    pub profile: ProfileName,
    /// The conda subdir.
    pub subdir: &'a str,
    /// Whether the environment has torch.
    pub torch: bool,
    /// The GPUs that it must support. Empty if they are unknown.
    pub cards: &'a [ComputeCapability],
}

impl Stacks {
    /// Returns the built-in table.
    ///
    /// # Panics
    /// Never in a released program: a test parses the table.
    #[must_use]
    pub fn table() -> &'static Self {
        &TABLE
    }

    /// Returns the distributions that install the folder `onnxruntime`. Two of them overwrite each other.
    #[must_use]
    pub fn onnxruntime(&self) -> &[String] {
        &self.onnxruntime
    }

    /// Returns whether there is a stack for a CUDA major.
    #[must_use]
    pub fn has(&self, major: u32, setting: &Setting<'_>) -> bool {
        self.stack.iter().any(|row| {
            row.cuda == major
                && row.profiles.contains(&setting.profile)
                && (row.platforms.is_empty() || row.platforms.contains(setting.subdir))
                && row.torch.is_none_or(|torch| torch == setting.torch)
        })
    }

    /// Returns the oldest GPU that a profile supports.
    #[must_use]
    pub fn card(&self, profile: ProfileName) -> Option<&CardRow> {
        self.card.iter().find(|row| row.profiles.contains(&profile))
    }

    /// Returns the bounds of a stack. A package may have several bounds, and all of them apply.
    pub fn bounds<'a>(&'a self, major: u32, setting: &'a Setting<'_>) -> impl Iterator<Item = &'a Bound> {
        self.bound.iter().filter(move |row| {
            row.cuda.is_none_or(|cuda| cuda == major)
                && (row.profiles.is_empty() || row.profiles.contains(&setting.profile))
                && (row.platforms.is_empty() || row.platforms.contains(setting.subdir))
                && row.torch.is_none_or(|torch| torch == setting.torch)
                && row
                    .below
                    .is_none_or(|least| setting.cards.iter().any(|card| *card < least))
        })
    }

    /// Returns the releases of a wheel for a CUDA major with their GPU code, the newest first.
    #[must_use]
    pub fn code(&self, package: &str, major: u32, subdir: &str) -> Vec<&WheelCode> {
        let mut rows: Vec<_> = self
            .code
            .iter()
            .filter(|row| row.package == package && row.cuda == major && row.platforms.contains(subdir))
            .collect();
        // The file lists the oldest first.
        rows.reverse();
        rows
    }

    /// Returns the same rows for this machine's platform, each with its version range, such as `>=1.21,<1.27`.
    pub fn releases(&self, package: &str, major: u32) -> impl Iterator<Item = (String, &WheelCode)> {
        let subdir = if cfg!(windows) { "win-64" } else { "linux-64" };
        let range = |row: &WheelCode| {
            row.versions
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        };
        self.code(package, major, subdir)
            .into_iter()
            .map(move |row| (range(row), row))
    }

    /// Returns the row of a wheel's release, on any platform.
    #[must_use]
    pub fn wheel(&self, package: &str, version: &Version) -> Option<&WheelCode> {
        self.code
            .iter()
            .find(|row| row.package == package && row.versions.contains(version))
    }

    /// Returns the oldest torch release on PyPI for a CUDA major.
    #[must_use]
    pub fn least_torch(&self, major: u32) -> Option<&Version> {
        let of_major = self.torch.iter().filter(|row| row.cuda.major == major);
        of_major.map(|row| &row.version).min()
    }

    /// Returns the torch releases that were examined.
    #[must_use]
    pub fn torch(&self) -> &[TorchRow] {
        &self.torch
    }
}

impl WheelCode {
    /// Returns the CUDA major that the wheel is built for.
    #[must_use]
    pub fn cuda_major(&self) -> u32 {
        self.cuda
    }
}

impl Bound {
    /// Returns the version range for a backend's CUDA version.
    #[must_use]
    pub fn versions_for(&self, cuda: CudaVersion) -> String {
        self.versions.replace("{cuda}", &cuda.to_string())
    }

    /// Returns the package name without extras.
    #[must_use]
    pub fn name(&self) -> &str {
        name_of(&self.package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::requirement::package_of;

    #[test]
    fn every_row_names_its_source() {
        let table = Stacks::table();
        let bounds = table.bound.iter().map(|row| &row.source);
        let code = table.code.iter().map(|row| &row.source);
        for source in bounds.chain(code).chain(table.card.iter().map(|row| &row.source)) {
            assert!(source.len() > 5, "{source:?}");
        }
    }

    #[test]
    fn every_bound_is_a_requirement() {
        let cuda = "13.0".parse().expect("a CUDA version");
        for row in &Stacks::table().bound {
            let requirement = format!("{}{}", row.package, row.versions_for(cuda));
            assert_eq!(package_of(&requirement).as_deref(), Some(row.name()));
        }
    }

    fn on(subdir: &str, profile: ProfileName, torch: bool) -> Setting<'_> {
        Setting {
            profile,
            subdir,
            torch,
            cards: &[],
        }
    }

    /// Regression: a plan for Windows used versions that were only tested with Linux wheels.
    #[test]
    fn tensorrt_stacks_are_for_linux_only() {
        let table = Stacks::table();
        for torch in [true, false] {
            assert!(table.has(13, &on("linux-64", ProfileName::GpuTrt, torch)));
            assert!(!table.has(13, &on("win-64", ProfileName::GpuTrt, torch)));
            assert!(table.has(13, &on("win-64", ProfileName::Gpu, torch)));
        }
        assert!(!table.has(12, &on("win-64", ProfileName::GpuTrt, false)));
    }

    /// Regression: plans without torch gave torch-tensorrt as the reason for a bound.
    #[test]
    fn without_torch_no_reason_names_torch_tensorrt() {
        for (cuda, package) in [(13, "tensorrt-cu13-libs"), (12, "tensorrt-cu12-libs")] {
            let setting = on("linux-64", ProfileName::GpuTrt, false);
            let rows: Vec<_> = Stacks::table().bounds(cuda, &setting).collect();
            assert_eq!(rows.iter().filter(|row| row.package == package).count(), 1);
            for row in rows {
                assert!(
                    !format!("{} {}", row.because, row.source).contains("torch-tensorrt"),
                    "{row:?}"
                );
            }
        }
    }

    #[test]
    fn examined_releases_are_within_the_range_of_their_row() {
        for row in &Stacks::table().code {
            assert!(!row.read.is_empty() && row.read.iter().all(|version| row.versions.contains(version)));
        }
    }
}
