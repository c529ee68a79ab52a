//! Hardware: a description of a machine.
//!
//! Input: the operating system, the NVIDIA driver and the environment variables, or a hardware file. Output: a
//! [`Hardware`] value, in which an absent field means unknown. This module does not choose a profile and returns no
//! errors: a fact that cannot be detected is unknown.

mod file;
mod format;
mod nvidia;
mod pci;
mod system;
pub mod target;
mod visible;

pub use file::HardwareFileError;
pub use format::{Cpu, Disk, Gpu, Hardware, Libc, Os};
pub(crate) use system::is_musl;

use std::path::Path;

use crate::{
    context::settings::Settings,
    files::Filesystem,
    process::Variables,
    profile::{CudaVersion, stack::Backends},
};
use nvidia::{Effort, Nvidia};
use pci::Vendor;

/// Variables that make programs load foreign libraries before the environment's own.
const INJECTING: [&str; 2] = ["LD_LIBRARY_PATH", "LD_PRELOAD"];
const INJECTING_ON_MACOS: [&str; 3] = [
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
];

impl Hardware {
    /// Returns a machine of which only the platform is known.
    #[must_use]
    pub fn unknown(triple: &str) -> Self {
        Self {
            schema: file::SCHEMA,
            host: None,
            triple: triple.to_owned(),
            os: None,
            libc: None,
            wsl: None,
            container: None,
            cpu: None,
            memory_bytes: None,
            disk: None,
            gpus: None,
            visible_devices: None,
            scheduler: None,
            nvidia_driver: None,
            cuda_driver: None,
            driver_problem: None,
            driver_warning: None,
            environment: std::collections::BTreeMap::new(),
        }
    }

    /// Detects the hardware of this machine.
    #[must_use]
    pub fn detect(settings: &Settings) -> Self {
        let free = |folder: &Path| Filesystem::at_path(folder).ok().map(|filesystem| filesystem.free_bytes);
        Self {
            libc: system::libc(&settings.variables),
            memory_bytes: system::memory_bytes(),
            disk: Some(Disk {
                store_free_bytes: free(&settings.home),
                rattler_cache_free_bytes: free(&settings.rattler_cache),
                uv_cache_free_bytes: free(&settings.uv_cache),
            }),
            ..Self::inspect(&settings.variables, Effort::Whole)
        }
    }

    /// Detects only what decides whether an environment still runs on this machine. This runs before each of its
    /// programs, so it starts no program and does not wait for a slow driver. All other fields are unknown.
    #[must_use]
    pub fn peek(settings: &Settings) -> Self {
        Self::inspect(&settings.variables, Effort::Peek)
    }

    fn inspect(variables: &Variables, effort: Effort) -> Self {
        let root = Path::new("/");
        let os = system::os();
        let kernel = os.kernel.clone().unwrap_or_default();
        let wsl = system::is_wsl(root, &kernel);
        let container = system::container(root, variables);
        let cards = pci::cards(root);
        let place = nvidia::Place {
            root,
            variables,
            wsl,
            in_container: container.is_some(),
            on_the_bus: cards.iter().any(|card| card.vendor == Vendor::Nvidia),
        };
        let nvidia = Nvidia::find(&place, effort);
        let cpu = system::cpu();
        let others = cards
            .into_iter()
            .filter_map(pci::Card::other_gpu)
            .chain(system::apple_gpu(&cpu));
        let mut injecting = INJECTING.to_vec();
        if cfg!(target_os = "macos") {
            injecting.extend(INJECTING_ON_MACOS);
        }
        let mut hardware = Self {
            schema: file::SCHEMA,
            host: sysinfo::System::host_name().ok().filter(|name| !name.is_empty()),
            triple: target_lexicon::HOST.to_string(),
            os: Some(os),
            libc: None,
            wsl: Some(wsl),
            container,
            cpu: Some(cpu),
            memory_bytes: None,
            disk: None,
            gpus: nvidia.gpus.map(|gpus| gpus.into_iter().chain(others).collect()),
            visible_devices: variables.as_set("CUDA_VISIBLE_DEVICES").map(ToOwned::to_owned),
            scheduler: system::scheduler(root, variables),
            nvidia_driver: nvidia.driver,
            cuda_driver: nvidia.cuda,
            driver_problem: nvidia.problem,
            driver_warning: nvidia.warning,
            environment: injecting
                .into_iter()
                .map(|name| (name.to_owned(), variables.text(name).map(ToOwned::to_owned)))
                .collect(),
        };
        if let Some(given) = variables.as_set("CONDA_OVERRIDE_CUDA") {
            hardware.override_cuda(given);
        }
        hardware
    }

    /// Applies `CONDA_OVERRIDE_CUDA`, which takes precedence over the detected version, as in conda.
    fn override_cuda(&mut self, given: &str) {
        let given = given.trim();
        if given.is_empty() {
            self.cuda_driver = None;
            self.driver_problem = None;
            if let Some(gpus) = &mut self.gpus {
                gpus.retain(|gpu| !gpu.is_nvidia());
            }
            return;
        }
        match CudaVersion::from_driver(given) {
            Ok(version) => {
                self.cuda_driver = Some(version.to_string());
                self.driver_problem = None;
            }
            Err(wrong) => {
                self.cuda_driver = None;
                self.driver_problem = Some(format!("CONDA_OVERRIDE_CUDA: {wrong}"));
                return;
            }
        }
        let found = self.gpus.iter().flatten().any(Gpu::is_nvidia);
        if !found {
            self.gpus = None;
        }
    }
}

impl Hardware {
    /// Returns the newest CUDA version that the driver supports: the one that the driver reports, or else the one
    /// that follows from the driver's version. `None` if both are unknown.
    #[must_use]
    pub fn served_cuda(&self) -> Option<CudaVersion> {
        let reported = self
            .cuda_driver
            .as_deref()
            .and_then(|version| CudaVersion::from_driver(version).ok());
        let by_driver = || {
            let driver = self.nvidia_driver.as_deref()?.parse().ok()?;
            Backends::table().served_by(&driver, self.has_windows_driver())
        };
        reported.or_else(by_driver)
    }

    /// Returns whether the driver has a Windows version number. WSL uses the Windows driver.
    #[must_use]
    pub fn has_windows_driver(&self) -> bool {
        self.triple.contains("-windows") || self.wsl == Some(true)
    }
}

impl Gpu {
    /// Returns whether CUDA programs can use this GPU.
    #[must_use]
    pub fn is_nvidia(&self) -> bool {
        self.vendor == "nvidia"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Hardware {
        let pairs = [("HOME", "/nowhere")].iter().chain(pairs).copied();
        let settings = Settings::resolve(
            crate::context::settings::GlobalOptions::default(),
            Variables::from_pairs(pairs),
            Path::new("/"),
        );
        Hardware::detect(&settings.expect("settings"))
    }

    fn rig() -> Hardware {
        serde_json::from_str(
            r#"{"schema": 1, "triple": "x86_64-unknown-linux-gnu", "cuda_driver": "12.8",
                "gpus": [{"vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090"}, {"vendor": "amd"}]}"#,
        )
        .expect("a hardware file")
    }

    #[test]
    fn this_machine_is_known_and_reads_back() {
        let here = with(&[("LD_LIBRARY_PATH", "/opt/other")]);
        assert_eq!(here.triple, target_lexicon::HOST.to_string());
        assert!(here.cpu.as_ref().is_some_and(|cpu| cpu.cores > Some(0)), "{here:?}");
        assert!(here.memory_bytes > Some(0), "{here:?}");
        assert!(here.disk.as_ref().is_some_and(|disk| disk.store_free_bytes.is_some()));
        assert_eq!(here.environment["LD_LIBRARY_PATH"].as_deref(), Some("/opt/other"));
        let text = serde_json::to_string(&here).expect("JSON");
        assert_eq!(serde_json::from_str::<Hardware>(&text).expect("read back"), here);
    }

    #[test]
    fn an_empty_list_of_devices_differs_from_none() {
        assert_eq!(with(&[]).visible_devices, None);
        assert_eq!(
            with(&[("CUDA_VISIBLE_DEVICES", "")]).visible_devices.as_deref(),
            Some("")
        );
    }

    #[test]
    fn an_override_replaces_the_drivers_version() {
        let mut here = rig();
        here.driver_problem = Some("a reboot is due".to_owned());
        here.override_cuda("13.0");
        assert_eq!(here.cuda_driver.as_deref(), Some("13.0"));
        assert_eq!(here.driver_problem, None, "the override counts more than the driver");
        assert_eq!(here.gpus.map(|gpus| gpus.len()), Some(2));

        let mut without = rig();
        without.gpus = Some(Vec::new());
        without.override_cuda("13.0");
        assert_eq!(without.gpus, None, "the GPUs are unknown");
    }

    /// Regression: a number without a minor version was stored and then could not be parsed.
    #[test]
    fn an_override_is_a_version_or_a_problem() {
        let mut here = rig();
        here.override_cuda(" 12 ");
        assert_eq!(here.cuda_driver.as_deref(), Some("12.0"));
        here.override_cuda("abc");
        assert_eq!(here.cuda_driver, None);
        assert_eq!(
            here.driver_problem.as_deref(),
            Some("CONDA_OVERRIDE_CUDA: `abc` is not a CUDA version, such as 13.0")
        );
    }

    #[test]
    fn an_empty_override_means_no_cuda() {
        let mut here = rig();
        here.override_cuda("");
        assert_eq!(here.cuda_driver, None);
        let vendors: Vec<_> = here.gpus.iter().flatten().map(|gpu| gpu.vendor.as_str()).collect();
        assert_eq!(vendors, ["amd"]);
    }

    #[test]
    fn detection_is_fast() {
        with(&[]);
        let since = std::time::Instant::now();
        let here = with(&[]);
        // Measured: 5 ms. The time that a driver takes does not count.
        if here.nvidia_driver.is_none() {
            assert!(since.elapsed().as_millis() < 500, "{:?}", since.elapsed());
        }
    }
}
