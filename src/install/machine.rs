use crate::{
    context::settings::Settings,
    hardware::Hardware,
    plan::Plan,
    profile::{CudaVersion, UnsupportedPlatform, subdir},
};

/// The machine that environments are created for: this one or another one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Machine {
    /// The hardware on which all choices depend.
    pub hardware: Hardware,
    /// Whether it is another machine (`--cross`). Checks that need its GPU are skipped here.
    pub cross: bool,
}

/// An error if a machine does not have the platform of this one.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// conda has no packages for a platform.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedPlatform),
    /// The requested platform is not the platform of this machine.
    #[error("the environment is for {theirs}, but this machine is {ours}")]
    Other {
        /// The conda subdir of the environment.
        theirs: String,
        /// The conda subdir of this machine.
        ours: String,
    },
}

/// The reason that a skipped probe reports.
const NEEDS_NVIDIA: &str = "needs an NVIDIA driver";

impl Machine {
    /// Returns this machine, or the machine that a hardware file describes. `cross` without a file is a machine of this
    /// platform with an unknown GPU. Only `CONDA_OVERRIDE_CUDA` gives its CUDA version.
    #[must_use]
    pub(crate) fn new(settings: &Settings, file: Option<Hardware>, cross: bool) -> Self {
        let hardware = match (file, cross) {
            (Some(hardware), _) => hardware,
            (None, false) => Hardware::detect(settings),
            (None, true) => {
                let here = Hardware::detect(settings);
                let override_cuda = settings.variables.as_set("CONDA_OVERRIDE_CUDA");
                Hardware {
                    host: None,
                    cpu: None,
                    memory_bytes: None,
                    // Set but empty means that there is no CUDA.
                    gpus: override_cuda
                        .filter(|override_cuda| override_cuda.trim().is_empty())
                        .map(|_| Vec::new()),
                    visible_devices: None,
                    scheduler: None,
                    nvidia_driver: None,
                    cuda_driver: here.cuda_driver.filter(|_| override_cuda.is_some()),
                    // A problem of this machine's driver does not matter. A problem of `CONDA_OVERRIDE_CUDA` does.
                    driver_problem: here.driver_problem.filter(|_| override_cuda.is_some()),
                    ..here
                }
            }
        };
        Self { hardware, cross }
    }
}

/// Checks that a machine has the platform of this one: environments that are installed here cannot run on another.
pub(crate) fn check_platform(hardware: &Hardware) -> Result<(), PlatformError> {
    let theirs = subdir(&hardware.triple)?;
    let ours = subdir(&target_lexicon::HOST.to_string())?;
    if ours == theirs {
        return Ok(());
    }
    Err(PlatformError::Other {
        theirs: theirs.to_string(),
        ours: ours.to_string(),
    })
}

/// Returns what this machine is missing if an environment was created for another machine.
#[must_use]
pub(crate) fn absent(settings: &Settings, cross: bool, plan: &Plan) -> Option<&'static str> {
    (cross && !runs(&Hardware::detect(settings), plan)).then_some(NEEDS_NVIDIA)
}

/// Returns whether a machine can run a plan: it needs a driver for the plan's CUDA major version and a matching GPU.
pub(crate) fn runs(here: &Hardware, plan: &Plan) -> bool {
    let Some(major) = plan.backend.cuda_major() else {
        return true;
    };
    let visible = here.visible_gpus().unwrap_or_default();
    let driver = here
        .cuda_driver
        .as_deref()
        .and_then(|override_cuda| override_cuda.parse::<CudaVersion>().ok());
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
    use crate::{context::settings::GlobalOptions, process::Variables};

    fn other(override_cuda: &str) -> Hardware {
        let variables = Variables::from_pairs([("HOME", "/nowhere"), ("CONDA_OVERRIDE_CUDA", override_cuda)]);
        let settings = Settings::resolve(GlobalOptions::default(), variables, Path::new("/")).expect("settings");
        Machine::new(&settings, None, true).hardware
    }

    /// An empty or invalid `CONDA_OVERRIDE_CUDA` was ignored.
    #[test]
    fn conda_override_cuda_describes_the_other_machine() {
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
