//! Targets: the platforms that a lab locks for, independent of the machine that creates the lock.
//!
//! Input: a conda subdir and the lab's settings for it. Output: virtual packages for the conda solver, uv's name of the
//! platform, and the [`Hardware`] for a plan. Nothing is read from this machine, on purpose.

use pep440_rs::Version;
use rattler_conda_types::{GenericVirtualPackage, PackageName, subdir::Subdir};

use crate::{
    hardware::{Gpu, Hardware},
    names::Backend,
    profile::{CudaVersion, Platforms, stack::Backends},
};

/// A platform to lock for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The conda subdir.
    pub subdir: Subdir,
    /// The oldest glibc that must be supported.
    pub glibc: Option<Version>,
    /// The oldest Linux kernel that must be supported.
    pub linux: Option<Version>,
    /// The oldest macOS that must be supported.
    pub macos: Option<Version>,
    /// The CUDA version that the drivers there support, if the lab sets it.
    pub cuda: Option<CudaVersion>,
    uv: String,
}

/// An invalid or unsupported target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The platform is not supported.
    #[error("unsupported platform `{0}`: use linux-64, linux-aarch64, osx-arm64 or win-64")]
    Platform(String),
    /// The version is invalid.
    #[error("invalid version `{0}`")]
    Version(String),
}

impl Target {
    /// Returns the target for a conda subdir. The lab's settings replace the defaults.
    ///
    /// # Errors
    /// The platform is not supported, or a version is invalid.
    pub fn new(
        subdir: &str,
        glibc: Option<&str>,
        macos: Option<&str>,
        cuda: Option<&str>,
    ) -> Result<Self, TargetError> {
        let unknown = || TargetError::Platform(subdir.to_owned());
        let row = Platforms::table().target(subdir).ok_or_else(unknown)?;
        let version = |given: Option<&str>, default: &Option<Version>| match given {
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| TargetError::Version(text.to_owned())),
            None => Ok(default.clone()),
        };
        Ok(Self {
            subdir: subdir.parse().map_err(|_| unknown())?,
            glibc: version(glibc, &row.glibc)?,
            linux: row.linux.clone(),
            macos: version(macos, &row.macos)?,
            cuda: cuda
                .map(|text| text.parse().map_err(|_| TargetError::Version(text.to_owned())))
                .transpose()?,
            uv: row.uv.clone(),
        })
    }

    /// Returns the value for uv's `--python-platform`.
    #[must_use]
    pub fn uv_platform(&self) -> String {
        let glibc = self.glibc.as_ref().map(|version| version.to_string().replace('.', "_"));
        self.uv.replace("{glibc}", &glibc.unwrap_or_default())
    }

    /// Returns the virtual packages of a machine of this platform, for the conda solver.
    #[must_use]
    pub fn virtual_packages(&self, backend: &Backend) -> Vec<GenericVirtualPackage> {
        let mut packages = Vec::new();
        let mut add = |name: &str, version: &str| {
            if let (Ok(name), Ok(version), Ok(build_string)) =
                (name.parse::<PackageName>(), version.parse(), "0".parse())
            {
                packages.push(GenericVirtualPackage {
                    name,
                    version,
                    build_string,
                });
            }
        };
        match self.subdir {
            Subdir::Win64 => add("__win", "0"),
            _ => add("__unix", "0"),
        }
        let known = [
            ("__glibc", &self.glibc),
            ("__linux", &self.linux),
            ("__osx", &self.macos),
        ];
        for (name, version) in known {
            if let Some(version) = version {
                add(name, &version.to_string());
            }
        }
        if let Some(cuda) = self.cuda_of(backend) {
            add("__cuda", &cuda.to_string());
        }
        packages
    }

    /// Returns a machine of this platform whose driver supports `backend`. Nothing else is known about it.
    #[must_use]
    pub fn hardware(&self, backend: &Backend) -> Hardware {
        let triple = match self.subdir {
            Subdir::LinuxAarch64 => "aarch64-unknown-linux-gnu",
            Subdir::OsxArm64 => "aarch64-apple-darwin",
            Subdir::Win64 => "x86_64-pc-windows-msvc",
            _ => "x86_64-unknown-linux-gnu",
        };
        // Use the CUDA version of the backend, even if the drivers support a newer one, so that this backend is chosen.
        let cuda = Backends::table().get(backend).and_then(|row| row.cuda);
        Hardware {
            gpus: if cuda.is_some() { None } else { Some(Vec::<Gpu>::new()) },
            cuda_driver: cuda.map(|cuda| cuda.to_string()),
            libc: self.glibc.as_ref().map(|version| crate::hardware::Libc {
                family: "glibc".to_owned(),
                version: version.to_string(),
            }),
            ..Hardware::unknown(triple)
        }
    }

    /// Returns the CUDA version that the lab sets if its major is the backend's, else the backend's own.
    fn cuda_of(&self, backend: &Backend) -> Option<CudaVersion> {
        let of_backend = Backends::table().get(backend)?.cuda?;
        Some(
            self.cuda
                .filter(|configured| configured.major == of_backend.major)
                .unwrap_or(of_backend),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(name: &str) -> Backend {
        name.parse().expect("a backend")
    }

    fn offered(target: &Target, name: &str) -> String {
        let packages = target.virtual_packages(&backend(name));
        let words: Vec<_> = packages
            .iter()
            .map(|one| format!("{}={}", one.name.as_normalized(), one.version))
            .collect();
        words.join(" ")
    }

    #[test]
    fn each_platform_has_its_virtual_packages() {
        let linux = Target::new("linux-64", None, None, None).expect("a target");
        assert_eq!(offered(&linux, "cpu"), "__unix=0 __glibc=2.28 __linux=4.18");
        assert_eq!(linux.uv_platform(), "x86_64-manylinux_2_28");
        let newer = Target::new("linux-64", Some("2.35"), None, Some("12.9")).expect("a target");
        assert_eq!(
            offered(&newer, "cu128"),
            "__unix=0 __glibc=2.35 __linux=4.18 __cuda=12.9"
        );
        assert_eq!(newer.uv_platform(), "x86_64-manylinux_2_35");
        let mac = Target::new("osx-arm64", None, None, None).expect("a target");
        assert_eq!(offered(&mac, "cpu"), "__unix=0 __osx=14.0");
        let windows = Target::new("win-64", None, None, None).expect("a target");
        assert_eq!(offered(&windows, "cu130"), "__win=0 __cuda=13.0");
    }

    #[test]
    fn unsupported_targets_are_refused() {
        for (subdir, glibc) in [("osx-64", None), ("linux-64", Some("new")), ("", None)] {
            assert!(Target::new(subdir, glibc, None, None).is_err(), "{subdir}");
        }
    }
}
