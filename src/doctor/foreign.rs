//! Foreign prefixes, which matenv did not create: the hardware that their files must support, and the manifest that
//! matches them.

use std::path::Path;

use crate::{
    audit::{Installed, Subject},
    context::Context,
    finding::{Code, Finding, Scope},
    hardware::Hardware,
    manifest::{Check, Manifests},
    names::ProfileName,
    profile::Needs,
    verify::{self, VerifyError},
};

/// Built-in manifests, by the distribution that shows that a prefix contains the same software.
const MANIFESTS: [(&str, &str); 2] = [("sleap", "sleap"), ("x-anylabeling-cvhub", "x-anylabeling")];

/// Returns the hardware that the files of a prefix must support: CUDA, if they contain it.
pub(super) fn subject(installed: &Installed, hardware: &Hardware) -> Subject {
    let libraries = installed.prefix.join(&installed.site_packages).join("torch/lib");
    let torch_on_cuda = libraries.join("libtorch_cuda.so").is_file();
    let gpus = hardware.visible_gpus().unwrap_or_default();
    // Without a GPU, ONNX Runtime uses the processor, even if it supports CUDA.
    let runtime_on_cuda = installed.get("onnxruntime-gpu").is_some() && !gpus.is_empty();
    let Some(major) = cuda_major(installed).filter(|_| torch_on_cuda || runtime_on_cuda) else {
        return Subject::cpu();
    };
    let Ok(backend) = format!("cu{major}0").parse() else {
        return Subject::cpu();
    };
    let cards = gpus.iter().filter_map(|gpu| gpu.compute_capability).collect();
    let mut subject = Subject::new(ProfileName::Gpu, &backend, cards);
    if !runtime_on_cuda {
        subject.libraries.clear();
    }
    subject
}

/// Returns the major CUDA version, from torch's build or from the suffixes of NVIDIA's distributions.
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

/// Returns the manifest that installs the same software.
pub(super) fn manifest(installed: &Installed) -> Option<&'static str> {
    let matching = MANIFESTS
        .iter()
        .find(|(distribution, _)| installed.get(distribution).is_some());
    matching.map(|(_, manifest)| *manifest)
}

/// Runs the probes of that manifest. Host programs need them to pass.
pub(super) async fn probe(ctx: &Context, prefix: &Path, manifest: &str) -> Result<Vec<Finding>, VerifyError> {
    let built_in = Manifests::load(None).ok();
    let probes = built_in.and_then(|built_in| Some(built_in.get(manifest).ok()?.probes.clone()));
    let on_processor = |probe: &Check| {
        probe.needs == Needs::Nothing && (probe.profiles.is_empty() || probe.profiles.contains(&ProfileName::Cpu))
    };
    let probes: Vec<Check> = probes.unwrap_or_default().into_iter().filter(on_processor).collect();
    let verification = verify::verify(ctx, prefix, manifest, &probes, None).await?;
    let findings = verification.probes.into_iter().filter_map(|probe| probe.finding);
    Ok(findings
        .map(|finding| with_new_environment(finding, manifest))
        .collect())
}

/// Replaces the remedy of a failed probe: no installer adds a function that the installed releases lack.
fn with_new_environment(finding: Finding, manifest: &str) -> Finding {
    match (finding.code, finding.scope) {
        (Code::ProbeFailed, Scope::Environment) => finding.with_remedy(format!(
            "install a proven environment next to it: matenv install {manifest}"
        )),
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_cuda_version_is_read_from_the_installed_distributions() {
        let of = |texts: &[&str]| cuda_major(&Installed::from_metadata(texts));
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0+cu128\n"]), Some(12));
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0+cpu\n"]), None);
        let nccl = "Name: nvidia-nccl-cu13\nVersion: 2.29.7\n";
        assert_eq!(of(&["Name: torch\nVersion: 2.15.0\n", nccl]), Some(13));
    }
}
