/// Why a driver tells nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is nobody to ask.
    Absent,
    /// It answers, and has no GPU.
    NoDevice,
    /// Its libraries are newer than the part that the kernel has loaded.
    Mismatch,
    /// Its libraries are there, and the kernel has loaded no driver.
    NotLoaded,
    /// It took too long.
    Slow,
    /// Something else, in its own words.
    Other(String),
}

/// A card whose maker's driver is missing.
pub(super) const NO_DRIVER: &str =
    "This machine has an NVIDIA GPU but not NVIDIA's driver: install the driver and reboot.";

/// A container whose host has GPUs.
pub(super) fn not_in_container(version: Option<&str>) -> String {
    let driver = version.map_or_else(|| "an NVIDIA driver".to_owned(), |it| format!("NVIDIA's driver {it}"));
    format!(
        "The host has {driver}, but this container was started without its GPUs: start it with `--gpus all` \
         (docker, podman) or `--nv` (apptainer)."
    )
}

/// A GPU that is cut up and of which no slice is given.
pub(super) fn mig_without_slices(index: u32, name: &str) -> String {
    format!(
        "GPU {index} ({name}) has MIG switched on, and no slice of it is here: make one (`nvidia-smi mig -cgi PROFILE -C`), ask \
         for one, or switch MIG off (`nvidia-smi -i {index} -mig 0`)."
    )
}

impl Trouble {
    /// What it means and what to do; `None` where nothing is wrong.
    pub(super) fn sentence(&self) -> Option<String> {
        Some(match self {
            Self::Absent | Self::NoDevice => return None,
            Self::Mismatch => {
                "The NVIDIA driver was updated while the old one was in use, so a reboot is due: until then \
                               no CUDA program works (Driver/library version mismatch)."
                    .to_owned()
            }
            Self::NotLoaded => {
                "The NVIDIA driver is installed but not running: reboot, and if that does not help, install \
                                the driver anew."
                    .to_owned()
            }
            Self::Slow => {
                "The NVIDIA driver did not answer within 5 seconds: a GPU may hang, which a reboot mends.".to_owned()
            }
            Self::Other(words) => format!("The NVIDIA driver does not answer ({words}): `nvidia-smi` may say more."),
        })
    }

    /// What `nvidia-smi` says instead of an answer, if it does.
    pub(super) fn in_words(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        if lower.contains("version mismatch") {
            return Some(Self::Mismatch);
        }
        if lower.contains("communicate with the nvidia driver") || lower.contains("driver not loaded") {
            return Some(Self::NotLoaded);
        }
        if lower.contains("no devices were found") {
            return Some(Self::NoDevice);
        }
        let failed = text.lines().map(str::trim).find(|line| {
            ["Failed to initialize NVML", "Unable to determine the device handle"]
                .iter()
                .any(|start| line.starts_with(start))
        })?;
        Some(Self::Other(failed.trim_end_matches('.').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_nvidia_smi_are_understood() {
        let mismatch = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.90\n";
        assert_eq!(Trouble::in_words(mismatch), Some(Trouble::Mismatch));
        let unloaded = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the \
                        latest NVIDIA driver is installed and running.\n";
        assert_eq!(Trouble::in_words(unloaded), Some(Trouble::NotLoaded));
        assert_eq!(Trouble::in_words("No devices were found\n"), Some(Trouble::NoDevice));
        assert_eq!(
            Trouble::in_words("Failed to initialize NVML: GPU access blocked by the operating system\n"),
            Some(Trouble::Other(
                "Failed to initialize NVML: GPU access blocked by the operating system".to_owned()
            ))
        );
        assert_eq!(
            Trouble::in_words("NVIDIA GeForce RTX 4090, 24564 MiB, 8.9, 572.60"),
            None
        );
    }

    #[test]
    fn a_mismatch_says_that_a_reboot_is_due() {
        let sentence = Trouble::Mismatch.sentence().expect("a sentence");
        assert!(sentence.contains("driver was updated") && sentence.contains("a reboot is due"));
        assert_eq!(Trouble::NoDevice.sentence(), None);
    }
}
