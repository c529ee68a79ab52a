//! Chooses the CUDA backend that fits the driver and the cards, with reasons for and against each backend.
//!
//! CUDA majors are tried from the newest that the driver supports down to older ones. Within a major, the highest
//! minor version that is not above the driver's own comes first. Higher minor versions follow, the lowest first:
//! they run by CUDA's minor-version compatibility.

use std::collections::BTreeSet;

use pep440_rs::{Operator, Version, VersionSpecifiers};

use super::{Choice, Rejected, cards::Card};
use crate::{
    hardware::Hardware,
    names::{Backend, ProfileName},
    profile::{
        ComputeCapability, CudaVersion, Profile,
        stack::{BackendRow, Backends, Setting, Stacks, WheelCode},
    },
};

const ONNXRUNTIME: &str = "onnxruntime-gpu";

/// The backend of a GPU environment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    /// The choice, with its reason and the rejected backends.
    pub(super) choice: Choice,
    /// The torch backend. An environment without torch has one too: it sets the CUDA version of the other packages.
    pub(super) backend: Backend,
    /// The CUDA version of the backend.
    pub(super) cuda: CudaVersion,
    /// Bounds on torch that the cards require in addition to the stack's own, such as `<2.11`. May be empty.
    pub(super) torch: String,
    /// The versions of ONNX Runtime, such as `>=1.27,<1.32`, and the reason. Absent if it runs on the CPU.
    pub(super) onnxruntime: Option<(String, String)>,
    /// The GPUs that the backend supports. Empty if they are unknown.
    pub(super) cards: Vec<ComputeCapability>,
    /// A sentence for each GPU that is not used.
    pub(super) left_out: Vec<String>,
}

/// No backend supports this machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NoBackend {
    pub(super) because: String,
    pub(super) rejected: Vec<Rejected>,
}

/// The machine and the environment to select a backend for.
pub(super) struct Selector<'a> {
    pub(super) profile: &'a Profile,
    pub(super) hardware: &'a Hardware,
    pub(super) subdir: &'a str,
    /// Whether the environment has torch.
    pub(super) torch: bool,
    /// Whether its ONNX Runtime uses the GPU.
    pub(super) onnxruntime: bool,
    /// The profiles and backends in the lab lock. `None` allows all.
    pub(super) locked: Option<&'a BTreeSet<(ProfileName, Backend)>>,
}

/// The version bounds for a backend that fits.
struct Fit {
    torch: String,
    onnxruntime: Option<(String, String)>,
}

impl Selector<'_> {
    /// Selects a backend for all visible GPUs. If no stack supports all of them, leaves out the oldest ones.
    pub(super) fn select(&self) -> Result<Selection, NoBackend> {
        let gpus = self.hardware.visible_gpus().unwrap_or_default();
        let cards: Vec<Card> = gpus.into_iter().filter_map(Card::from_gpu).collect();
        let mut refused = match self.for_cards(&cards) {
            Ok(selection) => return Ok(selection),
            Err(refused) => refused,
        };
        let generations: BTreeSet<_> = cards.iter().map(|card| card.capability).collect();
        for oldest in generations.into_iter().skip(1) {
            let (served, others): (Vec<Card>, Vec<Card>) =
                cards.iter().cloned().partition(|card| card.capability >= oldest);
            match self.for_cards(&served) {
                Ok(mut selection) => {
                    selection.left_out = self.left_out(&others, &served);
                    return Ok(selection);
                }
                Err(newer) => refused = newer,
            }
        }
        Err(refused)
    }

    /// Returns a sentence for each kind of card in `others`, which are left out, with the cards that it conflicts with.
    /// `served` are the cards that the backend supports.
    fn left_out(&self, others: &[Card], served: &[Card]) -> Vec<String> {
        let mut sentences = Vec::new();
        for card in others {
            let why = if self.for_cards(std::slice::from_ref(card)).is_err() {
                format!("no stack for {} supports it", self.profile.name)
            } else {
                let apart = |other: &&Card| self.for_cards(&[card.clone(), (*other).clone()]).is_err();
                let rivals: Vec<Card> = served.iter().filter(apart).cloned().collect();
                // Each pair may be supported, but not all cards together.
                let rivals = if rivals.is_empty() { served } else { &rivals };
                let rivals = Card::kinds(rivals).join(" and ");
                format!("no stack supports it together with {rivals}")
            };
            let sentence = format!("{} is not used: {why}", card.named());
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        sentences
    }

    /// Selects a backend for `cards`. Here and below, `served` is the newest CUDA version that the driver supports.
    fn for_cards(&self, cards: &[Card]) -> Result<Selection, NoBackend> {
        let served = self.hardware.served_cuda();
        let mut rejected = Vec::new();
        for (row, cuda) in self.candidates(served, &mut rejected) {
            match self.fit(row, cuda, served, cards) {
                Ok(fit) => {
                    return Ok(Selection {
                        choice: Choice {
                            what: "backend".to_owned(),
                            chosen: row.name.to_string(),
                            because: self.because(cuda, served, cards),
                            rejected,
                        },
                        backend: row.name.clone(),
                        cuda,
                        torch: fit.torch,
                        onnxruntime: fit.onnxruntime,
                        cards: cards.iter().map(|card| card.capability).collect(),
                        left_out: Vec::new(),
                    });
                }
                Err(because) => rejected.push(Rejected {
                    option: row.name.to_string(),
                    because,
                }),
            }
        }
        Err(NoBackend {
            because: self.none_because(served, cards, &rejected),
            rejected,
        })
    }

    /// Lists the profile's backends that the driver supports, the best first.
    fn candidates(
        &self,
        served: Option<CudaVersion>,
        rejected: &mut Vec<Rejected>,
    ) -> Vec<(&'static BackendRow, CudaVersion)> {
        let offered: Vec<_> = Backends::table()
            .on_cuda()
            .into_iter()
            .filter(|(row, _)| self.profile.backends.contains(&row.name))
            .filter(|(row, _)| row.platforms.iter().any(|platform| platform == self.subdir))
            .filter(|(row, _)| {
                let this = (self.profile.name, row.name.clone());
                self.locked.is_none_or(|locked| locked.contains(&this))
            })
            .collect();
        let Some(served) = served else {
            // The driver is unknown, so the order of the profile counts.
            let at = |name| self.profile.backends.iter().position(|backend| backend == name);
            let mut by_profile = offered;
            by_profile.sort_by_key(|(row, _)| at(&row.name));
            return by_profile;
        };
        let (too_new, mut usable): (Vec<_>, Vec<_>) =
            offered.into_iter().partition(|(_, cuda)| cuda.major > served.major);
        rejected.extend(too_new.into_iter().map(|(row, cuda)| Rejected {
            option: row.name.to_string(),
            because: self.too_new(cuda, served),
        }));
        // Higher minor versions than the driver's come after all others of its major, the lowest first.
        usable.sort_by_key(|(_, cuda)| {
            let above = *cuda > served;
            let minor = i64::from(cuda.minor);
            (std::cmp::Reverse(cuda.major), above, if above { minor } else { -minor })
        });
        usable
    }

    fn too_new(&self, cuda: CudaVersion, served: CudaVersion) -> String {
        let needs = Backends::table()
            .least_driver(cuda.major, self.hardware.has_windows_driver())
            .map(|least| format!(" (CUDA {} needs driver {least} or newer)", cuda.major))
            .unwrap_or_default();
        format!("the driver serves CUDA {served}{needs}")
    }

    fn fit(
        &self,
        row: &BackendRow,
        cuda: CudaVersion,
        served: Option<CudaVersion>,
        cards: &[Card],
    ) -> Result<Fit, String> {
        let capabilities: Vec<_> = cards.iter().map(|card| card.capability).collect();
        let setting = Setting {
            profile: self.profile.name,
            subdir: self.subdir,
            torch: self.torch,
            cards: &capabilities,
        };
        let stacks = Stacks::table();
        if !stacks.has(cuda.major, &setting) {
            let with = if self.torch { " with torch" } else { "" };
            return Err(format!(
                "no compatible set of packages for {}{with} is known on CUDA {}",
                self.profile.name, cuda.major
            ));
        }
        if let Some(least) = stacks.card(self.profile.name)
            && let Some(card) = cards.iter().find(|card| card.capability < least.compute_capability)
        {
            return Err(format!(
                "{} needs {} or newer, but {card}",
                least.package,
                least.compute_capability.sm()
            ));
        }
        let torch = if self.torch {
            // A driver cannot compile PTX of a newer CUDA version than its own.
            let compiles = served.is_none_or(|served| cuda <= served);
            self.torch(row, cuda, &setting, cards, compiles)?
        } else {
            String::new()
        };
        let onnxruntime = if self.onnxruntime {
            Some(self.onnxruntime(cuda.major, cards)?)
        } else {
            None
        };
        Ok(Fit { torch, onnxruntime })
    }

    /// Returns the bounds on torch, in addition to the stack's own, so that its code supports the cards.
    fn torch(
        &self,
        row: &BackendRow,
        cuda: CudaVersion,
        setting: &Setting<'_>,
        cards: &[Card],
        compiles: bool,
    ) -> Result<String, String> {
        let ranges: Vec<String> = Stacks::table()
            .bounds(cuda.major, setting)
            .filter(|bound| bound.name() == "torch")
            .map(|bound| bound.versions_for(cuda))
            .collect();
        let range = ranges.join(",");
        let specifiers: VersionSpecifiers = range.parse().unwrap_or_default();
        let there: Vec<&Version> = row
            .torch
            .iter()
            .filter(|version| specifiers.contains(version))
            .collect();
        let Some(newest) = there.last() else {
            return Err(format!("it has no torch {range}"));
        };
        if cards.is_empty() {
            return Ok(String::new());
        }
        let serves = |version: &Version| {
            row.code(version, self.subdir).is_some_and(|code| {
                let ptx: &[ComputeCapability] = if compiles { &code.ptx } else { &[] };
                cards.iter().all(|card| card.runs(&code.sass, ptx))
            })
        };
        let Some(last) = there.iter().rposition(|version| serves(version)) else {
            return Err(match row.code(newest, self.subdir) {
                Some(code) => Card::why_not(cards, &code.sass, &format!("{} builds", row.name)),
                None => format!("it is not documented which GPUs its torch supports on {}", self.subdir),
            });
        };
        let first = (0..=last)
            .rev()
            .take_while(|at| serves(there[*at]))
            .last()
            .unwrap_or(last);
        let mut extra = Vec::new();
        if first > 0 {
            extra.push(format!(">={}", there[first]));
        }
        if let Some(next) = there.get(last + 1) {
            extra.push(format!("<{next}"));
        }
        Ok(extra.join(","))
    }

    /// Returns the versions of ONNX Runtime for a CUDA major that support the cards, and the reason.
    fn onnxruntime(&self, major: u32, cards: &[Card]) -> Result<(String, String), String> {
        let rows = Stacks::table().code(ONNXRUNTIME, major, self.subdir);
        let serves = |row: &&WheelCode| cards.iter().all(|card| card.runs(&row.sass, &row.ptx));
        let Some(newest) = rows.iter().position(serves) else {
            let sass = rows.first().map_or(&[][..], |row| &row.sass[..]);
            let builds = format!("builds of {ONNXRUNTIME} for CUDA {major}");
            return Err(Card::why_not(cards, sass, &builds));
        };
        let oldest = rows[newest..]
            .iter()
            .take_while(|row| serves(row))
            .last()
            .unwrap_or(&rows[newest]);
        let bound = |row: &WheelCode, operator| {
            let found = row.versions.iter().find(|part| *part.operator() == operator);
            found.map(|part| part.version().to_string()).unwrap_or_default()
        };
        let least = bound(oldest, Operator::GreaterThanEqual);
        let below = bound(rows[newest], Operator::LessThan);
        let newer = rows[..newest]
            .first()
            .map(|row| format!("; newer builds: {}", Card::why_not(cards, &row.sass, "they")))
            .unwrap_or_default();
        let code = match cards {
            [] => String::new(),
            cards => format!(" that contain code for {}", Card::sms(cards)),
        };
        Ok((
            format!(">={least},<{below}"),
            format!("the builds for CUDA {major}{code}{newer}"),
        ))
    }

    fn because(&self, cuda: CudaVersion, served: Option<CudaVersion>, cards: &[Card]) -> String {
        let driver = match &self.hardware.nvidia_driver {
            Some(driver) => format!("driver {driver}"),
            None => "the driver".to_owned(),
        };
        let driver = match served {
            None => "the driver is unknown, and the profile lists this backend first".to_owned(),
            Some(served) if cuda <= served => format!("{driver} serves CUDA {served}"),
            Some(served) => {
                format!("{driver} serves CUDA {served} and runs {cuda} by minor-version compatibility")
            }
        };
        match cards {
            [] => driver,
            cards => {
                let kinds = Card::kinds(cards);
                format!("{driver}, and its builds contain code for {}", kinds.join(", "))
            }
        }
    }

    fn none_because(&self, served: Option<CudaVersion>, cards: &[Card], rejected: &[Rejected]) -> String {
        let oldest = self
            .profile
            .backends
            .iter()
            .filter_map(|name| Backends::table().get(name)?.cuda)
            .min();
        if let Some(card) = cards.iter().find(|card| card.is_bygone()) {
            // Newer drivers do not support it, so an update would not help.
            return format!("{card}, but no stack contains code for it");
        }
        match (served, oldest) {
            (Some(served), Some(oldest)) if served.major < oldest.major => {
                format!("{}: update the driver", self.too_new(oldest, served))
            }
            _ if rejected.is_empty() => format!("there are no CUDA builds for {}", self.subdir),
            _ => {
                let mut reasons: Vec<&str> = rejected.iter().map(|rejected| rejected.because.as_str()).collect();
                reasons.dedup();
                reasons.join("; ")
            }
        }
    }
}
