//! NVML, NVIDIA's management library, loaded at run time.

use std::{ffi::OsStr, sync::mpsc, thread};

use nvml_wrapper::{Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor, error::NvmlError};

use super::{Effort, Nvidia, SHORT_TIMEOUT, TIMEOUT, Trouble, gpu, trouble};
use crate::{hardware::Gpu, profile::ComputeCapability};

/// The name first, then the paths of WSL and of distributions that the loader does not search.
#[cfg(target_os = "linux")]
const LIBRARIES: &[&str] = &[
    "libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/usr/lib64/nvidia/libnvidia-ml.so.1",
    "/usr/lib/nvidia/current/libnvidia-ml.so.1",
];
#[cfg(windows)]
const LIBRARIES: &[&str] = &["nvml.dll", r"C:\Program Files\NVIDIA Corporation\NVSMI\nvml.dll"];
#[cfg(not(any(target_os = "linux", windows)))]
const LIBRARIES: &[&str] = &[];

/// Queries NVML in a separate thread, because a driver whose GPU hangs never returns.
pub(super) fn ask(effort: Effort) -> Result<Nvidia, Trouble> {
    let (sender, answer) = mpsc::channel();
    let limit = match effort {
        Effort::Whole => TIMEOUT,
        Effort::Peek => SHORT_TIMEOUT,
    };
    let thread = thread::Builder::new().name("nvml".to_owned());
    let started = thread.spawn(move || {
        // The receiver may have timed out already.
        let _ = sender.send(listen());
    });
    started.map_err(|error| Trouble::Other(error.to_string()))?;
    answer.recv_timeout(limit).unwrap_or(Err(Trouble::Slow))
}

fn listen() -> Result<Nvidia, Trouble> {
    let mut trouble = Trouble::Absent;
    for library in LIBRARIES {
        match Nvml::builder().lib_path(OsStr::new(library)).init() {
            Ok(nvml) => return all(&nvml),
            Err(NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_)) => {}
            // An error of an installed library says more than a missing library.
            Err(error) => {
                trouble = troubled(&error);
                break;
            }
        }
    }
    Err(trouble)
}

fn troubled(error: &NvmlError) -> Trouble {
    match error {
        NvmlError::LibRmVersionMismatch => Trouble::Mismatch,
        NvmlError::DriverNotLoaded | NvmlError::LibraryNotFound => Trouble::NotLoaded,
        NvmlError::NotFound => Trouble::NoDevice,
        error => Trouble::Other(error.to_string()),
    }
}

fn all(nvml: &Nvml) -> Result<Nvidia, Trouble> {
    let count = nvml.device_count().map_err(|error| troubled(&error))?;
    let mut found = Nvidia {
        gpus: Some(Vec::new()),
        driver: nvml.sys_driver_version().ok(),
        cuda: nvml.sys_cuda_driver_version().ok().map(|version| {
            let (major, minor) = (cuda_driver_version_major(version), cuda_driver_version_minor(version));
            format!("{major}.{minor}")
        }),
        ..Nvidia::default()
    };
    let mut wrong = Vec::new();
    for index in 0..count {
        match nvml.device_by_index(index) {
            Ok(device) => {
                let all = one(&device);
                if all.is_empty() {
                    let name = device.name().unwrap_or_else(|_| "NVIDIA".to_owned());
                    wrong.push(trouble::mig_without_slices(index, &name));
                }
                found.gpus.get_or_insert_default().extend(all);
            }
            // The GPU is not assigned to this user, container or job.
            Err(NvmlError::NoPermission) => {}
            Err(error) => wrong.push(format!("GPU {index} does not answer ({error}): a reboot may fix it.")),
        }
    }
    Ok(found.with_wrong(&wrong))
}

/// Returns the GPU, or its MIG slices.
fn one(device: &Device) -> Vec<Gpu> {
    let whole = Gpu {
        memory_bytes: device.memory_info().ok().map(|memory| memory.total),
        compute_capability: device.cuda_compute_capability().ok().and_then(|found| {
            Some(ComputeCapability {
                major: u8::try_from(found.major).ok()?,
                minor: u8::try_from(found.minor).ok()?,
            })
        }),
        uuid: device.uuid().ok(),
        ..gpu(device.name().ok())
    };
    // Cards without MIG answer with an error.
    if !device.mig_mode().is_ok_and(|mode| mode.current == 1) {
        return vec![whole];
    }
    let most = device.mig_device_count().unwrap_or(0);
    (0..most)
        .filter_map(|index| device.mig_device_by_index(index).ok())
        .map(|slice| Gpu {
            memory_bytes: slice.memory_info().ok().map(|memory| memory.total),
            mig: slice
                .name()
                .ok()
                .as_deref()
                .and_then(mig_profile)
                .or_else(|| Some("unknown".to_owned())),
            uuid: slice.uuid().ok(),
            parent: whole.uuid.clone(),
            ..whole.clone()
        })
        .collect()
}

/// Returns the profile in a slice's name: `1g.10gb` of `NVIDIA H100 80GB HBM3 MIG 1g.10gb`.
fn mig_profile(name: &str) -> Option<String> {
    let (_, profile) = name.rsplit_once(" MIG ")?;
    Some(profile.trim().to_owned()).filter(|profile| !profile.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_of_a_slice_is_in_its_name() {
        assert_eq!(
            mig_profile("NVIDIA H100 80GB HBM3 MIG 1g.10gb").as_deref(),
            Some("1g.10gb")
        );
        assert_eq!(mig_profile("NVIDIA H100 80GB HBM3"), None);
    }

    #[test]
    fn a_driver_of_another_version_is_a_mismatch() {
        assert_eq!(troubled(&NvmlError::LibRmVersionMismatch), Trouble::Mismatch);
        assert_eq!(troubled(&NvmlError::DriverNotLoaded), Trouble::NotLoaded);
        assert!(matches!(troubled(&NvmlError::NoPermission), Trouble::Other(_)));
    }
}
