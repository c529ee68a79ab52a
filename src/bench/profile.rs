//! Reads ONNX Runtime's profile of a run: which provider ran which operator. The options of a session only request a
//! provider.

use crate::input::{self, Input};
use crate::names::ExecutionProvider;
use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

/// The allowed share of time on other providers than the requested one, in percent. Shapes are computed on the CPU.
const ELSEWHERE_PERCENT: f64 = 1.0;

/// An operator is heavy if its name contains one of these parts. The names of fused and quantized variants contain the
/// original name (`FusedConv`, `NhwcFusedConv`, `QLinearConv`, `ConvTranspose`, `MatMulNBits`, `QGemm`). Attention
/// consists of matrix products, and `Upsample` is the old name of `Resize`.
const HEAVY: [&str; 6] = ["Conv", "MatMul", "Gemm", "Resize", "Upsample", "Attention"];

/// The runs of one operator type on one provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The number of nodes that ran.
    pub count: u64,
    /// Their total time in nanoseconds, with the microsecond resolution of the profile.
    pub ns: u64,
}

/// The operators that ran on each provider: by provider, then by operator type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Placement(pub BTreeMap<String, BTreeMap<String, Ran>>);

/// Operators that ran on another provider than the requested one, but should not have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stray {
    /// The provider that ran most of them.
    pub(super) provider: String,
    /// Operator types with their runs: heavy ones first, then by time.
    pub(super) operators: Vec<(String, Ran)>,
    /// Their share of the time of all nodes, in percent.
    pub(super) percent: f64,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    /// Microseconds.
    #[serde(default)]
    dur: u64,
    #[serde(default)]
    args: Arguments,
}

#[derive(Default, Deserialize)]
struct Arguments {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    op_name: String,
}

impl Placement {
    /// Adds the operators in the profile `file`.
    pub(super) fn add(&mut self, file: &Path) -> std::io::Result<()> {
        let entries: Vec<Entry> = serde_json::from_slice(&input::read(file, Input::Output)?)?;
        for entry in entries {
            // A node has several entries. Count only the one for its run.
            let ran = entry.cat == "Node" && entry.name.ends_with("_kernel_time");
            if ran && !entry.args.provider.is_empty() {
                let operators = self.0.entry(entry.args.provider).or_default();
                let sum = operators.entry(entry.args.op_name).or_default();
                sum.count += 1;
                sum.ns += entry.dur * 1000;
            }
        }
        Ok(())
    }

    /// Returns the provider with the most time. On a tie, the one that ran more nodes.
    pub(super) fn main(&self) -> Option<&str> {
        let weight = |operators: &BTreeMap<String, Ran>| (time(operators.values()), count(operators.values()));
        self.0
            .iter()
            .max_by_key(|(_, operators)| weight(operators))
            .map(|(provider, _)| provider.as_str())
    }

    /// Returns the number of nodes that ran on another provider than `asked`.
    pub(super) fn count_on_others(&self, asked: ExecutionProvider) -> u64 {
        count(self.others(asked).flat_map(|(_, operators)| operators.values()))
    }

    /// Returns the operators on other providers than `asked`, if one of them is heavy or they took too much time.
    pub(super) fn stray(&self, asked: ExecutionProvider) -> Option<Stray> {
        let all = time(self.0.values().flat_map(BTreeMap::values));
        let mut operators: BTreeMap<&str, Ran> = BTreeMap::new();
        for (name, ran) in self.others(asked).flat_map(|(_, operators)| operators) {
            let sum = operators.entry(name).or_default();
            sum.count += ran.count;
            sum.ns += ran.ns;
        }
        let (provider, _) = self
            .others(asked)
            .max_by_key(|(_, operators)| (time(operators.values()), count(operators.values())))?;
        let percent = percent(time(operators.values()), all);
        let heavy = operators.keys().any(|name| is_heavy(name));
        let nothing_as_asked = self.0.get(asked.as_str()).is_none_or(BTreeMap::is_empty);
        if !heavy && !nothing_as_asked && percent <= ELSEWHERE_PERCENT {
            return None;
        }
        let mut operators: Vec<_> = operators
            .into_iter()
            .map(|(name, ran)| (name.to_owned(), ran))
            .collect();
        // List heavy operators first, even those with a short time.
        operators.sort_by_key(|(name, ran)| std::cmp::Reverse((is_heavy(name), ran.ns)));
        Some(Stray {
            provider: provider.clone(),
            operators,
            percent,
        })
    }

    fn others(&self, asked: ExecutionProvider) -> impl Iterator<Item = (&String, &BTreeMap<String, Ran>)> {
        self.0.iter().filter(move |(provider, _)| *provider != asked.as_str())
    }
}

fn is_heavy(operator: &str) -> bool {
    HEAVY.iter().any(|part| operator.contains(part))
}

fn time<'a>(ran: impl Iterator<Item = &'a Ran>) -> u64 {
    ran.map(|ran| ran.ns).sum()
}

fn count<'a>(ran: impl Iterator<Item = &'a Ran>) -> u64 {
    ran.map(|ran| ran.count).sum()
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 * 100.0 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ExecutionProvider;

    /// Profiles of onnxruntime 1.32.0 on a CPU, without unused arguments. `mixed` is a small network that resizes to a
    /// size computed with Shape, Gather and Concat. `unet` is the built-in model.
    const MIXED: &str = include_str!("fixtures/profile-mixed-1.32.0.json");
    const UNET: &str = include_str!("fixtures/profile-unet-1.32.0.json");

    fn read(text: &str) -> Placement {
        let folder = tempfile::tempdir().expect("a temp folder");
        let file = folder.path().join("profile.json");
        fs_err::write(&file, text).expect("a file");
        let mut placement = Placement::default();
        placement.add(&file).expect("a profile");
        placement
    }

    /// Moves everything except the operators in `stay` to CUDA, like a session on that provider.
    fn on_cuda_but(mut placement: Placement, stay: &[&str]) -> Placement {
        let ran = placement
            .0
            .remove(ExecutionProvider::Cpu.as_str())
            .expect("it ran on the CPU");
        for (name, ran) in ran {
            let provider = if stay.contains(&name.as_str()) {
                ExecutionProvider::Cpu
            } else {
                ExecutionProvider::Cuda
            };
            placement.0.entry(provider.to_string()).or_default().insert(name, ran);
        }
        placement
    }

    #[test]
    fn nodes_are_counted_once_by_the_provider_that_ran_them() {
        let placement = read(MIXED);
        let cpu = &placement.0[ExecutionProvider::Cpu.as_str()];
        let counts: Vec<_> = ["Conv", "ConvTranspose", "Shape", "Gather"]
            .iter()
            .map(|name| cpu[*name].count)
            .collect();
        assert_eq!(counts, [2, 1, 2, 2]);
        assert!(cpu["Conv"].ns > cpu["Shape"].ns, "{cpu:?}");
        assert_eq!(
            (placement.main(), placement.count_on_others(ExecutionProvider::Cpu)),
            (Some("CPUExecutionProvider"), 0)
        );
    }

    #[test]
    fn a_run_on_the_cpu_does_not_count_as_a_run_on_cuda() {
        for text in [MIXED, UNET] {
            let placement = read(text);
            assert_eq!(placement.stray(ExecutionProvider::Cpu), None);
            let stray = placement.stray(ExecutionProvider::Cuda).expect("nothing ran on CUDA");
            assert_eq!(
                (stray.provider.as_str(), stray.percent),
                ("CPUExecutionProvider", 100.0)
            );
            let first = &stray.operators[0].0;
            assert!(is_heavy(first), "{first}");
        }
    }

    #[test]
    fn shapes_computed_on_the_cpu_are_allowed() {
        let placement = on_cuda_but(read(MIXED), &["Shape", "Gather", "Concat"]);
        assert_eq!(placement.stray(ExecutionProvider::Cuda), None, "{placement:?}");
        assert_eq!(
            (placement.main(), placement.count_on_others(ExecutionProvider::Cuda)),
            (Some("CUDAExecutionProvider"), 6)
        );
    }

    #[test]
    fn one_heavy_operator_on_the_cpu_is_a_failure_even_if_it_is_short() {
        let placement = on_cuda_but(read(MIXED), &["Shape", "Gather", "Concat", "MatMul"]);
        let stray = placement.stray(ExecutionProvider::Cuda).expect("the MatMul");
        assert!(stray.percent < ELSEWHERE_PERCENT, "{stray:?}");
        assert_eq!(stray.operators[0].0, "MatMul");
        let unet = on_cuda_but(read(UNET), &["FusedConv"]);
        assert_eq!(
            unet.stray(ExecutionProvider::Cuda).expect("a fused one").operators[0].0,
            "FusedConv"
        );
    }

    #[test]
    fn light_operators_are_a_failure_if_they_take_long() {
        let placement = on_cuda_but(read(MIXED), &["Shape", "Gather", "Add"]);
        let stray = placement
            .stray(ExecutionProvider::Cuda)
            .expect("the Add works on whole images");
        assert!(stray.percent > ELSEWHERE_PERCENT, "{stray:?}");
        assert_eq!((stray.operators[0].0.as_str(), stray.operators.len()), ("Add", 3));
    }

    #[test]
    fn variants_of_heavy_operators_are_heavy() {
        for name in [
            "Conv",
            "NhwcFusedConv",
            "QLinearConv",
            "FusedMatMul",
            "QGemm",
            "Attention",
        ] {
            assert!(is_heavy(name), "{name}");
        }
        for name in ["Shape", "Gather", "Concat", "Cast", "MemcpyToHost", "Relu"] {
            assert!(!is_heavy(name), "{name}");
        }
    }
}
