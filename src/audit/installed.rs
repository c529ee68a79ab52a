use std::path::{Path, PathBuf};

use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};

use super::{AuditError, CondaPackage, Distribution, Leftover, conda_records, distribution};
use crate::files::layout;

/// The packages installed in a prefix, according to their records. The files themselves are not read.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The prefix.
    pub prefix: PathBuf,
    /// `site-packages`, relative to the prefix.
    pub site_packages: String,
    /// The Python version, such as `3.13`, or `3.13t` for a free-threaded build.
    pub python: String,
    /// The values that environment markers are evaluated against.
    pub markers: MarkerEnvironment,
    /// The Python distributions, by name.
    pub distributions: Vec<Distribution>,
    /// Leftover folders of other distributions.
    pub remains: Vec<Leftover>,
    /// The conda packages.
    pub conda: Vec<CondaPackage>,
    /// Paths of conda package records that cannot be read.
    pub damaged_records: Vec<String>,
}

impl Installed {
    /// Reads the records.
    ///
    /// # Errors
    /// Fails if there is no Python or `site-packages` cannot be listed.
    pub fn read(prefix: &Path) -> Result<Self, AuditError> {
        let no_python = || AuditError::NoPython {
            prefix: prefix.to_owned(),
        };
        let python = layout::python_version(prefix).ok_or_else(no_python)?;
        let site_packages = layout::site_packages_below(&python);
        let markers = markers(&full_version(prefix, &python)).ok_or_else(no_python)?;
        let (records, (conda, damaged_records)) = rayon::join(
            || distribution::read(prefix, &site_packages),
            || conda_records::read(prefix),
        );
        let (distributions, remains) = records?;
        Ok(Self {
            prefix: prefix.to_owned(),
            site_packages,
            python,
            markers,
            distributions,
            remains,
            conda,
            damaged_records,
        })
    }

    /// Returns the distribution with that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.distributions
            .iter()
            .find(|distribution| distribution.name.as_ref() == name)
    }
}

fn full_version(prefix: &Path, python: &str) -> String {
    layout::recorded_version(prefix).unwrap_or_else(|| format!("{}.0", python.trim_end_matches('t')))
}

/// Returns the markers of CPython `version` on this machine.
fn markers(version: &str) -> Option<MarkerEnvironment> {
    let minor = version.split('.').take(2).collect::<Vec<_>>().join(".");
    let (os_name, sys_platform, system) = match std::env::consts::OS {
        "windows" => ("nt", "win32", "Windows"),
        "macos" => ("posix", "darwin", "Darwin"),
        _ => ("posix", "linux", "Linux"),
    };
    let machine = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", "aarch64") => "arm64",
        ("windows", "x86_64") => "AMD64",
        (_, arch) => arch,
    };
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: version,
        os_name,
        platform_machine: machine,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: system,
        platform_version: "",
        python_full_version: version,
        python_version: &minor,
        sys_platform,
    })
    .ok()
}

#[cfg(test)]
impl Installed {
    /// Creates an instance from METADATA texts, for tests.
    pub(crate) fn from_metadata(texts: &[&str]) -> Self {
        Self {
            prefix: PathBuf::new(),
            site_packages: layout::site_packages_below("3.13"),
            python: "3.13".to_owned(),
            markers: markers("3.13.1").expect("markers"),
            distributions: texts.iter().filter_map(|text| distribution::parse(text)).collect(),
            remains: Vec::new(),
            conda: Vec::new(),
            damaged_records: Vec::new(),
        }
    }
}
