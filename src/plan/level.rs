//! Whether a machine and a manifest support a profile, and what follows.

use std::collections::BTreeSet;

use pep440_rs::Version;

use super::{
    Rejected,
    select::{NoBackend, Selection, Selector},
};
use crate::{
    bench,
    finding::{Code, Finding, Scope, Severity},
    hardware::{Gpu, Hardware},
    manifest::Manifest,
    names::{Backend, ProfileName},
    profile::{Needs, Platforms, Profile},
};

/// Why a GPU is not counted on.
const NOT_KNOWN: &str = "it is not known whether there is an NVIDIA GPU";

/// What a profile means on a machine.
#[derive(Debug, Clone)]
pub(super) struct Level<'a> {
    pub(super) profile: &'a Profile,
    /// The profile whose packages the environment takes: `cpu` where only torch can use the GPU.
    pub(super) packages: ProfileName,
    /// CUDA; absent without a GPU.
    pub(super) selection: Option<Selection>,
    /// ONNX Runtime's execution providers, the best first.
    pub(super) providers: Vec<String>,
    /// Why the providers are these, where that is no matter of course, and which is left out.
    pub(super) provider_choice: Option<(String, Rejected)>,
    pub(super) warnings: Vec<Finding>,
}

/// Why a profile is refused.
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

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) struct Stand<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) hardware: &'a Hardware,
    pub(super) subdir: &'a str,
    /// What a lab's lock has; `None` is no matter.
    pub(super) locked: Option<&'a BTreeSet<(ProfileName, Backend)>>,
}

impl<'a> Stand<'a> {
    /// Why no profile at all can be had here.
    pub(super) fn refused_everywhere(&self) -> Option<String> {
        let torch = self.manifest.has_torch(ProfileName::Cpu);
        let platforms = Platforms::table();
        if let Some(row) = platforms.gone(self.subdir, torch) {
            return Some(format!(
                "{} has no wheels for Intel Macs any more, {} was the last with one",
                row.package, row.last
            ));
        }
        let libc = self.hardware.libc.as_ref();
        let is_musl = libc.map_or_else(
            // A program for musl runs on others as well, so what is known of the library counts first.
            || self.hardware.triple.contains("-musl"),
            |libc| libc.family == "musl",
        );
        if is_musl {
            return Some(
                "its C library is musl, and the wheels of ONNX Runtime and torch are built for glibc".to_owned(),
            );
        }
        let libc = libc?;
        let version: Version = libc.version.parse().ok()?;
        let row = platforms.too_old(&version, torch).filter(|_| libc.family == "glibc")?;
        Some(format!(
            "{}'s wheels need glibc {} or newer, and this machine has {}",
            row.package, row.least, libc.version
        ))
    }

    /// What `profile` means here.
    pub(super) fn level(&self, profile: &'a Profile) -> Result<Level<'a>, Refusal> {
        if !self.manifest.profiles.contains(&profile.name) {
            let known: Vec<_> = self.manifest.profiles.iter().map(ToString::to_string).collect();
            return Err(format!("{} is made for {}", self.manifest.name, known.join(", ")).into());
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

    /// The same where nobody named the profile: a GPU that may not be there is not counted on.
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
                let because = "torch uses the Apple GPU through mps, ONNX Runtime the processor".to_owned();
                let rejected = Rejected {
                    option: "CoreMLExecutionProvider".to_owned(),
                    because: "ONNX Runtime's wheel has it, and programs may ask for it; it is not what is proven"
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
            let because = "sleap-nn and X-AnyLabeling ask for ONNX Runtime with CUDA on x86-64 only".to_owned();
            warnings.push(unused(
                "torch uses the GPU, ONNX Runtime the processor: exported models run slowly here",
            ));
            let rejected = Rejected {
                option: "CUDAExecutionProvider".to_owned(),
                because: "no set with it was proven on aarch64".to_owned(),
            };
            let cpu = vec![bench::CPU.to_owned()];
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

    /// There is an NVIDIA GPU that programs see, or nobody knows.
    fn nvidia_is_there(&self) -> Result<(), Refusal> {
        if self.subdir == "osx-arm64" {
            let because =
                "a Mac has no NVIDIA GPU; the profile cpu is the one for it, its torch uses the Apple GPU through mps";
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
                "its GPU is {}, and these packages need CUDA, which only NVIDIA's run",
                gpu.name.as_deref().unwrap_or("AMD's")
            ),
            (false, None) => "there is no NVIDIA GPU".to_owned(),
        }
        .into())
    }

    /// Linux on aarch64: torch has builds for servers, and nothing else has any that were proven.
    fn arm_can(&self, profile: &Profile, torch: bool) -> Result<(), Refusal> {
        let kernel = self.hardware.os.as_ref().and_then(|os| os.kernel.as_deref());
        if kernel.is_some_and(|kernel| kernel.contains("tegra")) {
            let because = "it is a Jetson, whose CUDA comes with JetPack; the index's aarch64 builds are for servers";
            return Err(because.to_owned().into());
        }
        if profile.name == ProfileName::GpuTrt {
            let because = "on Linux aarch64 ONNX Runtime runs on the processor, so TensorRT has nothing to do";
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

    /// torch without AVX2.
    fn old_processor(&self) -> Option<Finding> {
        let cpu = self.hardware.cpu.as_ref()?;
        let features = cpu.features.as_ref()?;
        let x86 = self.subdir.ends_with("-64");
        if !x86 || features.iter().any(|feature| feature == "avx2") || !self.manifest.has_torch(ProfileName::Cpu) {
            return None;
        }
        let model = cpu.model.as_deref().unwrap_or("the processor");
        let message = format!("{model} has no AVX2: torch runs slowly on it, and its quantized operators not at all");
        Some(
            Finding::new(Code::ProcessorTooOld, Severity::Warning, Scope::Host, message)
                .with_evidence([format!("it has {}", words(features))])
                .with_remedy("use a processor of 2013 or newer (Haswell, Zen)"),
        )
    }

    /// What `auto` says when it takes the processor although that may not be meant.
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
                Some(problem) => format!("; if it should have one: {problem}"),
                None => String::new(),
            };
            let finding = unused(&format!(
                "this looks like a login node ({scheduler}, no GPU), so the environment is for the processor{but}"
            ));
            return Some(finding.with_remedy(format!(
                "on a node with a GPU: matenv hardware --json > gpu.json; here: matenv install {} --profile gpu --hardware gpu.json --cross",
                self.manifest.name
            )));
        }
        let why = why_no_gpu?;
        if nvidia.is_none() && why == NOT_KNOWN && self.subdir != "osx-arm64" {
            let finding = unused("nothing is known of the GPU that it is for, so the environment is for the processor");
            return Some(finding.with_remedy("name --profile gpu, or --hardware FILE"));
        }
        let by_driver = cuda_driver.is_some() || nvidia_driver.is_some();
        let may_be_there = nvidia.unwrap_or(by_driver) || driver_problem.is_some();
        may_be_there.then(|| unused(&format!("the GPU stays unused: {why}")))
    }
}

fn unused(sentence: &str) -> Finding {
    Finding::new(Code::GpuUnused, Severity::Warning, Scope::Host, sentence)
}

fn words(features: &[String]) -> String {
    if features.is_empty() {
        "none of AVX, AVX2, AVX-512".to_owned()
    } else {
        features.join(", ")
    }
}
