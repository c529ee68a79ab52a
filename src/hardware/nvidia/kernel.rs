//! NVIDIA's kernel module on Linux, read from `/proc/driver/nvidia`.

use std::path::Path;

use super::{gpu, is_driver_version};
use crate::hardware::Gpu;
use crate::input::{self, Input};

/// The loaded kernel module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Module {
    pub(super) version: Option<String>,
    pub(super) gpus: Vec<Gpu>,
    /// Whether the device files exist, so that programs can use the GPUs.
    pub(super) is_reachable: bool,
}

/// A GPU and the number of its device file.
type Numbered = (Gpu, Option<u32>);

/// Reads the module below `root`. `None` if none is loaded.
pub(super) fn module(root: &Path) -> Option<Module> {
    let folder = root.join("proc/driver/nvidia");
    let version = version(&input::read_text(&folder.join("version"), Input::System).ok()?);
    let entries = fs_err::read_dir(folder.join("gpus")).into_iter().flatten();
    let mut slots: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    slots.sort();
    let gpus: Vec<Numbered> = slots
        .iter()
        .filter_map(|slot| input::read_text(&slot.join("information"), Input::System).ok())
        .map(|text| information(&text))
        .collect();
    let is_there = |number: Option<u32>| match number {
        Some(number) => root.join(format!("dev/nvidia{number}")).exists(),
        None => root.join("dev/nvidiactl").exists(),
    };
    let is_reachable = gpus.iter().any(|(_, number)| is_there(*number));
    let reachable = gpus
        .into_iter()
        .filter(|(_, number)| !is_reachable || is_there(*number));
    Some(Module {
        version,
        gpus: reachable.map(|(gpu, _)| gpu).collect(),
        is_reachable,
    })
}

fn version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("NVRM version"))?;
    line.split_whitespace()
        .find(|word| is_driver_version(word))
        .map(ToOwned::to_owned)
}

fn information(text: &str) -> Numbered {
    let field = |name: &str| {
        let (_, value) = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)?;
        Some(value.trim()).filter(|value| !value.is_empty() && !value.contains('?'))
    };
    let mut gpu = gpu(field("Model").map(ToOwned::to_owned));
    gpu.uuid = field("GPU UUID").map(ToOwned::to_owned);
    (gpu, field("Device Minor").and_then(|number| number.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFORMATION: &str = "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 122\nGPU UUID: \t \
                               GPU-8f6d2c11-0000-1111-2222-333344445555\nVideo BIOS: \t 95.02.3c.00.85\nBus Type: \t PCIe\n\
                               Device Minor: \t 0\n";

    #[test]
    fn both_kinds_of_module_report_their_version() {
        for (text, expected) in [
            (
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc 12.2.0\n",
                "535.104.05",
            ),
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build  (dvs-builder)\n",
                "570.86.10",
            ),
        ] {
            assert_eq!(version(text).as_deref(), Some(expected));
        }
        assert_eq!(version("nothing of the kind"), None);
    }

    #[test]
    fn a_gpu_that_sleeps_has_no_uuid_yet() {
        let (gpu, number) = information(INFORMATION);
        assert_eq!(gpu.name.as_deref(), Some("NVIDIA GeForce RTX 4090"));
        assert_eq!(gpu.uuid.as_deref(), Some("GPU-8f6d2c11-0000-1111-2222-333344445555"));
        assert_eq!(number, Some(0));
        let (asleep, _) = information("Model: \t\t Unknown\nGPU UUID: \t GPU-????????-????-????-????-????????????\n");
        assert_eq!(asleep.uuid, None);
    }

    #[test]
    fn gpus_without_a_device_file_are_left_out() {
        let root = tempfile::tempdir().expect("a temp folder");
        assert_eq!(module(root.path()), None);
        let folder = root.path().join("proc/driver/nvidia");
        for (slot, text) in [
            ("0000:01:00.0", INFORMATION.to_owned()),
            ("0000:02:00.0", INFORMATION.replace("Minor: \t 0", "Minor: \t 1")),
        ] {
            let slot = folder.join("gpus").join(slot);
            fs_err::create_dir_all(&slot).expect("made");
            fs_err::write(slot.join("information"), text).expect("written");
        }
        let text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\n";
        fs_err::write(folder.join("version"), text).expect("written");
        let found = module(root.path()).expect("a module");
        assert_eq!((found.gpus.len(), found.is_reachable), (2, false));
        fs_err::create_dir_all(root.path().join("dev")).expect("made");
        fs_err::write(root.path().join("dev/nvidia1"), "").expect("written");
        let found = module(root.path()).expect("a module");
        assert_eq!((found.gpus.len(), found.is_reachable), (1, true));
        assert_eq!(found.version.as_deref(), Some("550.54.14"));
    }

    #[test]
    fn no_file_of_the_driver_causes_a_panic() {
        use crate::proptests;
        let version_file = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun\n";
        proptests::check(file!(), &proptests::text(&[INFORMATION, version_file]), |text| {
            let _ = (version(&text), information(&text));
        });
    }
}
