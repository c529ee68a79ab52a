//! The format of a hardware file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::profile::ComputeCapability;

/// A description of a machine. Absent or null means unknown. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hardware {
    /// Version of the schema.
    pub schema: u32,
    /// The host name.
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
    /// Whether this is the Windows Subsystem for Linux.
    #[serde(default)]
    pub wsl: Option<bool>,
    /// The kind of container that matenv runs in, such as `docker`.
    #[serde(default)]
    pub container: Option<String>,
    /// The processor.
    #[serde(default)]
    pub cpu: Option<Cpu>,
    /// Memory in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Free disk space for environments and packages.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// GPUs of any vendor, in the driver's order. Each MIG slice is a separate entry. Empty means that there are
    /// no GPUs.
    #[serde(default)]
    pub gpus: Option<Vec<Gpu>>,
    /// The value of `CUDA_VISIBLE_DEVICES`. An empty value hides every NVIDIA GPU.
    #[serde(default)]
    pub visible_devices: Option<String>,
    /// The batch system, such as `slurm`.
    #[serde(default)]
    pub scheduler: Option<String>,
    /// Version of the NVIDIA driver, such as `580.65.06`.
    #[serde(default)]
    pub nvidia_driver: Option<String>,
    /// The newest CUDA version that the driver supports, such as `13.0`.
    #[serde(default)]
    pub cuda_driver: Option<String>,
    /// Why the NVIDIA driver does not work and what to do, as a sentence. Null if it works or is not installed.
    #[serde(default)]
    pub driver_problem: Option<String>,
    /// A problem with some of the GPUs while the driver and the other GPUs work. Null if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_warning: Option<String>,
    /// Variables of this shell that change which libraries programs load, such as `LD_LIBRARY_PATH`.
    #[serde(default, deserialize_with = "null_is_none")]
    pub environment: BTreeMap<String, Option<String>>,
}

/// An operating system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Os {
    /// Its name, such as `debian`.
    pub name: Option<String>,
    /// Its version, such as `12`.
    pub version: Option<String>,
    /// The kernel version, such as `6.8.0`.
    pub kernel: Option<String>,
}

/// A C library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Libc {
    /// `glibc` or `musl`.
    pub family: String,
    /// Its version, such as `2.39`. Empty if it is unknown.
    #[serde(default, deserialize_with = "null_is_none")]
    pub version: String,
}

/// A processor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// The model name, such as `AMD Ryzen 9 7950X`.
    pub model: Option<String>,
    /// Number of logical cores.
    pub cores: Option<u64>,
    /// Vector extensions: `avx`, `avx2`, `avx512f`. Null if they are unknown.
    #[serde(default)]
    pub features: Option<Vec<String>>,
}

/// Free disk space, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disk {
    /// Free space in the folder of the environments.
    #[serde(default)]
    pub store_free_bytes: Option<u64>,
    /// Free space in rattler's cache folder.
    #[serde(default)]
    pub rattler_cache_free_bytes: Option<u64>,
    /// Free space in uv's cache folder.
    #[serde(default)]
    pub uv_cache_free_bytes: Option<u64>,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// `nvidia`, `amd`, `apple` or `intel`.
    pub vendor: String,
    /// The name, such as `NVIDIA GeForce RTX 4090`.
    #[serde(default)]
    pub name: Option<String>,
    /// Memory of the GPU, or of the MIG slice, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// NVIDIA's compute capability, such as `8.9`.
    #[serde(default)]
    pub compute_capability: Option<ComputeCapability>,
    /// The profile of a MIG slice, such as `1g.10gb`. Null for a whole GPU.
    #[serde(default)]
    pub mig: Option<String>,
    /// NVIDIA's identifier, such as `GPU-8f6d…` or `MIG-…`.
    #[serde(default)]
    pub uuid: Option<String>,
    /// The identifier of the GPU that a MIG slice belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// Reads null as the default value, like an absent field.
fn null_is_none<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
