//! Prefixes that matenv did not make: what their files have to serve, and remedies that do not speak of matenv's own.

use std::path::Path;

use super::{Code, Finding, patient::Patient};
use crate::{
    audit::{AuditError, Depth, Inventory, Subject},
    hardware::Hardware,
    manifest::{Check, Manifests},
    names::ProfileName,
    profile::Needs,
    store::layout,
};

/// What stands in remedies for an environment's name until they are replaced.
pub(super) const NAME: &str = "ENV";

/// The manifests that make what people make by hand, by the distribution that shows it.
const MANIFESTS: [(&str, &str); 2] = [("sleap", "sleap"), ("x-anylabeling-cvhub", "x-anylabeling")];

/// What the files of a prefix have to serve: CUDA, if they bring it.
pub(super) fn subject(prefix: &Path, hardware: &Hardware) -> Result<Subject, AuditError> {
    let inventory = look(prefix)?;
    let site_packages = layout::site_packages_of(prefix).unwrap_or_default();
    let torch_on_cuda = site_packages.join("torch/lib/libtorch_cuda.so").is_file();
    let gpus = hardware.visible_gpus().unwrap_or_default();
    // Without a GPU ONNX Runtime takes the processor, whatever else it could.
    let runtime_on_cuda = inventory.get("onnxruntime-gpu").is_some() && !gpus.is_empty();
    let Some(major) = cuda_major(&inventory).filter(|_| torch_on_cuda || runtime_on_cuda) else {
        return Ok(Subject::cpu());
    };
    let Ok(backend) = format!("cu{major}0").parse() else {
        return Ok(Subject::cpu());
    };
    let cards = gpus.iter().filter_map(|gpu| gpu.compute_capability).collect();
    let mut subject = Subject::of(ProfileName::Gpu, &backend, cards);
    if !runtime_on_cuda {
        subject.libraries.clear();
    }
    Ok(subject)
}

/// What is installed there.
fn look(prefix: &Path) -> Result<Inventory, AuditError> {
    Inventory::read(prefix, NAME, &Subject::cpu(), Depth::Structure)
}

/// CUDA's major version by torch's build, or by the suffixes of NVIDIA's distributions.
fn cuda_major(inventory: &Inventory) -> Option<u32> {
    let of_torch = inventory
        .get("torch")
        .and_then(|torch| torch.version.to_string().split_once("+cu")?.1.get(..2)?.parse().ok());
    let of_nvidia = || {
        let names = inventory
            .distributions
            .iter()
            .map(|distribution| distribution.name.as_ref());
        names
            .filter_map(|name| name.strip_prefix("nvidia-")?.rsplit_once("-cu")?.1.parse().ok())
            .max()
    };
    of_torch.or_else(of_nvidia)
}

/// The manifest that makes what is installed there.
fn manifest(prefix: &Path) -> Option<&'static str> {
    let inventory = look(prefix).ok()?;
    let made = MANIFESTS
        .iter()
        .find(|(distribution, _)| inventory.get(distribution).is_some());
    made.map(|(_, manifest)| *manifest)
}

/// The probes of the manifest that makes what is installed there: what host programs need of it.
pub(super) fn probes(prefix: &Path) -> Vec<Check> {
    let built_in = Manifests::load(None).ok();
    let probes = manifest(prefix).and_then(|name| Some(built_in?.get(name).ok()?.probes.clone()));
    let on_processor = |probe: &Check| {
        probe.needs == Needs::Nothing && (probe.profiles.is_empty() || probe.profiles.contains(&ProfileName::Cpu))
    };
    probes.unwrap_or_default().into_iter().filter(on_processor).collect()
}

/// Put what helps here in the place of what would help in an environment of matenv's.
pub(super) fn remedies(findings: &mut [Finding], patient: &Patient) {
    let site_packages = layout::site_packages_of(&patient.prefix).unwrap_or_default();
    let python = patient.python().display().to_string();
    let pip = |command: &str| {
        if site_packages.join("pip").is_dir() {
            format!("\"{python}\" -m pip {command}")
        } else {
            format!("uv pip {command} --python \"{python}\"")
        }
    };
    let manifest = manifest(&patient.prefix);
    for finding in findings {
        let speaks_of_ours = |remedy: &String| remedy.contains("matenv install") || remedy.contains("matenv repair");
        if !finding.remedy.as_ref().is_some_and(speaks_of_ours) {
            continue;
        }
        let here = match finding.code {
            Code::TorchPairMismatch => pip("install --reinstall torch torchvision"),
            Code::TwoOnnxRuntimes => {
                pip("uninstall onnxruntime onnxruntime-gpu") + ", then install the one that you want"
            }
            _ => pip("check"),
        };
        let here = here.replace("-m pip install --reinstall", "-m pip install --force-reinstall");
        finding.remedy = Some(match manifest {
            // What a program asks for and these releases do not have, no installer mends.
            Some(manifest) if finding.code == Code::ProbeFailed => {
                format!("a proven one beside it: matenv install {manifest}")
            }
            Some(manifest) => format!("{here}   or, a proven one beside it: matenv install {manifest}"),
            None => here,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cudas_major_is_read_off_what_is_installed() {
        let of = |texts: &[&str]| cuda_major(&Inventory::of(texts));
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0+cu128\n"]), Some(12));
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0+cpu\n"]), None);
        let nccl = "Name: nvidia-nccl-cu13\nVersion: 2.29.7\n";
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0\n", nccl]), Some(13));
    }
}
