//! The form of a hardware file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::profile::ComputeCapability;

/// What a machine is. Absent or null fields are unknown; unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hardware {
    /// Version of the form.
    pub schema: u32,
    /// The machine's name in its network.
    #[serde(default)]
    pub host: Option<String>,
    /// Platform, such as `x86_64-unknown-linux-gnu`.
    pub triple: String,
    /// The operating system.
    #[serde(default)]
    pub os: Option<Os>,
    /// The C library.
    #[serde(default)]
    pub libc: Option<Libc>,
    /// Whether it is the Windows Subsystem for Linux.
    #[serde(default)]
    pub wsl: Option<bool>,
    /// The kind of container that it is, such as `docker`.
    #[serde(default)]
    pub container: Option<String>,
    /// The processor.
    #[serde(default)]
    pub cpu: Option<Cpu>,
    /// Memory in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Free room where environments and packages are kept.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// GPUs of any vendor, in the driver's order; a MIG slice is one of its own. Empty: there are none.
    #[serde(default)]
    pub gpus: Option<Vec<Gpu>>,
    /// `CUDA_VISIBLE_DEVICES` as it is set; empty hides every NVIDIA GPU.
    #[serde(default)]
    pub visible_devices: Option<String>,
    /// The batch system that was found, such as `slurm`.
    #[serde(default)]
    pub scheduler: Option<String>,
    /// Version of NVIDIA's driver, such as `580.65.06`.
    #[serde(default)]
    pub nvidia_driver: Option<String>,
    /// The CUDA version that the driver serves, such as `13.0`.
    #[serde(default)]
    pub cuda_driver: Option<String>,
    /// Why the NVIDIA driver does not answer, as a sentence with what to do; null if it does, or if there is none.
    #[serde(default)]
    pub driver_problem: Option<String>,
    /// What is wrong with some of the GPUs while the driver and the others answer; null if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_warning: Option<String>,
    /// Library paths that another program left in this shell.
    #[serde(default, deserialize_with = "null_is_none")]
    pub environment: BTreeMap<String, Option<String>>,
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
    /// Such as `glibc` or `musl`.
    pub family: String,
    /// Such as `2.39`; empty if it is unknown.
    #[serde(default, deserialize_with = "null_is_none")]
    pub version: String,
}

/// A processor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// Such as `AMD Ryzen 9 7950X`.
    pub model: Option<String>,
    /// Logical cores.
    pub cores: Option<u64>,
    /// Vector extensions: `avx`, `avx2`, `avx512f`; null if they are unknown.
    #[serde(default)]
    pub features: Option<Vec<String>>,
}

/// Free room, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disk {
    /// Where the environments are.
    #[serde(default)]
    pub store_free_bytes: Option<u64>,
    /// Where rattler's cache is.
    #[serde(default)]
    pub rattler_cache_free_bytes: Option<u64>,
    /// Where uv's cache is.
    #[serde(default)]
    pub uv_cache_free_bytes: Option<u64>,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// `nvidia`, `amd`, `apple` or `intel`.
    pub vendor: String,
    /// Such as `NVIDIA GeForce RTX 4090`.
    #[serde(default)]
    pub name: Option<String>,
    /// Its memory, or the slice's, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// NVIDIA's compute capability, such as `8.9`.
    #[serde(default)]
    pub compute_capability: Option<ComputeCapability>,
    /// The profile of a MIG slice, such as `1g.10gb`; null for a whole GPU.
    #[serde(default)]
    pub mig: Option<String>,
    /// NVIDIA's identifier, such as `GPU-8f6d…` or `MIG-…`.
    #[serde(default)]
    pub uuid: Option<String>,
    /// The identifier of the GPU that a MIG slice is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// Null is what an absent field is.
fn null_is_none<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
