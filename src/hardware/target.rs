//! Targets: the platforms that a lab locks for, whatever machine the lock is made on.
//!
//! In: a conda subdir and what the lab says of it. Out: virtual packages for the conda solver, uv's name of the platform, and the
//! [`Hardware`] that a plan for it is made with. Absent on purpose: this machine.

use pep440_rs::Version;
use rattler_conda_types::{GenericVirtualPackage, PackageName, subdir::Subdir};

use crate::{
    hardware::{Gpu, Hardware},
    names::Backend,
    profile::{CudaVersion, Platforms, stack::Backends},
};

/// A platform that is locked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The conda subdir.
    pub subdir: Subdir,
    /// The oldest glibc that has to do.
    pub glibc: Option<Version>,
    /// The oldest kernel of Linux that has to do.
    pub linux: Option<Version>,
    /// The oldest macOS that has to do.
    pub macos: Option<Version>,
    /// The CUDA that the drivers there serve, where the lab says so.
    pub cuda: Option<CudaVersion>,
    uv: String,
}

/// A platform that cannot be locked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There are no packages for it.
    #[error("`{0}` cannot be locked for: there are linux-64, linux-aarch64, osx-arm64 and win-64")]
    Platform(String),
    /// A version is none.
    #[error("`{0}` is no version")]
    Version(String),
}

impl Target {
    /// The target of a conda subdir, with what the lab says of it in the place of the defaults.
    ///
    /// # Errors
    /// No packages for it, or a version that is none.
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

    /// uv's `--python-platform`.
    #[must_use]
    pub fn uv_platform(&self) -> String {
        let glibc = self.glibc.as_ref().map(|version| version.to_string().replace('.', "_"));
        self.uv.replace("{glibc}", &glibc.unwrap_or_default())
    }

    /// What a machine of the platform offers to conda's solver.
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

    /// A machine of the platform whose driver serves `backend`, and of which nothing else is known.
    #[must_use]
    pub fn hardware(&self, backend: &Backend) -> Hardware {
        let triple = match self.subdir {
            Subdir::LinuxAarch64 => "aarch64-unknown-linux-gnu",
            Subdir::OsxArm64 => "aarch64-apple-darwin",
            Subdir::Win64 => "x86_64-pc-windows-msvc",
            _ => "x86_64-unknown-linux-gnu",
        };
        // The backend's own, whatever else the drivers serve: that one is asked for.
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

    /// The backend's own CUDA, or what the lab says that the drivers serve.
    fn cuda_of(&self, backend: &Backend) -> Option<CudaVersion> {
        let of_backend = Backends::table().get(backend)?.cuda?;
        Some(
            self.cuda
                .filter(|told| told.major == of_backend.major)
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
    fn each_platform_offers_what_it_is() {
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
    fn what_cannot_be_locked_for_is_told() {
        for (subdir, glibc) in [("osx-64", None), ("linux-64", Some("new")), ("", None)] {
            assert!(Target::new(subdir, glibc, None, None).is_err(), "{subdir}");
        }
    }
}
