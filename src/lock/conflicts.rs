//! Checks that the resolved wheels are compatible: one CUDA major, one NCCL, one ONNX Runtime with the TensorRT that
//! it needs, and the torchvision that belongs to the torch. A resolver does not detect such conflicts.

use std::{fmt, str::FromStr as _};

use pep440_rs::Version;

use crate::{lock::LockedWheel, profile::stack::Stacks};

/// The kind of a conflict between two wheels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both wheels install `onnxruntime/`.
    TwoOnnxRuntimes,
    /// Both wheels install `nvidia/nccl/lib/libnccl.so.2`.
    TwoNccl,
    /// NCCL differs from the one that torch's metadata pins.
    OtherNccl,
    /// The libraries are for two CUDA majors.
    TwoCudaMajors,
    /// ONNX Runtime's TensorRT provider needs a library of another major.
    OtherTensorRt {
        /// The required TensorRT major.
        needed: u64,
    },
    /// torchvision was built for another torch.
    TorchPair,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherTensorRt { needed } => {
                return write!(f, "ONNX Runtime's TensorRT provider needs libnvinfer.so.{needed}");
            }
            Self::TwoOnnxRuntimes => "both install the folder `onnxruntime`",
            Self::TwoNccl => "both install nvidia/nccl/lib/libnccl.so.2, and one overwrites the other",
            Self::OtherNccl => {
                "torch's metadata pins another NCCL: importing torch fails with undefined symbols (ncclAlltoAll)"
            }
            Self::TwoCudaMajors => "they are for two CUDA majors",
            Self::TorchPair => "torchvision was built for another torch: operator torchvision::nms does not exist",
        })
    }
}

/// One of the two conflicting wheels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelRef {
    /// Name of the wheel.
    pub name: String,
    /// Version of the wheel.
    pub version: String,
    /// The packages that require it; empty until this is looked up.
    pub required_by: Vec<String>,
}

impl fmt::Display for WheelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)?;
        if self.required_by.is_empty() {
            return Ok(());
        }
        write!(f, " (required by {})", self.required_by.join(", "))
    }
}

/// Two wheels that cannot be installed in one environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} cannot be installed together: {fault}")]
pub struct WheelConflict {
    /// The kind of the conflict.
    pub fault: Fault,
    /// The first wheel.
    pub first: WheelRef,
    /// The second wheel.
    pub second: WheelRef,
}

impl WheelRef {
    /// Returns a distribution without the packages that require it.
    pub(crate) fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            required_by: Vec::new(),
        }
    }
}

/// Returns the first conflict, the most obvious kind first.
pub(crate) fn first_conflict(wheels: &[LockedWheel]) -> Option<WheelConflict> {
    let parties: Vec<WheelRef> = wheels
        .iter()
        .map(|wheel| WheelRef::new(&wheel.name, &wheel.version))
        .collect();
    conflicts(&parties).into_iter().next()
}

/// Returns one conflict of each kind, the most obvious kind first. The audit also checks installed packages with it.
pub(crate) fn conflicts(parties: &[WheelRef]) -> Vec<WheelConflict> {
    [one_onnxruntime, nccl, tensorrt, torch_pair, one_cuda]
        .iter()
        .filter_map(|check| check(parties))
        .collect()
}

fn disagree(fault: Fault, first: &WheelRef, second: &WheelRef) -> WheelConflict {
    WheelConflict {
        fault,
        first: first.clone(),
        second: second.clone(),
    }
}

fn get<'a>(wheels: &'a [WheelRef], name: &str) -> Option<&'a WheelRef> {
    wheels.iter().find(|wheel| wheel.name == name)
}

fn version(wheel: &WheelRef) -> Option<Version> {
    Version::from_str(&wheel.version).ok()
}

fn one_onnxruntime(wheels: &[WheelRef]) -> Option<WheelConflict> {
    let known = Stacks::table().onnxruntime();
    let mut variants = wheels.iter().filter(|wheel| known.contains(&wheel.name));
    match (variants.next(), variants.next()) {
        (Some(first), Some(second)) => Some(disagree(Fault::TwoOnnxRuntimes, first, second)),
        _ => None,
    }
}

fn nccl(wheels: &[WheelRef]) -> Option<WheelConflict> {
    let mut all = wheels.iter().filter(|wheel| wheel.name.starts_with("nvidia-nccl-cu"));
    let (Some(first), second) = (all.next(), all.next()) else {
        return None;
    };
    if let Some(second) = second {
        return Some(disagree(Fault::TwoNccl, first, second));
    }
    let torch = get(wheels, "torch")?;
    let public = version(torch).map(|version| version.only_release());
    let known = Stacks::table()
        .torch()
        .iter()
        .find(|row| Some(&row.version) == public.as_ref());
    // The torch index also has builds for other CUDA versions, with other pins.
    let pinned = known.map(|row| row.nccl.as_str());
    let is_that = |pin: &str| pin == format!("{}=={}", first.name, first.version);
    let same_major = |pin: &str| pin.starts_with(&format!("{}==", first.name));
    match pinned {
        Some(pin) if same_major(pin) && !is_that(pin) && !torch.version.contains('+') => {
            Some(disagree(Fault::OtherNccl, torch, first))
        }
        _ => None,
    }
}

fn tensorrt(wheels: &[WheelRef]) -> Option<WheelConflict> {
    let onnxruntime = get(wheels, "onnxruntime-gpu")?;
    let needed = version(onnxruntime)
        .and_then(|version| Stacks::table().wheel("onnxruntime-gpu", &version))
        .map(|row| u64::from(row.tensorrt));
    let libraries = wheels.iter().find(|wheel| {
        wheel.name == "tensorrt" || wheel.name.starts_with("tensorrt-cu") && wheel.name.ends_with("-libs")
    });
    let (Some(needed), Some(libraries)) = (needed, libraries) else {
        return None;
    };
    let major = version(libraries).and_then(|version| version.release().first().copied());
    if major.is_some_and(|major| major != needed) {
        return Some(disagree(Fault::OtherTensorRt { needed }, onnxruntime, libraries));
    }
    None
}

/// Compares minor versions. A torchvision that is not in the table is left to its own metadata.
fn torch_pair(wheels: &[WheelRef]) -> Option<WheelConflict> {
    let (Some(torch), Some(torchvision)) = (get(wheels, "torch"), get(wheels, "torchvision")) else {
        return None;
    };
    let minor = |version: &Version| version.release().iter().take(2).copied().collect::<Vec<_>>();
    let (Some(torch_version), Some(torchvision_version)) = (version(torch), version(torchvision)) else {
        return None;
    };
    let rows = Stacks::table().torch();
    let mut made_for = rows
        .iter()
        .filter(|row| minor(&row.torchvision) == minor(&torchvision_version))
        .peekable();
    if made_for.peek().is_some() && made_for.all(|row| minor(&row.version) != minor(&torch_version)) {
        return Some(disagree(Fault::TorchPair, torch, torchvision));
    }
    None
}

/// Returns the CUDA major that a wheel's libraries are for.
pub(crate) fn cuda_major(wheel: &WheelRef) -> Option<u64> {
    // Since CUDA 13 the library packages have no suffix. Only packages with CUDA's own version number show which CUDA
    // they are for: nvidia-cufft 12.2 belongs to CUDA 13.
    const VERSIONED_AS_CUDA: [&str; 3] = ["cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cuda-nvrtc"];
    let name = wheel.name.as_str();
    if name == "onnxruntime-gpu" {
        let row = Stacks::table().wheel(name, &version(wheel)?)?;
        return Some(u64::from(row.cuda_major()));
    }
    if VERSIONED_AS_CUDA.contains(&name) {
        return version(wheel)?.release().first().copied();
    }
    if !name.starts_with("nvidia-") && !name.starts_with("tensorrt-cu") {
        return None;
    }
    name.split('-').find_map(|part| part.strip_prefix("cu")?.parse().ok())
}

fn one_cuda(wheels: &[WheelRef]) -> Option<WheelConflict> {
    let mut first: Option<(&WheelRef, u64)> = None;
    for wheel in wheels {
        let Some(major) = cuda_major(wheel) else { continue };
        match first {
            None => first = Some((wheel, major)),
            Some((other, known)) if known != major => return Some(disagree(Fault::TwoCudaMajors, other, wheel)),
            Some(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::fixtures;

    fn conflict(set: &[(&str, &str)]) -> Option<String> {
        first_conflict(&fixtures::wheels(set))
            .map(|error| format!("{:?}: {} and {}", error.fault, error.first, error.second))
    }

    #[test]
    fn known_good_sets_have_no_conflict() {
        for set in [
            &[
                ("torch", "2.15.0"),
                ("torchvision", "0.29.2"),
                ("nvidia-nccl-cu13", "2.30.7"),
                ("cuda-toolkit", "13.2.2"),
                ("nvidia-cufft", "12.2.0.46"),
                ("nvidia-cudnn-cu13", "9.26.0.51"),
                ("onnxruntime-gpu", "1.31.1"),
            ][..],
            &[
                ("torch", "2.10.0+cu126"),
                ("torchvision", "0.25.0+cu126"),
                ("nvidia-nccl-cu12", "2.27.5"),
                ("nvidia-cublas-cu12", "12.6.4.1"),
                ("onnxruntime-gpu", "1.26.0"),
            ],
            &[
                ("torch", "2.12.1"),
                ("tensorrt", "10.16.1.11"),
                ("tensorrt-cu13", "10.16.1.11"),
                ("tensorrt-cu13-libs", "10.16.1.11"),
                ("onnxruntime-gpu", "1.31.1"),
            ],
            &[("torch", "3.0.0"), ("torchvision", "0.50.0"), ("onnxruntime", "9.0")],
            // Bug: their names alone made them look like variants of ONNX Runtime.
            &[
                ("onnxruntime-gpu", "1.31.1"),
                ("onnxruntime-genai-cuda", "0.18.0"),
                ("onnxruntime-tools", "1.7.0"),
                ("onnxruntime-extensions", "0.15.2"),
            ],
            // Bug: packages without a suffix were mistaken for packages of CUDA 13.
            &[
                ("cuda-toolkit", "14.0.1"),
                ("nvidia-cublas", "14.0.0.7"),
                ("nvidia-cuda-runtime", "14.0.48"),
                ("nvidia-cufft", "13.0.0.2"),
            ],
        ] {
            assert_eq!(conflict(set), None);
        }
    }

    /// Bug: the message always said 10.
    #[test]
    fn the_required_tensorrt_comes_from_the_table() {
        let said = Fault::OtherTensorRt { needed: 11 }.to_string();
        assert!(said.ends_with("needs libnvinfer.so.11"), "{said}");
    }

    #[test]
    fn each_conflict_names_both_wheels() {
        for (set, expected) in [
            (
                [("onnxruntime", "1.31.1"), ("onnxruntime-gpu", "1.31.1")],
                "TwoOnnxRuntimes: onnxruntime 1.31.1 and onnxruntime-gpu 1.31.1",
            ),
            (
                [("nvidia-nccl-cu12", "2.27.5"), ("nvidia-nccl-cu13", "2.30.7")],
                "TwoNccl: nvidia-nccl-cu12 2.27.5 and nvidia-nccl-cu13 2.30.7",
            ),
            (
                [("torch", "2.15.0"), ("nvidia-nccl-cu13", "2.29.7")],
                "OtherNccl: torch 2.15.0 and nvidia-nccl-cu13 2.29.7",
            ),
            (
                [("onnxruntime-gpu", "1.31.1"), ("tensorrt-cu13-libs", "11.1.0.5")],
                "OtherTensorRt { needed: 10 }: onnxruntime-gpu 1.31.1 and tensorrt-cu13-libs 11.1.0.5",
            ),
            (
                [("torch", "2.12.1"), ("torchvision", "0.28.0")],
                "TorchPair: torch 2.12.1 and torchvision 0.28.0",
            ),
            (
                [("onnxruntime-gpu", "1.26.0"), ("nvidia-cuda-runtime", "13.0.96")],
                "TwoCudaMajors: onnxruntime-gpu 1.26.0 and nvidia-cuda-runtime 13.0.96",
            ),
            (
                [("nvidia-cufft-cu12", "11.3.3.83"), ("cuda-toolkit", "13.0.2")],
                "TwoCudaMajors: nvidia-cufft-cu12 11.3.3.83 and cuda-toolkit 13.0.2",
            ),
        ] {
            assert_eq!(conflict(&set).as_deref(), Some(expected));
        }
    }
}
