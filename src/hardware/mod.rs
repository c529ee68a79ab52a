//! Hardware: what this machine is.
//!
//! In: the operating system. Out: a [`Hardware`] value in the form of a hardware file, in which absent means unknown.
//! Absent on purpose: choices. GPUs are not looked at yet: `gpus` is unknown.

mod compute_capability;
mod form;

pub use compute_capability::{ComputeCapability, InvalidComputeCapability};
pub use form::{Cpu, Disk, Gpu, Hardware, Libc, Os};

use crate::process::Variables;

impl Hardware {
    /// Look at this machine.
    #[must_use]
    pub fn detect(variables: &Variables) -> Self {
        let system = sysinfo::System::new_with_specifics(
            sysinfo::RefreshKind::nothing()
                .with_memory(sysinfo::MemoryRefreshKind::nothing().with_ram())
                .with_cpu(sysinfo::CpuRefreshKind::nothing()),
        )
        .ok();
        let injected = ["LD_LIBRARY_PATH", "LD_PRELOAD"]
            .map(|name| (name.to_owned(), variables.text(name).map(ToOwned::to_owned)));
        Self {
            schema: 1,
            triple: target_lexicon::HOST.to_string(),
            os: Some(Os {
                name: Some(sysinfo::System::distribution_id()),
                version: sysinfo::System::os_version().ok(),
                kernel: sysinfo::System::kernel_version().ok(),
            }),
            libc: libc(),
            cpu: Some(Cpu {
                model: system
                    .as_ref()
                    .and_then(|system| system.cpus().first())
                    .map(|cpu| cpu.brand().trim().to_owned())
                    .filter(|brand| !brand.is_empty()),
                cores: std::thread::available_parallelism()
                    .ok()
                    .map(|cores| cores.get() as u64),
                features: Some(features()),
            }),
            memory_bytes: system.map(|system| system.total_memory()).filter(|bytes| *bytes > 0),
            wsl: None,
            container: None,
            disk: None,
            gpus: None,
            visible_devices: None,
            scheduler: None,
            nvidia_driver: None,
            cuda_driver: None,
            driver_problem: None,
            environment: injected.into(),
        }
    }
}

fn libc() -> Option<Libc> {
    let found = rattler_virtual_packages::LibC::current().ok()??;
    Some(Libc {
        family: found.family.clone(),
        version: found.version.to_string(),
    })
}

fn features() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    {
        [
            ("avx", std::arch::is_x86_feature_detected!("avx")),
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ]
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name.to_owned())
        .collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}
