//! `nvidia-smi`, the fallback if NVML cannot be loaded.

use std::path::PathBuf;

use super::{Nvidia, Place, TIMEOUT, Trouble, gpu, is_driver_version};
use crate::{hardware::Gpu, process::ask as ask_program};

/// Drivers before 510 do not know `compute_cap`, and then the whole query fails.
const QUERIES: [&str; 2] = [
    "--query-gpu=name,memory.total,compute_cap,uuid,driver_version",
    "--query-gpu=name,memory.total,uuid,driver_version",
];

/// Finds `nvidia-smi`.
pub(super) fn program(place: &Place) -> Option<PathBuf> {
    let wsl = place.root.join("usr/lib/wsl/lib");
    let windows = place
        .variables
        .path("ProgramFiles")
        .map(|folder| folder.join("NVIDIA Corporation").join("NVSMI"));
    let search = place.variables.get("PATH").map(std::env::split_paths);
    let folders: Vec<PathBuf> = search
        .into_iter()
        .flatten()
        .filter(|folder| folder.is_absolute())
        .chain([wsl])
        .chain(windows)
        .collect();
    let search = std::env::join_paths(folders).ok()?;
    which::which_in("nvidia-smi", Some(search), place.root).ok()
}

pub(super) fn ask(place: &Place) -> Result<Nvidia, Trouble> {
    let program = program(place).ok_or(Trouble::Absent)?;
    let say = |arguments: &[&str]| {
        ask_program(&program, arguments, place.variables, TIMEOUT).map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => Trouble::Slow,
            _ => Trouble::Other(format!("{}: {error}", program.display())),
        })
    };
    let mut found = None;
    for query in QUERIES {
        let answer = say(&[query, "--format=csv,noheader"])?;
        let rows = rows(&answer.text);
        let trouble = Trouble::in_words(&answer.text);
        if !rows.is_empty() {
            // One GPU of several does not answer.
            let wrong = match trouble {
                Some(Trouble::Other(message)) => {
                    vec![format!("A GPU does not answer ({message}): a reboot may fix it.")]
                }
                _ => Vec::new(),
            };
            found = Some((rows, wrong));
            break;
        }
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        if answer.success {
            return Err(Trouble::NoDevice);
        }
    }
    let (rows, wrong) = found.ok_or_else(|| Trouble::Other("`nvidia-smi` failed".to_owned()))?;
    let driver = rows.iter().find_map(|row| row.driver.clone());
    // If these two queries fail, the rest is still valid.
    let slices = say(&["-L"]).map(|answer| slices(&answer.text)).unwrap_or_default();
    let cuda = say(&[]).ok().and_then(|answer| cuda_version(&answer.text));
    Ok(Nvidia {
        gpus: Some(with_slices(rows.into_iter().map(|row| row.gpu), &slices)),
        driver,
        cuda,
        ..Nvidia::default()
    }
    .with_wrong(&wrong))
}

/// A line of the query's output.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    gpu: Gpu,
    driver: Option<String>,
}

/// Parses one GPU per line. Fields are recognized by their format. `[N/A]` means that the driver does not know
/// the value.
fn rows(text: &str) -> Vec<Row> {
    text.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut row = Row {
        gpu: gpu(None),
        driver: None,
    };
    for field in line.split(',').map(str::trim) {
        if field.is_empty() || field.starts_with('[') {
            continue;
        }
        if field.starts_with("GPU-") {
            row.gpu.uuid = Some(field.to_owned());
        } else if let Some(mebibytes) = field.strip_suffix("MiB") {
            row.gpu.memory_bytes = mebibytes
                .trim()
                .parse::<u64>()
                .ok()
                .map(|count| count.saturating_mul(1 << 20));
        } else if is_driver_version(field) {
            row.driver = Some(field.to_owned());
        } else if let Ok(capability) = field.parse() {
            row.gpu.compute_capability = Some(capability);
        } else if row.gpu.name.is_none() {
            row.gpu.name = Some(field.to_owned());
        }
    }
    // An error message would be parsed as a name alone.
    let is_gpu = row.gpu.uuid.is_some() || row.gpu.memory_bytes.is_some() || row.driver.is_some();
    (row.gpu.name.is_some() && is_gpu).then_some(row)
}

/// Returns the CUDA version in the header of the table that `nvidia-smi` prints.
fn cuda_version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("CUDA Version:")?;
    let word = rest.split_whitespace().next()?;
    word.starts_with(|first: char| first.is_ascii_digit())
        .then(|| word.to_owned())
}

/// A MIG slice and the GPU that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slice {
    gpu: String,
    profile: String,
    uuid: String,
}

/// Parses the slices in the output of `nvidia-smi -L`. Each slice is listed below its GPU.
fn slices(text: &str) -> Vec<Slice> {
    let mut slices = Vec::new();
    let mut gpu = None;
    for line in text.lines() {
        let Some((head, rest)) = line.split_once("(UUID:") else {
            continue;
        };
        let uuid = rest.trim().trim_end_matches(')').to_owned();
        let mut words = head.split_whitespace();
        match (words.next(), words.next(), &gpu) {
            (Some("GPU"), _, _) => gpu = Some(uuid),
            (Some("MIG"), Some(profile), Some(gpu)) => slices.push(Slice {
                gpu: gpu.clone(),
                profile: profile.to_owned(),
                uuid,
            }),
            _ => {}
        }
    }
    slices
}

/// Replaces each GPU that has slices by its slices.
fn with_slices(gpus: impl Iterator<Item = Gpu>, slices: &[Slice]) -> Vec<Gpu> {
    let mut all = Vec::new();
    for gpu in gpus {
        let before = all.len();
        let own = slices
            .iter()
            .filter(|slice| gpu.uuid.as_deref() == Some(slice.gpu.as_str()));
        all.extend(own.map(|slice| Gpu {
            memory_bytes: None,
            mig: Some(slice.profile.clone()),
            uuid: Some(slice.uuid.clone()),
            parent: Some(slice.gpu.clone()),
            ..gpu.clone()
        }));
        if all.len() == before {
            all.push(gpu);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: the driver's version was read from the whole output, so two GPUs had `572.60\n572.60`.
    #[test]
    fn two_gpus_under_wsl_have_one_driver() {
        let text = "NVIDIA GeForce RTX 4090, 24564 MiB, 8.9, GPU-8f6d2c11-aaaa, 572.60\r\n\
                    NVIDIA GeForce GTX 1080 Ti, 11264 MiB, 6.1, GPU-1c2d3e4f-bbbb, 572.60\r\n";
        let rows = rows(text);
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.driver.as_deref() == Some("572.60")));
        let first = &rows[0].gpu;
        assert_eq!(first.name.as_deref(), Some("NVIDIA GeForce RTX 4090"));
        assert_eq!(first.memory_bytes, Some(24564 * 1024 * 1024));
        assert_eq!(
            first.compute_capability.map(|it| it.to_string()).as_deref(),
            Some("8.9")
        );
        assert_eq!(rows[1].gpu.uuid.as_deref(), Some("GPU-1c2d3e4f-bbbb"));
    }

    #[test]
    fn fields_without_a_value_are_unknown() {
        let rows = rows("Tesla K80, [N/A], [Not Supported], GPU-77, 470.223.02\n");
        assert_eq!(rows[0].gpu.name.as_deref(), Some("Tesla K80"));
        assert_eq!((rows[0].gpu.memory_bytes, rows[0].gpu.compute_capability), (None, None));
        for text in [
            "",
            "Field \"compute_cap\" is not a valid field to query.\n\n",
            "No devices were found\n",
            ",,,\n",
        ] {
            assert_eq!(super::rows(text), [], "{text:?}");
        }
    }

    #[test]
    fn the_cuda_version_is_in_the_table() {
        let head = "| NVIDIA-SMI 570.86.10    Driver Version: 572.60    CUDA Version: 12.8     |\n";
        assert_eq!(cuda_version(head).as_deref(), Some("12.8"));
        assert_eq!(cuda_version("CUDA Version: N/A |"), None);
        assert_eq!(cuda_version(""), None);
    }

    #[test]
    fn a_gpu_with_mig_is_its_slices() {
        let list = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)\n\
                    \x20 MIG 1g.10gb     Device  0: (UUID: MIG-1111)\n\
                    \x20 MIG 1g.10gb+me  Device  1: (UUID: MIG-2222)\n\
                    GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb)\n";
        let text = "NVIDIA H100 80GB HBM3, 81559 MiB, 9.0, GPU-aaaa, 580.65.06\n\
                    NVIDIA H100 80GB HBM3, 81559 MiB, 9.0, GPU-bbbb, 580.65.06\n";
        let gpus = with_slices(rows(text).into_iter().map(|row| row.gpu), &slices(list));
        let seen: Vec<_> = gpus
            .iter()
            .map(|gpu| (gpu.mig.as_deref(), gpu.uuid.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(
            seen,
            [
                (Some("1g.10gb"), "MIG-1111"),
                (Some("1g.10gb+me"), "MIG-2222"),
                (None, "GPU-bbbb")
            ]
        );
        assert_eq!(
            (&gpus[1].parent, &gpus[2].parent),
            (&Some("GPU-aaaa".to_owned()), &None)
        );
        assert!(gpus.iter().all(|gpu| gpu.compute_capability.is_some()));
    }

    #[test]
    fn no_output_causes_a_panic() {
        use crate::proptests;
        let real = [
            "NVIDIA GeForce RTX 4090, GPU-8f6d2c11, 24564 MiB, 8.9, 580.65.06\n",
            "| NVIDIA-SMI 580.65.06  Driver Version: 580.65.06  CUDA Version: 13.0 |\n",
            "GPU 0: NVIDIA H100 (UUID: GPU-a)\n  MIG 1g.10gb     Device  0: (UUID: MIG-b)\n",
        ];
        proptests::check(file!(), &proptests::text(&real), |text| {
            let _ = (cuda_version(&text), rows(&text));
            let gpus = rows(real[0]).into_iter().map(|row| row.gpu);
            let _ = with_slices(gpus, &slices(&text));
        });
    }
}
