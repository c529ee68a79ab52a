use crate::{
    hardware::Hardware,
    plan::{Plan, subdir},
    settings::Settings,
    stack::CudaVersion,
};

use super::InstallError;

/// The machine that environments are made for: this one, or another.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// What decides every choice and every refusal.
    pub hardware: Hardware,
    /// It is another machine (`--cross`): what needs its GPU is not run here.
    pub cross: bool,
}

/// The machine's GPU, in the words of a skipped probe.
const NEEDS_NVIDIA: &str = "needs an NVIDIA driver";

impl Machine {
    /// This machine, or what a hardware file says in its place. `cross` without a file: one of this platform of whose GPU
    /// nothing is known but what `CONDA_OVERRIDE_CUDA` says.
    #[must_use]
    pub fn new(settings: &Settings, file: Option<Hardware>, cross: bool) -> Self {
        let hardware = match (file, cross) {
            (Some(hardware), _) => hardware,
            (None, false) => Hardware::detect(settings),
            (None, true) => {
                let here = Hardware::detect(settings);
                let told = settings.variables.as_set("CONDA_OVERRIDE_CUDA");
                Hardware {
                    host: None,
                    cpu: None,
                    memory_bytes: None,
                    // Set and empty: there is no CUDA.
                    gpus: told.filter(|told| told.trim().is_empty()).map(|_| Vec::new()),
                    visible_devices: None,
                    scheduler: None,
                    nvidia_driver: None,
                    cuda_driver: here.cuda_driver.filter(|_| told.is_some()),
                    // What is wrong with this machine's driver is gone by then; what is left is wrong with what was told.
                    driver_problem: here.driver_problem.filter(|_| told.is_some()),
                    ..here
                }
            }
        };
        Self { hardware, cross }
    }

    /// Whether environments for it can be made here: the platform is the same.
    pub(super) fn check_platform(&self) -> Result<(), InstallError> {
        let here = target_lexicon::HOST.to_string();
        let theirs = subdir(&self.hardware.triple)?;
        let ours = subdir(&here)?;
        if ours == theirs {
            return Ok(());
        }
        Err(InstallError::OtherPlatform {
            theirs: theirs.to_string(),
            ours: ours.to_string(),
        })
    }
}

/// What this machine lacks of the one that an environment was made for, if it was made for another.
#[must_use]
pub(crate) fn absent(settings: &Settings, cross: bool, plan: &Plan) -> Option<&'static str> {
    (cross && !runs(&Hardware::detect(settings), plan)).then_some(NEEDS_NVIDIA)
}

/// Whether a machine has what a plan is made for: a driver of its CUDA major, and a GPU of its kind.
pub(crate) fn runs(here: &Hardware, plan: &Plan) -> bool {
    let Some(major) = plan.backend.cuda_major() else {
        return true;
    };
    let visible = here.visible_gpus().unwrap_or_default();
    let driver = here
        .cuda_driver
        .as_deref()
        .and_then(|told| told.parse::<CudaVersion>().ok());
    let mut kinds = visible.iter().filter_map(|gpu| gpu.compute_capability);
    here.driver_problem.is_none()
        && !visible.is_empty()
        && driver.is_none_or(|driver| driver.major >= major)
        && (plan.cards.is_empty() || kinds.any(|kind| plan.cards.contains(&kind)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{process::Variables, settings::Asked};

    fn other(told: &str) -> Hardware {
        let variables = Variables::from_pairs([("HOME", "/nowhere"), ("CONDA_OVERRIDE_CUDA", told)]);
        let settings = Settings::resolve(Asked::default(), variables, Path::new("/")).expect("settings");
        Machine::new(&settings, None, true).hardware
    }

    /// What was told of the other machine was dropped if it was empty or no version.
    #[test]
    fn what_is_told_of_another_machines_cuda_counts() {
        let bare = other("12");
        assert_eq!((bare.cuda_driver.as_deref(), bare.gpus), (Some("12.0"), None));
        let none = other("");
        assert_eq!((none.cuda_driver, none.gpus), (None, Some(Vec::new())));
        let wrong = other("abc");
        assert_eq!(wrong.cuda_driver, None);
        assert!(
            wrong
                .driver_problem
                .is_some_and(|problem| problem.contains("`abc` is not a CUDA version"))
        );
    }
}
