//! `profiles/stacks.toml`: which versions fit each other and which card.

use std::{collections::BTreeSet, sync::LazyLock};

use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;

use crate::profile::CudaVersion;
use crate::{context::sources::SourceName, names::ProfileName, profile::ComputeCapability};

const FILE: &str = include_str!("../../../profiles/stacks.toml");

static TABLE: LazyLock<Stacks> = LazyLock::new(|| toml::from_str(FILE).expect("tested: profiles/stacks.toml parses"));

/// Version bounds that belong together, with the code that the wheels hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stacks {
    #[expect(dead_code, reason = "there is one version so far")]
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

/// The oldest GPU that a profile's package runs on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardRow {
    profiles: BTreeSet<ProfileName>,
    /// The lowest compute capability.
    pub compute_capability: ComputeCapability,
    /// What asks for it.
    pub package: String,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

/// The versions of a package that a stack may take.
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
    /// Its name, with extras.
    pub package: String,
    /// A version range; `{cuda}` in it is the backend's CUDA version.
    pub versions: String,
    /// The index that it is asked of though nobody else wants it.
    pub ask: Option<SourceName>,
    /// Why.
    pub because: String,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

/// What a range of releases of a wheel holds code for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelCode {
    package: String,
    /// The releases.
    pub versions: VersionSpecifiers,
    platforms: BTreeSet<String>,
    cuda: u32,
    /// The major of TensorRT's library that its provider needs.
    pub tensorrt: u32,
    /// What there is machine code for.
    pub sass: Vec<ComputeCapability>,
    /// What a driver can compile newer code from.
    pub ptx: Vec<ComputeCapability>,
    /// The releases that were looked at.
    pub read: Vec<Version>,
    /// Where it was read.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

/// A release of torch as PyPI serves it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchRow {
    /// torch.
    pub version: Version,
    /// The torchvision that was made for it.
    pub torchvision: Version,
    /// What it is built for.
    pub cuda: CudaVersion,
    /// The NCCL that it pins.
    pub nccl: String,
    /// The cuDNN that it pins.
    pub cudnn: String,
    /// Whether it asks for cuRAND, which ONNX Runtime needs.
    pub curand: bool,
}

/// The environment that a stack is for.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The accelerator level.
    pub profile: ProfileName,
    /// The conda subdir.
    pub subdir: &'a str,
    /// Whether it has torch.
    pub torch: bool,
    /// The GPUs that it must serve; empty means that they are not known.
    pub cards: &'a [ComputeCapability],
}

impl Stacks {
    /// The table that is compiled in.
    ///
    /// # Panics
    /// Never in a released program: a test reads it.
    #[must_use]
    pub fn table() -> &'static Self {
        &TABLE
    }

    /// The distributions that install the folder `onnxruntime`: two of them overwrite each other.
    #[must_use]
    pub fn onnxruntime(&self) -> &[String] {
        &self.onnxruntime
    }

    /// Whether there is a stack for a CUDA major.
    #[must_use]
    pub fn has(&self, major: u32, setting: &Setting<'_>) -> bool {
        self.stack.iter().any(|row| {
            row.cuda == major
                && row.profiles.contains(&setting.profile)
                && (row.platforms.is_empty() || row.platforms.contains(setting.subdir))
                && row.torch.is_none_or(|torch| torch == setting.torch)
        })
    }

    /// What a card must be for a profile.
    #[must_use]
    pub fn card(&self, profile: ProfileName) -> Option<&CardRow> {
        self.card.iter().find(|row| row.profiles.contains(&profile))
    }

    /// The bounds of a stack, those of one package side by side.
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

    /// The releases of a wheel for a CUDA major and what they hold code for, the newest first.
    #[must_use]
    pub fn code(&self, package: &str, major: u32, subdir: &str) -> Vec<&WheelCode> {
        let mut rows: Vec<_> = self
            .code
            .iter()
            .filter(|row| row.package == package && row.cuda == major && row.platforms.contains(subdir))
            .collect();
        // The file has the oldest first.
        rows.reverse();
        rows
    }

    /// The same as a version range each, where this machine has wheels: `>=1.21,<1.27`.
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

    /// What the release of ONNX Runtime needs, whichever its platform.
    #[must_use]
    pub fn wheel(&self, package: &str, version: &Version) -> Option<&WheelCode> {
        self.code
            .iter()
            .find(|row| row.package == package && row.versions.contains(version))
    }

    /// The oldest release of torch that PyPI has for a CUDA major.
    #[must_use]
    pub fn least_torch(&self, major: u32) -> Option<&Version> {
        let of_major = self.torch.iter().filter(|row| row.cuda.major == major);
        of_major.map(|row| &row.version).min()
    }

    /// The releases of torch that were looked at.
    #[must_use]
    pub fn torch(&self) -> &[TorchRow] {
        &self.torch
    }
}

impl WheelCode {
    /// The CUDA major that it is built for.
    #[must_use]
    pub fn cuda_major(&self) -> u32 {
        self.cuda
    }
}

impl Bound {
    /// The version range for a backend's CUDA.
    #[must_use]
    pub fn versions_for(&self, cuda: CudaVersion) -> String {
        self.versions.replace("{cuda}", &cuda.to_string())
    }

    /// The package's name without extras.
    #[must_use]
    pub fn name(&self) -> &str {
        self.package.split('[').next().unwrap_or(&self.package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_where_it_was_read() {
        let table = Stacks::table();
        let bounds = table.bound.iter().map(|row| &row.source);
        let code = table.code.iter().map(|row| &row.source);
        for source in bounds.chain(code).chain(table.card.iter().map(|row| &row.source)) {
            assert!(source.len() > 5, "{source:?}");
        }
    }

    #[test]
    fn every_bound_is_a_requirement() {
        let cuda = "13.0".parse().expect("a version of CUDA");
        for row in &Stacks::table().bound {
            let requirement = format!("{}{}", row.package, row.versions_for(cuda));
            let parsed = requirement.parse::<pep508_rs::Requirement<pep508_rs::VerbatimUrl>>();
            assert_eq!(
                parsed.map(|parsed| parsed.name.to_string()).as_deref().ok(),
                Some(row.name())
            );
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

    /// Its numbers were read off Linux wheels, and a plan for Windows took them.
    #[test]
    fn tensorrt_is_known_to_fit_on_linux_alone() {
        let table = Stacks::table();
        for torch in [true, false] {
            assert!(table.has(13, &on("linux-64", ProfileName::GpuTrt, torch)));
            assert!(!table.has(13, &on("win-64", ProfileName::GpuTrt, torch)));
            assert!(table.has(13, &on("win-64", ProfileName::Gpu, torch)));
        }
        assert!(!table.has(12, &on("win-64", ProfileName::GpuTrt, false)));
    }

    /// What bounds torch-tensorrt was the reason given where there is no torch.
    #[test]
    fn without_torch_no_bound_rests_on_torch_tensorrt() {
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
    fn what_was_looked_at_lies_in_its_row() {
        for row in &Stacks::table().code {
            assert!(!row.read.is_empty() && row.read.iter().all(|version| row.versions.contains(version)));
        }
    }
}
