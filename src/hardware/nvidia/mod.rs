//! NVIDIA GPUs and their driver. NVML reports most. If NVML cannot be loaded, `nvidia-smi` is used instead. If
//! the driver does not answer, the kernel's own files are read.

mod kernel;
mod nvml;
mod smi;
mod trouble;

use std::{path::Path, time::Duration};

use super::Gpu;
use crate::process::Variables;
use kernel::Module;
use trouble::Trouble;

/// How long to wait for the driver. Waking several GPUs takes a second or two.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for the driver before each program of an environment, where 50 ms are noticeable.
const SHORT_TIMEOUT: Duration = Duration::from_millis(35);

/// How thorough the detection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Detect everything.
    Whole,
    /// Start no program and do not wait.
    Peek,
}

/// The system to inspect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) root: &'a Path,
    pub(super) variables: &'a Variables,
    pub(super) wsl: bool,
    pub(super) in_container: bool,
    /// Whether an NVIDIA card is on the PCI bus.
    pub(super) on_the_bus: bool,
}

/// The detected GPUs and driver.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Nvidia {
    /// The GPUs. `None` if they are unknown.
    pub(super) gpus: Option<Vec<Gpu>>,
    pub(super) driver: Option<String>,
    pub(super) cuda: Option<String>,
    pub(super) problem: Option<String>,
    /// A problem with some of the GPUs.
    pub(super) warning: Option<String>,
}

impl Nvidia {
    pub(super) fn find(place: &Place, effort: Effort) -> Self {
        // macOS has had no NVIDIA driver since 2018.
        if cfg!(target_os = "macos") {
            return Self::nothing();
        }
        let answer = match (nvml::ask(effort), effort) {
            (Err(Trouble::Absent), Effort::Whole) => smi::ask(place),
            // The driver may answer, but only `nvidia-smi` could ask it.
            (Err(Trouble::Absent), Effort::Peek) if smi::program(place).is_some() => return Self::default(),
            (answer, _) => answer,
        };
        match answer {
            Ok(found) => found,
            Err(trouble) => Self::without_answer(&trouble, place, kernel::module(place.root), effort),
        }
    }

    fn nothing() -> Self {
        Self {
            gpus: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Adds the problems of single GPUs: as a warning if other GPUs work, else as the problem of the driver.
    fn with_wrong(mut self, wrong: &[String]) -> Self {
        if wrong.is_empty() {
            return self;
        }
        let wrong = Some(wrong.join(" "));
        if self.gpus.as_ref().is_some_and(|gpus| !gpus.is_empty()) {
            self.warning = wrong;
        } else {
            self.problem = wrong;
        }
        self
    }

    /// Returns what the kernel reports, with the reason why the driver does not answer.
    fn without_answer(trouble: &Trouble, place: &Place, module: Option<Module>, effort: Effort) -> Self {
        let Some(module) = module else {
            return match trouble {
                Trouble::Absent if place.on_the_bus && !place.in_container && !place.wsl => Self {
                    problem: Some(trouble::NO_DRIVER.to_owned()),
                    ..Self::nothing()
                },
                Trouble::Absent | Trouble::NoDevice => Self::nothing(),
                // A cluster's login node has the libraries of the GPU nodes, but no card.
                Trouble::NotLoaded if !place.may_have_a_card() => Self::nothing(),
                Trouble::Slow if effort == Effort::Peek => Self::default(),
                _ => Self {
                    problem: trouble.sentence(),
                    ..Self::default()
                },
            };
        };
        if place.in_container && !module.is_reachable {
            // The kernel is the host's, so it also lists GPUs that this container may not use.
            return Self {
                problem: Some(trouble::not_in_container(module.version.as_deref())),
                ..Self::nothing()
            };
        }
        let problem = match trouble {
            Trouble::Slow if effort == Effort::Peek => None,
            _ => trouble.sentence(),
        };
        Self {
            gpus: Some(module.gpus),
            driver: module.version,
            cuda: None,
            problem,
            warning: None,
        }
    }
}

impl Place<'_> {
    /// Returns whether the machine may have an NVIDIA card. Linux lists the cards on the PCI bus, but WSL hides
    /// them, and the GPU of a Jetson is not on that bus.
    fn may_have_a_card(&self) -> bool {
        let is_listed = cfg!(target_os = "linux") && self.root.join("sys/bus/pci/devices").exists();
        let jetson = self.root.join("etc/nv_tegra_release").exists();
        self.on_the_bus || self.wsl || jetson || !is_listed
    }
}

/// Returns whether a text is a driver version, such as `580.65.06` or `572.60`.
fn is_driver_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let numbers = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers && matches!(parts.len(), 2 | 3) && parts[0].len() == 3
}

fn gpu(name: Option<String>) -> Gpu {
    Gpu {
        vendor: "nvidia".to_owned(),
        name,
        memory_bytes: None,
        compute_capability: None,
        mig: None,
        uuid: None,
        parent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &Variables) -> Place<'_> {
        Place {
            root: Path::new("/nowhere"),
            variables,
            wsl: false,
            in_container: false,
            on_the_bus: true,
        }
    }

    fn module() -> Module {
        Module {
            version: Some("550.54.14".to_owned()),
            gpus: vec![gpu(Some("NVIDIA A100-SXM4-40GB".to_owned()))],
            is_reachable: true,
        }
    }

    #[test]
    fn a_mismatch_keeps_what_the_kernel_reports() {
        let variables = Variables::default();
        let found = Nvidia::without_answer(&Trouble::Mismatch, &place(&variables), Some(module()), Effort::Whole);
        assert_eq!(found.gpus.map(|gpus| gpus.len()), Some(1));
        assert_eq!(found.driver.as_deref(), Some("550.54.14"));
        assert!(
            found
                .problem
                .is_some_and(|problem| problem.contains("a reboot is required"))
        );

        let blind = Nvidia::without_answer(&Trouble::Mismatch, &place(&variables), None, Effort::Whole);
        assert_eq!(blind.gpus, None);
        assert!(blind.problem.is_some());
    }

    #[test]
    fn gpus_of_the_host_are_not_visible_in_the_container() {
        let variables = Variables::default();
        let inside = Place {
            in_container: true,
            ..place(&variables)
        };
        let unreachable = Module {
            is_reachable: false,
            ..module()
        };
        let found = Nvidia::without_answer(&Trouble::Absent, &inside, Some(unreachable), Effort::Whole);
        assert_eq!(found.gpus, Some(Vec::new()));
        assert!(found.problem.is_some_and(|problem| problem.contains("--gpus all")));
        let given = Nvidia::without_answer(&Trouble::Absent, &inside, Some(module()), Effort::Whole);
        assert_eq!((given.gpus.map(|gpus| gpus.len()), given.problem), (Some(1), None));
    }

    #[test]
    fn a_card_without_a_driver_is_reported() {
        let variables = Variables::default();
        let found = Nvidia::without_answer(&Trouble::Absent, &place(&variables), None, Effort::Whole);
        assert_eq!(found.gpus, Some(Vec::new()));
        assert_eq!(found.problem.as_deref(), Some(trouble::NO_DRIVER));
        let none = Place {
            on_the_bus: false,
            ..place(&variables)
        };
        let found = Nvidia::without_answer(&Trouble::Absent, &none, None, Effort::Whole);
        assert_eq!(found, Nvidia::nothing());
    }

    /// Regression: a login node has the driver's libraries but no card, and its user was advised to reboot.
    #[test]
    #[cfg(target_os = "linux")]
    fn libraries_without_a_card_are_no_problem() {
        let variables = Variables::default();
        let root = tempfile::tempdir().expect("a temp folder");
        let found = |on_the_bus| {
            let place = Place {
                root: root.path(),
                on_the_bus,
                ..place(&variables)
            };
            Nvidia::without_answer(&Trouble::NotLoaded, &place, None, Effort::Whole)
        };
        assert!(found(false).problem.is_some(), "there is no list of the bus");
        fs_err::create_dir_all(root.path().join("sys/bus/pci/devices")).expect("made");
        assert_eq!(found(false), Nvidia::nothing());
        let there = found(true);
        assert_eq!(there.gpus, None);
        assert!(there.problem.is_some_and(|problem| problem.contains("not running")));
        fs_err::create_dir_all(root.path().join("etc/nv_tegra_release")).expect("made");
        assert!(found(false).problem.is_some(), "a Jetson's GPU is on no bus");
    }

    #[test]
    fn a_glance_reports_no_slow_driver() {
        let variables = Variables::default();
        let peek = |module| Nvidia::without_answer(&Trouble::Slow, &place(&variables), module, Effort::Peek);
        assert_eq!(peek(None), Nvidia::default());
        assert_eq!(peek(Some(module())).problem, None);
    }

    #[test]
    fn driver_versions_are_recognized() {
        for good in ["572.60", "580.65.06", "304.137"] {
            assert!(is_driver_version(good), "{good}");
        }
        for bad in ["8.9", "12.8", "", "572", "GPU-1", "572.", "572.60 "] {
            assert!(!is_driver_version(bad), "{bad:?}");
        }
    }
}
