//! Prefixes that matenv did not make: what their files have to serve, and which manifest makes the like.

use std::path::Path;

use crate::finding::{Code, Finding, Scope};
use crate::{
    audit::{Installed, Subject},
    context::Context,
    hardware::Hardware,
    manifest::{Check, Manifests},
    names::ProfileName,
    profile::Needs,
    verify::{self, VerifyError},
};

/// The manifests that make what people make by hand, by the distribution that shows it.
const MANIFESTS: [(&str, &str); 2] = [("sleap", "sleap"), ("x-anylabeling-cvhub", "x-anylabeling")];

/// What the files of a prefix have to serve: CUDA, if they bring it.
pub(super) fn subject(installed: &Installed, hardware: &Hardware) -> Subject {
    let libraries = installed.prefix.join(&installed.site_packages).join("torch/lib");
    let torch_on_cuda = libraries.join("libtorch_cuda.so").is_file();
    let gpus = hardware.visible_gpus().unwrap_or_default();
    // Without a GPU ONNX Runtime takes the processor, whatever else it could.
    let runtime_on_cuda = installed.get("onnxruntime-gpu").is_some() && !gpus.is_empty();
    let Some(major) = cuda_major(installed).filter(|_| torch_on_cuda || runtime_on_cuda) else {
        return Subject::cpu();
    };
    let Ok(backend) = format!("cu{major}0").parse() else {
        return Subject::cpu();
    };
    let cards = gpus.iter().filter_map(|gpu| gpu.compute_capability).collect();
    let mut subject = Subject::of(ProfileName::Gpu, &backend, cards);
    if !runtime_on_cuda {
        subject.libraries.clear();
    }
    subject
}

/// CUDA's major version by torch's build, or by the suffixes of NVIDIA's distributions.
fn cuda_major(installed: &Installed) -> Option<u32> {
    let of_torch = installed
        .get("torch")
        .and_then(|torch| torch.version.to_string().split_once("+cu")?.1.get(..2)?.parse().ok());
    let of_nvidia = || {
        let names = installed
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
pub(super) fn manifest(installed: &Installed) -> Option<&'static str> {
    let made = MANIFESTS
        .iter()
        .find(|(distribution, _)| installed.get(distribution).is_some());
    made.map(|(_, manifest)| *manifest)
}

/// Run the probes of that manifest: what host programs need of such an environment.
pub(super) async fn probe(ctx: &Context, prefix: &Path, manifest: &str) -> Result<Vec<Finding>, VerifyError> {
    let built_in = Manifests::load(None).ok();
    let probes = built_in.and_then(|built_in| Some(built_in.get(manifest).ok()?.probes.clone()));
    let on_processor = |probe: &Check| {
        probe.needs == Needs::Nothing && (probe.profiles.is_empty() || probe.profiles.contains(&ProfileName::Cpu))
    };
    let probes: Vec<Check> = probes.unwrap_or_default().into_iter().filter(on_processor).collect();
    let verification = verify::verify(ctx, prefix, manifest, &probes, None).await?;
    let findings = verification.probes.into_iter().filter_map(|probe| probe.finding);
    Ok(findings.map(|finding| advised(finding, manifest)).collect())
}

/// What a program asks for and these releases do not have, no installer mends.
fn advised(finding: Finding, manifest: &str) -> Finding {
    match (finding.code, finding.scope) {
        (Code::ProbeFailed, Scope::Environment) => {
            finding.with_remedy(format!("a proven one beside it: matenv install {manifest}"))
        }
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cudas_major_is_read_off_what_is_installed() {
        let of = |texts: &[&str]| cuda_major(&Installed::of(texts));
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0+cu128\n"]), Some(12));
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0+cpu\n"]), None);
        let nccl = "Name: nvidia-nccl-cu13\nVersion: 2.29.7\n";
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0\n", nccl]), Some(13));
    }
}
