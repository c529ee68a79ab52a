use std::path::{Path, PathBuf};

use crate::hardware::Hardware;

/// Problems of the NVIDIA driver, in addition to those that the driver itself reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NvidiaFacts {
    /// The open-source driver nouveau uses the GPU.
    pub(crate) nouveau: bool,
    /// The expected path of WSL's `libcuda.so.1`, which the Windows driver installs, if the file is missing.
    pub(crate) wsl_stub_missing: Option<PathBuf>,
    /// A driver inside WSL that hides the Windows driver.
    pub(crate) driver_in_wsl: Option<PathBuf>,
}

impl NvidiaFacts {
    pub(crate) fn detect(root: &Path, hardware: &Hardware) -> Self {
        let stub = root.join("usr/lib/wsl/lib/libcuda.so.1");
        let wsl = hardware.wsl == Some(true);
        let folders = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib/aarch64-linux-gnu"];
        let inside = folders
            .iter()
            .map(|folder| root.join(folder).join("libcuda.so.1"))
            // Some distributions have a link to WSL's library here.
            .find(|path| fs_err::canonicalize(path).is_ok_and(|real| !real.starts_with(root.join("usr/lib/wsl"))));
        Self {
            nouveau: root.join("sys/module/nouveau").is_dir(),
            wsl_stub_missing: (wsl && !stub.exists()).then_some(stub),
            driver_in_wsl: inside.filter(|_| wsl),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wsl_and_nouveau_are_detected_below_a_root() {
        let root = tempfile::tempdir().expect("a folder");
        let mut hardware = Hardware::unknown("x86_64-unknown-linux-gnu");
        assert_eq!(NvidiaFacts::detect(root.path(), &hardware), NvidiaFacts::default());
        fs_err::create_dir_all(root.path().join("sys/module/nouveau")).expect("made");
        hardware.wsl = Some(true);
        let found = NvidiaFacts::detect(root.path(), &hardware);
        assert!(found.nouveau && found.wsl_stub_missing.is_some() && found.driver_in_wsl.is_none());
        for folder in ["usr/lib/wsl/lib", "usr/lib64"] {
            fs_err::create_dir_all(root.path().join(folder)).expect("made");
            fs_err::write(root.path().join(folder).join("libcuda.so.1"), "").expect("written");
        }
        let found = NvidiaFacts::detect(root.path(), &hardware);
        assert!(found.wsl_stub_missing.is_none() && found.driver_in_wsl.is_some());
    }
}
