//! The ONNX Runtime library of an environment.

use std::path::{Path, PathBuf};

/// The library and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Runtime {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

/// `libonnxruntime.so.1.32.0` in `onnxruntime/capi`, and what it is called elsewhere.
pub(super) fn find(prefix: &Path) -> Option<Runtime> {
    let site_packages = if cfg!(windows) {
        vec![prefix.join("Lib").join("site-packages")]
    } else {
        files(&prefix.join("lib"))
            .into_iter()
            .filter(|path| name(path).starts_with("python3."))
            .map(|path| path.join("site-packages"))
            .collect()
    };
    site_packages.iter().find_map(|folder| {
        let path = files(&folder.join("onnxruntime").join("capi"))
            .into_iter()
            .find(|path| is_library(&name(path)))?;
        let version = version_in(&name(&path)).or_else(|| recorded_version(folder))?;
        Some(Runtime { path, version })
    })
}

fn is_library(name: &str) -> bool {
    let versioned = name.starts_with("libonnxruntime.so.") || name.starts_with("libonnxruntime.1.");
    // Beside the full name there may be `libonnxruntime.so.1`, a link to it.
    (versioned && name.matches('.').count() >= 4) || name == "onnxruntime.dll"
}

/// `libonnxruntime.so.1.32.0` and `libonnxruntime.1.32.0.dylib` say 1.32.0.
fn version_in(name: &str) -> Option<String> {
    let rest = name
        .strip_prefix("libonnxruntime.so.")
        .or_else(|| name.strip_prefix("libonnxruntime."))?;
    Some(rest.trim_end_matches(".dylib").to_owned())
}

fn recorded_version(site_packages: &Path) -> Option<String> {
    files(site_packages).iter().find_map(|path| {
        let rest = name(path).strip_suffix(".dist-info")?.to_owned();
        let (package, version) = rest.split_once('-')?;
        package.starts_with("onnxruntime").then(|| version.to_owned())
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs_err::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_each_system_are_known_by_name() {
        for (name, version) in [
            ("libonnxruntime.so.1.32.0", Some("1.32.0")),
            ("libonnxruntime.1.20.2.dylib", Some("1.20.2")),
            ("onnxruntime.dll", None),
        ] {
            assert!(is_library(name), "{name}");
            assert_eq!(version_in(name).as_deref(), version);
        }
        for other in [
            "libonnxruntime_providers_cuda.so",
            "libonnxruntime.so.1",
            "onnxruntime_pybind11_state.so",
        ] {
            assert!(!is_library(other), "{other}");
        }
    }
}
