//! Hardware: what this machine is.
//!
//! In: the operating system. Out: a [`Hardware`] value in the form of a hardware file, in which absent means unknown.
//! Absent on purpose: choices. GPUs are not looked at yet: `gpus` is unknown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::process::Variables;

/// What a machine is. Absent or null fields are unknown; unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hardware {
    /// Version of the form.
    pub schema: u32,
    /// Platform, such as `x86_64-unknown-linux-gnu`.
    pub triple: String,
    /// The operating system.
    #[serde(default)]
    pub os: Option<Os>,
    /// The C library.
    #[serde(default)]
    pub libc: Option<Libc>,
    /// The processor.
    #[serde(default)]
    pub cpu: Option<Cpu>,
    /// Memory in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// GPUs.
    #[serde(default)]
    pub gpus: Option<Vec<serde_json::Value>>,
    /// Library paths that another program left in this shell.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, Option<String>>,
}

/// An operating system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Os {
    /// Such as `debian`.
    pub name: Option<String>,
    /// Such as `12`.
    pub version: Option<String>,
    /// Such as `6.8.0`.
    pub kernel: Option<String>,
}

/// A C library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Libc {
    /// Such as `glibc`.
    pub family: String,
    /// Such as `2.39`.
    pub version: String,
}

/// A processor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// Such as `AMD Ryzen 9 7950X`.
    pub model: Option<String>,
    /// Logical cores.
    pub cores: Option<u64>,
    /// Vector extensions: `avx`, `avx2`, `avx512f`.
    #[serde(default)]
    pub features: Vec<String>,
}

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
                features: features(),
            }),
            memory_bytes: system.map(|system| system.total_memory()).filter(|bytes| *bytes > 0),
            gpus: None,
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
