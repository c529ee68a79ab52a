use std::path::{Path, PathBuf};

use pep440_rs::Version;
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder, PackageName, Requirement, VerbatimUrl};

use super::GpuLibraries;
use crate::store::layout;

/// Why the files could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no Python in the prefix.
    #[error("{} holds no Python", prefix.display())]
    NoPython {
        /// The prefix.
        prefix: PathBuf,
    },
    /// A folder could not be read.
    #[error("cannot look at the environment's files")]
    Io(#[source] std::io::Error),
}

/// An installed distribution, as its METADATA tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Normalized name.
    pub name: PackageName,
    /// Version, local part included.
    pub version: Version,
    /// What it needs; lines that make no sense are left out.
    pub requires: Vec<Requirement<VerbatimUrl>>,
}

/// Everything that the faults look at, read once.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// What is typed after `matenv install` to make it again, for remedies.
    pub env: String,
    /// The distributions, by name.
    pub distributions: Vec<Distribution>,
    /// What markers are judged against.
    pub markers: MarkerEnvironment,
    /// What the GPU libraries say; empty where the profile uses no GPU.
    pub gpu: GpuLibraries,
}

impl Inventory {
    /// Read the prefix.
    pub fn read(prefix: &Path, env: &str) -> Result<Self, AuditError> {
        let no_python = || AuditError::NoPython {
            prefix: prefix.to_owned(),
        };
        let minor = minor(prefix).ok_or_else(no_python)?;
        let site_packages = layout::site_packages(prefix, &minor);
        let mut distributions = Vec::new();
        for entry in fs_err::read_dir(&site_packages).map_err(AuditError::Io)? {
            let path = entry.map_err(AuditError::Io)?.path();
            if path.extension().is_some_and(|ending| ending == "dist-info")
                && let Ok(metadata) = fs_err::read(path.join("METADATA"))
                && let Some(distribution) = parse(&String::from_utf8_lossy(&metadata))
            {
                distributions.push(distribution);
            }
        }
        distributions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            env: env.to_owned(),
            distributions,
            markers: markers(&full_version(prefix, &minor)).ok_or_else(no_python)?,
            gpu: GpuLibraries::default(),
        })
    }

    /// The distribution of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.distributions
            .iter()
            .find(|distribution| distribution.name.as_ref() == name)
    }
}

/// `3.13` of a prefix, by its library folder; Windows keeps one folder for all, so its records are asked.
fn minor(prefix: &Path) -> Option<String> {
    let named = fs_err::read_dir(prefix.join("lib")).ok().and_then(|entries| {
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find_map(|name| name.strip_prefix("python3.").map(|minor| format!("3.{minor}")))
            .filter(|minor| minor.len() <= 4)
    });
    named.or_else(|| {
        let version = recorded_version(prefix)?;
        let mut parts = version.split('.');
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    })
}

/// The version of the conda package `python`.
fn recorded_version(prefix: &Path) -> Option<String> {
    fs_err::read_dir(prefix.join("conda-meta"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find_map(|name| {
            let rest = name.strip_prefix("python-")?;
            rest.starts_with(|first: char| first.is_ascii_digit())
                .then(|| rest.split('-').next().map(ToOwned::to_owned))?
        })
}

fn full_version(prefix: &Path, minor: &str) -> String {
    recorded_version(prefix).unwrap_or_else(|| format!("{minor}.0"))
}

/// The markers of a CPython of that version on this machine.
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

/// METADATA is an e-mail header; the first empty line ends it.
fn parse(metadata: &str) -> Option<Distribution> {
    let mut name = None;
    let mut version = None;
    let mut requires = Vec::new();
    for line in metadata.lines() {
        if line.is_empty() {
            break;
        }
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        match key {
            "Name" => name = value.trim().parse().ok(),
            "Version" => version = value.trim().parse().ok(),
            "Requires-Dist" => requires.extend(value.trim().parse::<Requirement<VerbatimUrl>>().ok()),
            _ => {}
        }
    }
    Some(Distribution {
        name: name?,
        version: version?,
        requires,
    })
}

#[cfg(test)]
impl Inventory {
    /// An inventory of METADATA texts, for the tests of the faults.
    pub(crate) fn of(texts: &[&str]) -> Self {
        Self {
            env: "sleap".to_owned(),
            distributions: texts.iter().filter_map(|text| parse(text)).collect(),
            markers: markers("3.13.1").expect("markers"),
            gpu: GpuLibraries::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_of_metadata_leave_the_good_ones() {
        let text = "Metadata-Version: 2.1\nName: My_Package\nVersion: 1.0\nRequires-Dist: numpy>=2\n\
                    Requires-Dist: this is no requirement!!\nRequires-Dist: onnx\n\nName: not-this\n";
        let found = parse(text).expect("a distribution");
        assert_eq!(found.name.as_ref(), "my-package");
        assert_eq!(found.requires.len(), 2);
    }
}
