/// Why the driver gives no information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no driver.
    Absent,
    /// The driver answers but has no GPU.
    NoDevice,
    /// The driver's libraries are newer than the loaded kernel module.
    Mismatch,
    /// The driver's libraries are installed, but the kernel module is not loaded.
    NotLoaded,
    /// The driver did not answer in time.
    Slow,
    /// Another error, with its message.
    Other(String),
}

/// The message for an NVIDIA card without a driver.
pub(super) const NO_DRIVER: &str =
    "This machine has an NVIDIA GPU but no NVIDIA driver: install the driver and reboot.";

/// Returns the message for a container without the GPUs of its host.
pub(super) fn not_in_container(version: Option<&str>) -> String {
    let driver = version.map_or_else(|| "an NVIDIA driver".to_owned(), |it| format!("the NVIDIA driver {it}"));
    format!(
        "The host has {driver}, but this container was started without its GPUs: start it with `--gpus all` \
         (docker, podman) or `--nv` (apptainer)."
    )
}

/// Returns the message for a GPU with MIG enabled but without a slice.
pub(super) fn mig_without_slices(index: u32, name: &str) -> String {
    format!(
        "GPU {index} ({name}) has MIG enabled but no MIG slice: create one (`nvidia-smi mig -cgi PROFILE -C`), request one, or \
         disable MIG (`nvidia-smi -i {index} -mig 0`)."
    )
}

impl Trouble {
    /// Returns a sentence with the problem and what to do. `None` if nothing is wrong.
    pub(super) fn sentence(&self) -> Option<String> {
        Some(match self {
            Self::Absent | Self::NoDevice => return None,
            Self::Mismatch => {
                "The NVIDIA driver was updated while the old one was in use, so a reboot is required: until then \
                               no CUDA program works (Driver/library version mismatch)."
                    .to_owned()
            }
            Self::NotLoaded => "The NVIDIA driver is installed but not running: reboot, and if that does not help, \
                                reinstall the driver."
                .to_owned(),
            Self::Slow => {
                "The NVIDIA driver did not answer within 5 seconds: a GPU may hang, and a reboot may fix it.".to_owned()
            }
            Self::Other(message) => {
                format!("The NVIDIA driver does not answer ({message}): run `nvidia-smi` for details.")
            }
        })
    }

    /// Recognizes an error message in the output of `nvidia-smi`.
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
    fn errors_of_nvidia_smi_are_recognized() {
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
    fn a_mismatch_requires_a_reboot() {
        let sentence = Trouble::Mismatch.sentence().expect("a sentence");
        assert!(sentence.contains("driver was updated") && sentence.contains("a reboot is required"));
        assert_eq!(Trouble::NoDevice.sentence(), None);
    }
}
