//! Checks whether a machine and a manifest support a profile, and derives the resulting choices.

use crate::{
    finding::{Code, Finding, Scope, Severity},
    hardware::{Gpu, Hardware},
    manifest::Manifest,
    names::{Backend, ExecutionProvider, ProfileName},
    profile::{Needs, Platforms, Profile},
};
use std::collections::BTreeSet;

use pep440_rs::Version;

use super::{
    Rejected,
    select::{NoBackend, Selection, Selector},
};

/// The reason for not using a GPU that may be missing.
const NOT_KNOWN: &str = "it is not known whether there is an NVIDIA GPU";

/// A profile, resolved for one machine: with its backend and its execution providers.
#[derive(Debug, Clone)]
pub(super) struct Level<'a> {
    pub(super) profile: &'a Profile,
    /// The profile whose packages are installed: `cpu` if only torch can use the GPU.
    pub(super) packages: ProfileName,
    /// The CUDA backend. Absent without a GPU.
    pub(super) selection: Option<Selection>,
    /// ONNX Runtime's execution providers, the best first.
    pub(super) providers: Vec<ExecutionProvider>,
    /// The reason for the providers and the rejected provider, if they differ from the profile's.
    pub(super) provider_choice: Option<(String, Rejected)>,
    pub(super) warnings: Vec<Finding>,
}

/// The reason why a profile is refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) because: String,
    pub(super) rejected: Vec<Rejected>,
}

impl From<String> for Refusal {
    fn from(because: String) -> Self {
        Self {
            because,
            rejected: Vec::new(),
        }
    }
}

impl From<NoBackend> for Refusal {
    fn from(none: NoBackend) -> Self {
        Self {
            because: none.because,
            rejected: none.rejected,
        }
    }
}

/// The input: manifest, hardware and lock.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) hardware: &'a Hardware,
    pub(super) subdir: &'a str,
    /// The profiles and backends in the lab lock. `None` allows all.
    pub(super) locked: Option<&'a BTreeSet<(ProfileName, Backend)>>,
}

impl<'a> Candidate<'a> {
    /// Returns the reason why this machine supports no profile, if there is one.
    pub(super) fn refused_everywhere(&self) -> Option<String> {
        let torch = self.manifest.has_torch(ProfileName::Cpu);
        let platforms = Platforms::table();
        if let Some(row) = platforms.gone(self.subdir, torch) {
            return Some(format!(
                "{} no longer has wheels for Intel Macs; {} was the last release with one",
                row.package, row.last
            ));
        }
        let libc = self.hardware.libc.as_ref();
        let is_musl = libc.map_or_else(
            // matenv's musl build also runs on glibc systems, so a detected C library counts first.
            || self.hardware.triple.contains("-musl"),
            |libc| libc.family == "musl",
        );
        if is_musl {
            return Some(
                "its C library is musl, but the wheels of ONNX Runtime and torch are built for glibc".to_owned(),
            );
        }
        let libc = libc?;
        let version: Version = libc.version.parse().ok()?;
        let row = platforms.too_old(&version, torch).filter(|_| libc.family == "glibc")?;
        Some(format!(
            "the wheels of {} need glibc {} or newer, but this machine has {}",
            row.package, row.least, libc.version
        ))
    }

    /// Resolves `profile` for this machine.
    pub(super) fn level(&self, profile: &'a Profile) -> Result<Level<'a>, Refusal> {
        if !self.manifest.profiles.contains(&profile.name) {
            let known: Vec<_> = self.manifest.profiles.iter().map(ToString::to_string).collect();
            return Err(format!("{} supports only {}", self.manifest.name, known.join(", ")).into());
        }
        if self
            .locked
            .is_some_and(|locked| locked.iter().all(|(name, _)| *name != profile.name))
        {
            return Err("it is not in matenv.lock".to_owned().into());
        }
        let mut level = match profile.needs {
            Needs::Nothing => self.on_processor(profile),
            Needs::Nvidia => self.on_nvidia(profile)?,
        };
        level.warnings.extend(self.old_processor());
        if profile.needs == Needs::Nvidia {
            level
                .warnings
                .extend(self.hardware.driver_warning.as_deref().map(unused));
        }
        Ok(level)
    }

    /// Like [`Self::level`], for a profile that the user did not choose: it does not rely on a GPU that may be
    /// missing.
    pub(super) fn known_level(&self, profile: &'a Profile) -> Result<Level<'a>, Refusal> {
        let hardware = self.hardware;
        let unknown = hardware.gpus.is_none() && hardware.cuda_driver.is_none() && hardware.nvidia_driver.is_none();
        if unknown && profile.needs == Needs::Nvidia && hardware.driver_problem.is_none() {
            return Err(NOT_KNOWN.to_owned().into());
        }
        self.level(profile)
    }

    fn on_processor(&self, profile: &'a Profile) -> Level<'a> {
        let apple = self.subdir == "osx-arm64";
        Level {
            profile,
            packages: profile.name,
            selection: None,
            providers: profile.providers.clone(),
            provider_choice: apple.then(|| {
                let because = "torch uses the Apple GPU through mps; ONNX Runtime uses the CPU".to_owned();
                let rejected = Rejected {
                    option: ExecutionProvider::CoreMl.to_string(),
                    because: "ONNX Runtime's wheel contains it and programs may use it, but matenv does not check it"
                        .to_owned(),
                };
                (because, rejected)
            }),
            warnings: Vec::new(),
        }
    }

    fn on_nvidia(&self, profile: &'a Profile) -> Result<Level<'a>, Refusal> {
        self.nvidia_is_there()?;
        let torch = self.manifest.has_torch(profile.name);
        let arm = self.subdir == "linux-aarch64";
        if arm {
            self.arm_can(profile, torch)?;
        }
        let selector = Selector {
            profile,
            hardware: self.hardware,
            subdir: self.subdir,
            torch,
            onnxruntime: !arm,
            locked: self.locked,
        };
        let selection = selector.select()?;
        let mut warnings: Vec<Finding> = selection.left_out.iter().map(|sentence| unused(sentence)).collect();
        let (packages, providers, provider_choice) = if arm {
            let because = "sleap-nn and X-AnyLabeling require ONNX Runtime with CUDA on x86-64 only".to_owned();
            warnings.push(unused(
                "torch uses the GPU, but ONNX Runtime uses the CPU: exported models run slowly on this machine",
            ));
            let rejected = Rejected {
                option: ExecutionProvider::Cuda.to_string(),
                because: "no set of packages with it has been tested on aarch64".to_owned(),
            };
            let cpu = vec![ExecutionProvider::Cpu];
            (ProfileName::Cpu, cpu, Some((because, rejected)))
        } else {
            (profile.name, profile.providers.clone(), None)
        };
        Ok(Level {
            profile,
            packages,
            selection: Some(selection),
            providers,
            provider_choice,
            warnings,
        })
    }

    /// Checks that programs can see an NVIDIA GPU. Unknown GPUs are accepted.
    fn nvidia_is_there(&self) -> Result<(), Refusal> {
        if self.subdir == "osx-arm64" {
            let because = "a Mac has no NVIDIA GPU; use the profile cpu, whose torch uses the Apple GPU through mps";
            return Err(because.to_owned().into());
        }
        if let Some(problem) = &self.hardware.driver_problem {
            return Err(problem.clone().into());
        }
        let Some(gpus) = &self.hardware.gpus else {
            return Ok(());
        };
        if self.hardware.visible_gpus().is_some_and(|visible| !visible.is_empty()) {
            return Ok(());
        }
        let hidden = gpus.iter().any(Gpu::is_nvidia);
        let other = gpus.iter().find(|gpu| gpu.vendor == "amd");
        Err(match (hidden, other) {
            (true, _) => {
                let set = self.hardware.visible_devices.as_deref().unwrap_or_default();
                format!("CUDA_VISIBLE_DEVICES={set:?} hides every NVIDIA GPU")
            }
            (false, Some(gpu)) => format!(
                "its GPU is {}, but these packages need CUDA, which requires an NVIDIA GPU",
                gpu.name.as_deref().unwrap_or("from AMD")
            ),
            (false, None) => "there is no NVIDIA GPU".to_owned(),
        }
        .into())
    }

    /// Checks what works on Linux aarch64: only torch has tested GPU builds, and they are for servers.
    fn arm_can(&self, profile: &Profile, torch: bool) -> Result<(), Refusal> {
        let kernel = self.hardware.os.as_ref().and_then(|os| os.kernel.as_deref());
        if kernel.is_some_and(|kernel| kernel.contains("tegra")) {
            let because =
                "it is a Jetson, whose CUDA comes with JetPack; the aarch64 builds of the torch index are for servers";
            return Err(because.to_owned().into());
        }
        if profile.name == ProfileName::GpuTrt {
            let because = "on Linux aarch64 ONNX Runtime runs on the CPU, so TensorRT is not used";
            return Err(because.to_owned().into());
        }
        if !torch {
            let because = format!(
                "on Linux aarch64 only torch uses the GPU, and {} has no torch",
                self.manifest.name
            );
            return Err(because.into());
        }
        Ok(())
    }

    /// Returns a warning if torch runs on a processor without AVX2.
    fn old_processor(&self) -> Option<Finding> {
        let cpu = self.hardware.cpu.as_ref()?;
        let features = cpu.features.as_ref()?;
        let x86 = self.subdir.ends_with("-64");
        if !x86 || features.iter().any(|feature| feature == "avx2") || !self.manifest.has_torch(ProfileName::Cpu) {
            return None;
        }
        let model = cpu.model.as_deref().unwrap_or("the processor");
        let message = format!("{model} has no AVX2: torch runs slowly on it, and quantized operators do not work");
        Some(
            Finding::new(Code::ProcessorTooOld, Severity::Warning, Scope::Host, message)
                .with_evidence([format!("it has {}", describe(features))])
                .with_remedy("use a processor from 2013 or later (Haswell, Zen)"),
        )
    }

    /// Returns the warning for an automatically chosen CPU profile that may not be intended.
    pub(super) fn cpu_in_doubt(&self, why_no_gpu: Option<&str>) -> Option<Finding> {
        let Hardware {
            gpus,
            cuda_driver,
            nvidia_driver,
            driver_problem,
            scheduler,
            ..
        } = self.hardware;
        let nvidia = gpus.as_ref().map(|gpus| gpus.iter().any(Gpu::is_nvidia));
        if let (Some(scheduler), Some(false)) = (scheduler, nvidia) {
            let but = match driver_problem {
                Some(problem) => format!("; if it should have a GPU: {problem}"),
                None => String::new(),
            };
            let finding = unused(&format!(
                "this looks like a login node ({scheduler}, no GPU), so the environment uses the CPU{but}"
            ));
            return Some(finding.with_remedy(format!(
                "on a node with a GPU: matenv hardware --json > gpu.json; then here: matenv install {} --profile gpu --hardware gpu.json --cross",
                self.manifest.name
            )));
        }
        let why = why_no_gpu?;
        if nvidia.is_none() && why == NOT_KNOWN && self.subdir != "osx-arm64" {
            let finding = unused("it is not known which GPU the target machine has, so the environment uses the CPU");
            return Some(finding.with_remedy("use --profile gpu or --hardware FILE"));
        }
        let by_driver = cuda_driver.is_some() || nvidia_driver.is_some();
        let may_be_there = nvidia.unwrap_or(by_driver) || driver_problem.is_some();
        may_be_there.then(|| unused(&format!("the GPU is not used: {why}")))
    }
}

fn unused(sentence: &str) -> Finding {
    Finding::new(Code::GpuUnused, Severity::Warning, Scope::Host, sentence)
}

fn describe(features: &[String]) -> String {
    if features.is_empty() {
        "none of AVX, AVX2, AVX-512".to_owned()
    } else {
        features.join(", ")
    }
}
