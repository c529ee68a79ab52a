//! Whether the resolved wheels agree with each other: one CUDA major, one NCCL, one ONNX Runtime with the TensorRT that it
//! needs, and the torchvision of its torch. A resolver lets all of these stand side by side.

use std::{fmt, str::FromStr as _};

use pep440_rs::Version;

use crate::{lock::LockedWheel, profile::stack::Stacks};

/// How two wheels contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both install `onnxruntime/`.
    TwoOnnxRuntimes,
    /// Both install `nvidia/nccl/lib/libnccl.so.2`.
    TwoNccl,
    /// NCCL is another than torch's metadata pins.
    OtherNccl,
    /// Libraries of two CUDA majors.
    TwoCudaMajors,
    /// ONNX Runtime's TensorRT provider needs a library of another major.
    OtherTensorRt {
        /// That major.
        needed: u64,
    },
    /// torchvision was made for another torch.
    TorchPair,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherTensorRt { needed } => {
                return write!(f, "ONNX Runtime's TensorRT provider needs libnvinfer.so.{needed}");
            }
            Self::TwoOnnxRuntimes => "both install the folder `onnxruntime`",
            Self::TwoNccl => "both install nvidia/nccl/lib/libnccl.so.2, and the one unpacked last wins",
            Self::OtherNccl => {
                "torch's metadata pins another NCCL: undefined symbols (ncclAlltoAll) when it is imported"
            }
            Self::TwoCudaMajors => "they are for two CUDA majors",
            Self::TorchPair => "torchvision was made for another torch: operator torchvision::nms does not exist",
        })
    }
}

/// A wheel of a contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Who asks for it; empty until that is looked up.
    pub asked_by: Vec<String>,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)?;
        if self.asked_by.is_empty() {
            return Ok(());
        }
        write!(f, " (asked for by {})", self.asked_by.join(", "))
    }
}

/// Two wheels that cannot stand in one environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} cannot stand in one environment: {fault}")]
pub struct Disagreement {
    /// How they contradict each other.
    pub fault: Fault,
    /// One.
    pub first: Party,
    /// The other.
    pub second: Party,
}

impl Party {
    /// A distribution of which nobody was asked yet who wants it.
    pub(crate) fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            asked_by: Vec::new(),
        }
    }
}

/// The first contradiction that there is, the plainest first.
pub(crate) fn contradiction(wheels: &[LockedWheel]) -> Option<Disagreement> {
    let parties: Vec<Party> = wheels
        .iter()
        .map(|wheel| Party::new(&wheel.name, &wheel.version))
        .collect();
    contradictions(&parties).into_iter().next()
}

/// One contradiction of each kind, the plainest first. The audit asks the same of what is installed.
pub(crate) fn contradictions(parties: &[Party]) -> Vec<Disagreement> {
    [one_onnxruntime, nccl, tensorrt, torch_pair, one_cuda]
        .iter()
        .filter_map(|look| look(parties))
        .collect()
}

fn disagree(fault: Fault, first: &Party, second: &Party) -> Disagreement {
    Disagreement {
        fault,
        first: first.clone(),
        second: second.clone(),
    }
}

fn get<'a>(wheels: &'a [Party], name: &str) -> Option<&'a Party> {
    wheels.iter().find(|wheel| wheel.name == name)
}

fn version(wheel: &Party) -> Option<Version> {
    Version::from_str(&wheel.version).ok()
}

fn one_onnxruntime(wheels: &[Party]) -> Option<Disagreement> {
    let known = Stacks::table().onnxruntime();
    let mut flavours = wheels.iter().filter(|wheel| known.contains(&wheel.name));
    match (flavours.next(), flavours.next()) {
        (Some(first), Some(second)) => Some(disagree(Fault::TwoOnnxRuntimes, first, second)),
        _ => None,
    }
}

fn nccl(wheels: &[Party]) -> Option<Disagreement> {
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
    // The torch index has builds for other CUDA versions, whose pins are their own.
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

fn tensorrt(wheels: &[Party]) -> Option<Disagreement> {
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

/// By minor versions: a torchvision that no row knows is left to its own metadata.
fn torch_pair(wheels: &[Party]) -> Option<Disagreement> {
    let (Some(torch), Some(torchvision)) = (get(wheels, "torch"), get(wheels, "torchvision")) else {
        return None;
    };
    let minor = |version: &Version| version.release().iter().take(2).copied().collect::<Vec<_>>();
    let (Some(of_torch), Some(of_torchvision)) = (version(torch), version(torchvision)) else {
        return None;
    };
    let rows = Stacks::table().torch();
    let mut made_for = rows
        .iter()
        .filter(|row| minor(&row.torchvision) == minor(&of_torchvision))
        .peekable();
    if made_for.peek().is_some() && made_for.all(|row| minor(&row.version) != minor(&of_torch)) {
        return Some(disagree(Fault::TorchPair, torch, torchvision));
    }
    None
}

/// The CUDA major that a wheel's libraries are of.
pub(crate) fn cuda_major(wheel: &Party) -> Option<u64> {
    // From CUDA 13 on the libraries' packages have no suffix. Of these only the ones with CUDA's own version say which CUDA
    // they are for: nvidia-cufft 12.2 is CUDA 13's.
    const OF_CUDAS_VERSION: [&str; 3] = ["cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cuda-nvrtc"];
    let name = wheel.name.as_str();
    if name == "onnxruntime-gpu" {
        let row = Stacks::table().wheel(name, &version(wheel)?)?;
        return Some(u64::from(row.cuda_major()));
    }
    if OF_CUDAS_VERSION.contains(&name) {
        return version(wheel)?.release().first().copied();
    }
    if !name.starts_with("nvidia-") && !name.starts_with("tensorrt-cu") {
        return None;
    }
    name.split('-').find_map(|part| part.strip_prefix("cu")?.parse().ok())
}

fn one_cuda(wheels: &[Party]) -> Option<Disagreement> {
    let mut first: Option<(&Party, u64)> = None;
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
    use crate::context::sources::SourceName;

    fn told(set: &[(&str, &str)]) -> Option<String> {
        let wheels: Vec<LockedWheel> = set
            .iter()
            .map(|(name, version)| LockedWheel {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                file: format!("{name}-{version}-py3-none-any.whl"),
                source: SourceName::Pypi,
                url: None,
                sha256: "0".repeat(64),
                size: None,
            })
            .collect();
        contradiction(&wheels).map(|error| format!("{:?}: {} and {}", error.fault, error.first, error.second))
    }

    #[test]
    fn sets_that_were_installed_agree() {
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
            // Only by their names they looked like flavours.
            &[
                ("onnxruntime-gpu", "1.31.1"),
                ("onnxruntime-genai-cuda", "0.18.0"),
                ("onnxruntime-tools", "1.7.0"),
                ("onnxruntime-extensions", "0.15.2"),
            ],
            // Packages without a suffix were taken for CUDA 13's.
            &[
                ("cuda-toolkit", "14.0.1"),
                ("nvidia-cublas", "14.0.0.7"),
                ("nvidia-cuda-runtime", "14.0.48"),
                ("nvidia-cufft", "13.0.0.2"),
            ],
        ] {
            assert_eq!(told(set), None);
        }
    }

    /// It said 10, whatever the table says.
    #[test]
    fn the_needed_tensorrt_is_the_tables() {
        let said = Fault::OtherTensorRt { needed: 11 }.to_string();
        assert!(said.ends_with("needs libnvinfer.so.11"), "{said}");
    }

    #[test]
    fn each_contradiction_names_both() {
        for (set, words) in [
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
            assert_eq!(told(&set).as_deref(), Some(words));
        }
    }
}
