//! The NVIDIA GPUs that a plan has to support.

use std::fmt;

use crate::{hardware::Gpu, profile::ComputeCapability};

/// The first GPU generation that CUDA 12 supports.
const MAXWELL: ComputeCapability = ComputeCapability { major: 5, minor: 0 };

/// A GPU whose compute capability is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Card {
    name: String,
    pub(super) capability: ComputeCapability,
}

impl Card {
    pub(super) fn from_gpu(gpu: &Gpu) -> Option<Self> {
        let name = gpu.name.as_deref().unwrap_or("the GPU");
        let short = name.trim_start_matches("NVIDIA ").trim_start_matches("GeForce ");
        let slice = gpu.mig.as_ref().filter(|mig| !short.contains(*mig));
        Some(Self {
            name: match slice {
                Some(mig) => format!("{short} MIG {mig}"),
                None => short.to_owned(),
            },
            capability: gpu.compute_capability?,
        })
    }

    /// Returns whether the card is too old for all drivers that support CUDA 12, which starts with Maxwell.
    pub(super) fn is_bygone(&self) -> bool {
        self.capability < MAXWELL
    }

    /// Returns whether there is machine code for the card, or PTX that a driver can compile for it.
    pub(super) fn runs(&self, sass: &[ComputeCapability], ptx: &[ComputeCapability]) -> bool {
        sass.iter().any(|code| self.capability.runs_sass(*code))
            || ptx.iter().any(|code| self.capability.compiles_ptx(*code))
    }

    /// Returns why builds with code for `sass` do not support `cards`.
    pub(super) fn why_not(cards: &[Self], sass: &[ComputeCapability], builds: &str) -> String {
        let Some(card) = cards.iter().find(|card| !card.runs(sass, &[])) else {
            return format!("{builds} do not support these GPUs together");
        };
        match (sass.iter().min(), sass.iter().max()) {
            (Some(first), _) if card.capability < *first => format!("{card}, but {builds} start at {}", first.sm()),
            (_, Some(last)) if card.capability > *last => format!("{card}, but {builds} end at {}", last.sm()),
            _ => format!("{card}, but {builds} contain no code for it"),
        }
    }

    /// Returns name and compute capability: `GTX 1080 Ti (sm_61)`.
    pub(super) fn named(&self) -> String {
        format!("{} ({})", self.name, self.capability.sm())
    }

    /// Returns each kind of card once, in order: `8 x H100 80GB HBM3 (sm_90)`.
    pub(super) fn kinds(cards: &[Self]) -> Vec<String> {
        let mut kinds: Vec<(&Self, usize)> = Vec::new();
        for card in cards {
            match kinds.iter_mut().find(|(known, _)| *known == card) {
                Some((_, count)) => *count += 1,
                None => kinds.push((card, 1)),
            }
        }
        let named = |(card, count): (&Self, usize)| match count {
            1 => card.named(),
            count => format!("{count} x {}", card.named()),
        };
        kinds.into_iter().map(named).collect()
    }

    /// Returns the compute capabilities: `sm_75 and sm_89`.
    pub(super) fn sms(cards: &[Self]) -> String {
        let mut all: Vec<_> = cards.iter().map(|card| card.capability).collect();
        all.sort();
        all.dedup();
        let names: Vec<_> = all.into_iter().map(ComputeCapability::sm).collect();
        names.join(" and ")
    }
}

/// Writes `GTX 1080 Ti is sm_61`.
impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.name, self.capability.sm())
    }
}
