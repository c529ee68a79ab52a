//! Differences between this machine and the machine that an environment was proven on.

use crate::{
    certificate::Certificate,
    context::settings::Settings,
    hardware::{Gpu, Hardware},
    names::{ProfileName, install_arguments},
    profile::ComputeCapability,
    store::Generation,
};

/// Returns for each generation a sentence about how this machine affects it, or `None` if it does not. The
/// machine is inspected once. Generations with an unreadable certificate are reported by other code, and get
/// `None` here.
#[must_use]
pub(crate) fn changes(settings: &Settings, generations: &[Generation]) -> Vec<Option<String>> {
    if generations.is_empty() {
        return Vec::new();
    }
    let now = Hardware::peek(settings);
    generations
        .iter()
        .map(|generation| {
            let certificate = Certificate::read(&generation.env, &generation.prefix).ok()?;
            change(&certificate, &now)
        })
        .collect()
}

/// Describes a difference to the machine `now` that makes the proof invalid or a better profile available, and
/// says what to do. More memory, another name for the same kind of GPU and a newer driver do not count as
/// differences.
#[must_use]
pub(crate) fn change(certificate: &Certificate, now: &Hardware) -> Option<String> {
    let then = &certificate.hardware;
    // Old certificates do not list the GPUs.
    let seen_then = then.visible_gpus().or_else(|| certificate.cross.then(Vec::new))?;
    let change = Change {
        certificate,
        now,
        here: "this node",
        seen_then,
    };
    if certificate.cross && !certificate.proven {
        return change.arrived();
    }
    change
        .platform()
        .or_else(|| change.processor())
        .or_else(|| match certificate.profile {
            ProfileName::Cpu => change.gpu_came(),
            ProfileName::Gpu | ProfileName::GpuTrt => {
                change.gpu_went().or_else(|| change.driver()).or_else(|| change.kind())
            }
        })
}

/// Describes what another machine lacks to run an environment, and says what to do. Another kind of GPU does not
/// count: the libraries themselves show whether they contain code for it.
#[must_use]
pub(crate) fn lack(certificate: &Certificate, there: &Hardware) -> Option<String> {
    let change = Change {
        certificate,
        now: there,
        here: "that machine",
        seen_then: Vec::new(),
    };
    let library = || change.library();
    let went = || change.gpu_went().filter(|_| certificate.profile != ProfileName::Cpu);
    change.processor().or_else(library).or_else(went)
}

struct Change<'a> {
    certificate: &'a Certificate,
    now: &'a Hardware,
    /// The name of the machine in sentences.
    here: &'static str,
    seen_then: Vec<&'a Gpu>,
}

impl Change<'_> {
    fn platform(&self) -> Option<String> {
        let (then, now) = (&self.certificate.hardware.triple, &self.now.triple);
        (then != now).then(|| format!("proven on {then}{}; this node is {now}: {}", self.host(), self.again()))
    }

    fn processor(&self) -> Option<String> {
        let extensions = |hardware: &Hardware| hardware.cpu.as_ref().and_then(|cpu| cpu.features.clone());
        let then = extensions(&self.certificate.hardware)?;
        let now = extensions(self.now)?;
        let lost = then.contains(&"avx2".to_owned()) && !now.contains(&"avx2".to_owned());
        lost.then(|| {
            format!(
                "proven on a processor with AVX2{}; {}'s has none, so programs may crash with an illegal instruction: {}",
                self.host(),
                self.here,
                self.again()
            )
        })
    }

    /// Programs that are linked to one C library do not run with another.
    fn library(&self) -> Option<String> {
        let family = |hardware: &Hardware| hardware.libc.as_ref().map(|libc| libc.family.clone());
        let (then, now) = (family(&self.certificate.hardware)?, family(self.now)?);
        (then != now).then(|| {
            format!(
                "made for {then}; the C library of {} is {now}: {}",
                self.here,
                self.again()
            )
        })
    }

    fn gpu_came(&self) -> Option<String> {
        if !self.seen_then.is_empty() || self.now.driver_problem.is_some() {
            return None;
        }
        let first = *self.now.visible_gpus()?.first()?;
        // No backend is built for older CUDA versions, so installing the profile would fail.
        self.now.served_cuda().filter(|served| served.major >= 12)?;
        Some(format!(
            "proven for CPU{}; this node has an {}: {}",
            self.host(),
            named(first),
            self.install(ProfileName::Gpu)
        ))
    }

    /// An environment that was made for another machine may be on that machine now.
    fn arrived(&self) -> Option<String> {
        let first = *self.now.visible_gpus()?.first()?;
        self.now.driver_problem.is_none().then(|| {
            format!(
                "made for another machine and not proven yet; this node has an {}: {}",
                named(first),
                self.install(self.certificate.profile)
            )
        })
    }

    fn gpu_went(&self) -> Option<String> {
        let made = if self.certificate.cross { "made" } else { "proven" };
        let proven = format!("{made} for {}{}", gpu_or_trt(self.certificate.profile), self.host());
        if let Some(problem) = &self.now.driver_problem {
            return Some(format!("{proven}; the GPU does not work on {}: {problem}", self.here));
        }
        if !self.now.visible_gpus()?.is_empty() {
            return None;
        }
        let here = self.now.gpus.iter().flatten().any(Gpu::is_nvidia);
        let why = match &self.now.visible_devices {
            Some(list) if here => format!("CUDA_VISIBLE_DEVICES={list:?} hides {}'s NVIDIA GPUs", self.here),
            _ => format!("{} has no NVIDIA GPU", self.here),
        };
        Some(format!("{proven}; {why}: {}", self.install(ProfileName::Cpu)))
    }

    fn driver(&self) -> Option<String> {
        let backend = &self.certificate.backend;
        let built_for = backend.cuda_major()?;
        let served = self.now.served_cuda()?;
        (served.major < built_for).then(|| {
            format!(
                "built for CUDA {built_for} ({backend}); this node's NVIDIA driver serves CUDA {served}: update the driver, or {}",
                self.install(self.certificate.profile)
            )
        })
    }

    fn kind(&self) -> Option<String> {
        let proven: Vec<ComputeCapability> = self.seen_then.iter().filter_map(|gpu| gpu.compute_capability).collect();
        if proven.is_empty() {
            return None;
        }
        let seen = self.now.visible_gpus()?;
        let (other, capability) = seen
            .iter()
            .filter_map(|gpu| Some((gpu, gpu.compute_capability?)))
            .find(|(_, capability)| !proven.contains(capability))?;
        let mut known: Vec<String> = proven.iter().map(ToString::to_string).collect();
        known.dedup();
        Some(format!(
            "proven for compute capability {}{}; this node's {} has {capability}: {}",
            known.join(" and "),
            self.host(),
            named(other),
            self.again()
        ))
    }

    /// The host on which it was proven, if that is known.
    fn host(&self) -> String {
        let host = self.certificate.hardware.host.as_deref();
        host.map(|host| format!(" on {host}")).unwrap_or_default()
    }

    fn install(&self, profile: ProfileName) -> String {
        let what = install_arguments(&self.certificate.manifest, &self.certificate.env);
        format!("matenv install {what} --profile {profile}")
    }

    /// The command that installs and proves the same profile again.
    fn again(&self) -> String {
        format!("{} --force", self.install(self.certificate.profile))
    }
}

fn gpu_or_trt(profile: ProfileName) -> &'static str {
    match profile {
        ProfileName::Cpu => "CPU",
        ProfileName::Gpu => "GPU",
        ProfileName::GpuTrt => "GPU with TensorRT",
    }
}

/// The name of a GPU, such as `NVIDIA H100`, with its MIG profile.
fn named(gpu: &Gpu) -> String {
    let name = gpu.name.as_deref().unwrap_or("GPU");
    let maker = if name.starts_with("NVIDIA") { "" } else { "NVIDIA " };
    let slice = gpu.mig.as_ref().map(|profile| format!(" (MIG {profile})"));
    format!("{maker}{name}{}", slice.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn machine(gpus: &Value) -> Value {
        json!({ "schema": 1, "host": "hydra1", "triple": "x86_64-unknown-linux-gnu", "cuda_driver": "13.0",
                "cpu": { "model": "EPYC", "cores": 8, "features": ["avx", "avx2"] },
                "memory_bytes": 1, "gpus": gpus })
    }

    fn card(name: &str, capability: &str) -> Value {
        json!({ "vendor": "nvidia", "name": name, "compute_capability": capability })
    }

    fn certificate(profile: &str, backend: &str, hardware: &Value) -> Certificate {
        serde_json::from_value(json!({
            "schema": 1, "matenv": "0.1.0", "ok": true, "proven": true, "env": "sleap", "manifest": "sleap",
            "profile": profile, "backend": backend, "generation": 1, "prefix": "/p", "created": "2026-11-25T00:00:00Z",
            "hardware": hardware, "sources": {}, "fallbacks": [], "plan": { "choices": [] }, "packages": [],
            "audit": { "findings": [] }, "verification": { "probes": [] }, "bench": null, "timings": []
        }))
        .expect("a certificate")
    }

    fn now(machine: Value) -> Hardware {
        serde_json::from_value(machine).expect("a hardware file")
    }

    fn h100() -> Value {
        machine(&json!([card("NVIDIA H100", "9.0")]))
    }

    fn said(profile: &str, backend: &str, then: &Value, today: Value) -> Option<String> {
        change(&certificate(profile, backend, then), &now(today))
    }

    #[test]
    fn an_environment_for_another_machine_is_to_be_proven_there() {
        let mut unknown = machine(&json!([]));
        unknown["gpus"] = Value::Null;
        let mut made = certificate("gpu", "cu130", &unknown);
        made.cross = true;
        made.proven = false;
        assert_eq!(change(&made, &now(machine(&json!([])))), None);
        assert_eq!(
            change(&made, &now(h100())).as_deref(),
            Some(
                "made for another machine and not proven yet; this node has an NVIDIA H100: matenv install sleap --profile gpu"
            )
        );
    }

    #[test]
    fn a_new_gpu_suggests_the_gpu_profile() {
        let sentence = said("cpu", "cpu", &machine(&json!([])), h100());
        assert_eq!(
            sentence.as_deref(),
            Some("proven for CPU on hydra1; this node has an NVIDIA H100: matenv install sleap --profile gpu")
        );
    }

    #[test]
    fn the_cpu_profile_on_a_gpu_machine_is_no_change() {
        assert_eq!(said("cpu", "cpu", &h100(), h100()), None);
        let mut hidden = h100();
        hidden["visible_devices"] = json!("");
        assert_eq!(said("cpu", "cpu", &machine(&json!([])), hidden), None);
        let mut broken = h100();
        broken["driver_problem"] = json!("a reboot is due");
        assert_eq!(said("cpu", "cpu", &machine(&json!([])), broken), None);
        assert_eq!(
            said("cpu", "cpu", &machine(&json!([])), machine(&json!([{"vendor": "amd"}]))),
            None
        );
        let mut old = h100();
        old["cuda_driver"] = json!("11.4");
        assert_eq!(
            said("cpu", "cpu", &machine(&json!([])), old),
            None,
            "the GPU profile would be refused"
        );
    }

    #[test]
    fn a_missing_gpu_is_reported_with_its_reason() {
        let gone = said("gpu", "cu130", &h100(), machine(&json!([]))).expect("a sentence");
        assert_eq!(
            gone,
            "proven for GPU on hydra1; this node has no NVIDIA GPU: matenv install sleap --profile cpu"
        );
        let mut hidden = h100();
        hidden["visible_devices"] = json!("-1");
        let hidden = said("gpu", "cu130", &h100(), hidden).expect("a sentence");
        assert!(hidden.contains("CUDA_VISIBLE_DEVICES=\"-1\" hides"), "{hidden}");
        let mut broken = h100();
        broken["driver_problem"] = json!("A reboot is due.");
        let broken = said("gpu-trt", "cu130", &h100(), broken).expect("a sentence");
        assert!(broken.starts_with("proven for GPU with TensorRT on hydra1") && broken.ends_with("A reboot is due."));
    }

    #[test]
    fn another_kind_of_gpu_was_not_proven() {
        let ada = machine(&json!([card("NVIDIA GeForce RTX 4090", "8.9")]));
        let sentence = said("gpu", "cu130", &ada, h100());
        assert_eq!(
            sentence.as_deref(),
            Some(
                "proven for compute capability 8.9 on hydra1; this node's NVIDIA H100 has 9.0: matenv install sleap \
                 --profile gpu --force"
            )
        );
        let l40 = machine(&json!([card("NVIDIA L40S", "8.9")]));
        assert_eq!(said("gpu", "cu130", &ada, l40), None, "the same kind by another name");
        let nameless = machine(&json!([{"vendor": "nvidia", "name": "NVIDIA H100"}]));
        assert_eq!(said("gpu", "cu130", &ada, nameless), None, "unknown is no change");
    }

    #[test]
    fn a_driver_for_an_older_cuda_is_reported() {
        let mut older = h100();
        older["cuda_driver"] = json!("12.8");
        let sentence = said("gpu", "cu130", &h100(), older.clone()).expect("a sentence");
        assert!(
            sentence.contains("built for CUDA 13 (cu130)") && sentence.contains("serves CUDA 12.8"),
            "{sentence}"
        );
        assert_eq!(said("gpu", "cu128", &h100(), older), None);
        let mut by_number = h100();
        by_number["cuda_driver"] = Value::Null;
        by_number["nvidia_driver"] = json!("535.183.01");
        let sentence = said("gpu", "cu130", &h100(), by_number).expect("a sentence");
        assert!(sentence.contains("serves CUDA 12"), "{sentence}");
        let mut newer = h100();
        newer["cuda_driver"] = json!("14.1");
        newer["memory_bytes"] = json!(99);
        assert_eq!(said("gpu", "cu130", &h100(), newer), None);
    }

    #[test]
    fn another_platform_or_a_processor_without_avx2_is_reported() {
        let mut arm = machine(&json!([]));
        arm["triple"] = json!("aarch64-unknown-linux-gnu");
        let sentence = said("cpu", "cpu", &machine(&json!([])), arm).expect("a sentence");
        assert!(
            sentence.contains("this node is aarch64-unknown-linux-gnu"),
            "{sentence}"
        );
        let mut old = machine(&json!([]));
        old["cpu"]["features"] = json!(["avx"]);
        let sentence = said("cpu", "cpu", &machine(&json!([])), old.clone()).expect("a sentence");
        assert!(sentence.contains("AVX2"), "{sentence}");
        assert_eq!(said("cpu", "cpu", &old, machine(&json!([]))), None);
        old["cpu"]["features"] = Value::Null;
        assert_eq!(
            said("cpu", "cpu", &machine(&json!([])), old),
            None,
            "unknown is no change"
        );
    }

    #[test]
    fn old_certificates_and_unknown_gpus_say_nothing() {
        assert_eq!(said("cpu", "cpu", &machine(&Value::Null), h100()), None);
        assert_eq!(said("gpu", "cu130", &machine(&Value::Null), machine(&json!([]))), None);
        assert_eq!(said("gpu", "cu130", &h100(), machine(&Value::Null)), None);
    }

    #[test]
    fn a_host_without_a_name_is_left_out() {
        let mut then = machine(&json!([]));
        then["host"] = Value::Null;
        let sentence = said("cpu", "cpu", &then, h100()).expect("a sentence");
        assert!(sentence.starts_with("proven for CPU; this node"), "{sentence}");
    }
}
