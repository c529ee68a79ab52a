//! Export: the packages of an environment in the format of another tool.
//!
//! Input: a [`LabEntry`], from an installed generation ([`from_generation`]) or a lab lock. Output: text, one module
//! per format. Each is a pure function, except that a pylock needs the URLs of the files from the machine's index
//! ([`crate::packages::pypi::locations`]). This module does not export the parts of a prefix that are not
//! packages (activation, the preload of the CUDA libraries, the proof). An environment that another tool installs from
//! an export is not proven.

pub(crate) mod ci;
mod cyclonedx;
mod environment_yml;
mod explicit;
#[cfg(test)]
mod fixtures;
mod pylock;
mod recipe;
mod requirements;
mod select;
mod services;

pub(crate) use select::{Wanted, select};

use std::path::Path;

use rattler_conda_types::PackageRecord;
use serde::Serialize;

use crate::{
    context::Context,
    install::{self, RecordsError},
    lock::{Fallback, LabEntry, LabLock, LockError},
    manifest::lab::Lab,
    names::EnvName,
    packages::pypi::{self, PypiError, Uv, UvError},
    store::Generation,
};

/// A format that other tools read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Names, versions and builds for conda, mamba and pixi
    #[value(name = "environment.yml")]
    #[serde(rename = "environment.yml")]
    EnvironmentYml,
    /// conda's list of URLs with hashes; conda packages only
    Explicit,
    /// `pylock.toml` (PEP 751) for uv and pip; wheels only
    Pylock,
    /// A list with hashes for uv and pip; wheels only
    Requirements,
    /// A recipe for Docker and Podman
    Dockerfile,
    /// A recipe for Apptainer and Singularity
    Apptainer,
    /// A bill of materials, `CycloneDX` 1.6 as JSON
    Cyclonedx,
}

/// An error while exporting.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The environment uses the machine's own Python.
    #[error(
        "`{env}` uses this machine's own Python (fallback host-python), which cannot be installed on other machines"
    )]
    MachineBound {
        /// The environment.
        env: EnvName,
    },
    /// The program comes from a folder or a repository.
    #[error("the program of `{env}` was installed from {place}, not from a package")]
    OwnSource {
        /// The environment.
        env: EnvName,
        /// Its manifest.
        manifest: EnvName,
        /// The folder or the URL.
        place: String,
    },
    /// No entry matches the options.
    #[error("no `{env}` for {wanted}, available: {there}")]
    NoSuch {
        /// The environment.
        env: EnvName,
        /// The requested options.
        wanted: String,
        /// The available entries.
        there: String,
    },
    /// Several entries match the options.
    #[error("several entries for `{env}`: {there}")]
    Ambiguous {
        /// The environment.
        env: EnvName,
        /// The available entries.
        there: String,
    },
    /// A recipe for a platform without containers.
    #[error("there are no containers for {platform}")]
    NoContainer {
        /// The conda subdir.
        platform: String,
    },
    /// The index no longer lists a locked file.
    #[error("the index lists no file of `{package}` {version} with the SHA-256 {sha256}")]
    NotListed {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// The hash in the lock.
        sha256: String,
    },
    /// `SOURCE_DATE_EPOCH` is invalid.
    #[error("invalid SOURCE_DATE_EPOCH `{given}`, expected seconds since 1970")]
    Epoch {
        /// The value of the variable.
        given: String,
    },
    /// The packages cannot be written in this format.
    #[error("failed to write the packages in this format: {0}")]
    Form(String),
    /// The lab's lock cannot be read.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The environment's records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// uv, which queries the index, is not available.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// The query to the index failed.
    #[error(transparent)]
    Pypi(#[from] PypiError),
}

/// Returns the installed packages of a generation as an entry of a lock.
pub(crate) fn from_generation(generation: &Generation) -> Result<LabEntry, ExportError> {
    let plan = install::read_plan(generation)?;
    if let Some(source) = &plan.source {
        return Err(ExportError::OwnSource {
            env: plan.env.clone(),
            manifest: plan.manifest.clone(),
            place: source.place(),
        });
    }
    let lock = install::read_lock(generation)?;
    let python = lock
        .conda
        .iter()
        .map(|record| &record.package_record)
        .find(|record| record.name.as_normalized() == "python")
        .map(|record| record.version.to_string());
    Ok(LabEntry {
        name: LabEntry::name_of(&plan.env, plan.profile, &plan.backend),
        env: plan.env,
        profile: plan.profile,
        backend: plan.backend,
        platform: plan.subdir,
        python: python.unwrap_or(plan.python.preferred),
        requirements: plan.requirements.into_iter().chain(plan.bounds).collect(),
        lock,
    })
}

/// Returns the entries of the lab lock for an environment. Empty if there is no lab, no lock or no entry.
pub(crate) fn from_lab(lab: Option<&Lab>, env: &EnvName) -> Result<Vec<LabEntry>, ExportError> {
    let Some(lab) = lab else {
        return Ok(Vec::new());
    };
    let lock = LabLock::read(&lab.root)?.unwrap_or_default();
    Ok(lock.entries_of(env).cloned().collect())
}

/// Writes `entry` in that format. `python` is the interpreter for uv, if the machine's index has to be queried. A recipe also
/// copies the manifests of `lab`.
pub(crate) async fn export(
    ctx: &Context,
    lab: Option<&Lab>,
    entry: &LabEntry,
    format: Format,
    python: &Path,
) -> Result<String, ExportError> {
    if entry.lock.fallbacks.contains(&Fallback::HostPython) {
        return Err(ExportError::MachineBound { env: entry.env.clone() });
    }
    let has_manifests = lab.is_some_and(|lab| lab.manifests().is_some());
    match format {
        Format::EnvironmentYml => environment_yml::environment_yml(entry),
        Format::Explicit => Ok(explicit::explicit(entry)),
        Format::Pylock => {
            let uv = Uv::find(ctx, python, false).await?;
            let located = pypi::locations(ctx, &uv, python, minor(&entry.python), &entry.lock.pypi).await?;
            pylock::pylock(entry, &located)
        }
        Format::Requirements => Ok(requirements::requirements(entry)),
        Format::Dockerfile => recipe::dockerfile(entry, has_manifests),
        Format::Apptainer => recipe::apptainer(entry, has_manifests),
        Format::Cyclonedx => cyclonedx::sbom(entry, ctx.settings.variables.text("SOURCE_DATE_EPOCH")),
    }
}

/// Returns the minor version: `3.13` of `3.13.5`.
fn minor(python: &str) -> &str {
    let end = python.match_indices('.').nth(1).map_or(python.len(), |(at, _)| at);
    &python[..end]
}

/// Formats lines as comments for YAML, TOML, requirements lists and recipes.
fn comments(lines: &[String]) -> String {
    let marked: Vec<String> = lines.iter().map(|line| format!("# {line}")).collect();
    marked.join("\n") + "\n"
}

/// Returns the first comment line of every format.
fn headline(entry: &LabEntry) -> String {
    format!(
        "{} for {} and Python {}, written by matenv {}",
        entry.name,
        entry.platform,
        entry.python,
        env!("CARGO_PKG_VERSION")
    )
}

/// Lists the Python packages from conda, which are in no list of wheels.
fn pythons_by_conda(entry: &LabEntry) -> Vec<String> {
    let depends_on_python = |record: &PackageRecord| {
        let mut depends = record.depends.iter();
        depends.any(|spec| spec.split(' ').next() == Some("python"))
    };
    let records = entry.lock.conda.iter().map(|record| &record.package_record);
    let mut named: Vec<String> = records
        .filter(|record| record.noarch.is_python() || depends_on_python(record))
        .filter(|record| record.name.as_normalized() != "python_abi")
        .map(|record| format!("{} {}", record.name.as_normalized(), record.version))
        .collect();
    named.sort();
    named
}

/// Returns comment lines about packages that a list of wheels does not contain.
fn about_wheels(entry: &LabEntry) -> Vec<String> {
    let mut lines = vec![headline(entry)];
    let by_conda = pythons_by_conda(entry);
    if !by_conda.is_empty() {
        lines.push(format!("Installed by conda, not in this list: {}", by_conda.join(", ")));
    }
    let built: Vec<&str> = (entry.lock.pypi.wheels.iter())
        .filter(|wheel| wheel.is_sdist())
        .map(|wheel| wheel.name.as_str())
        .collect();
    if !built.is_empty() {
        let with: Vec<String> = (entry.lock.pypi.build.iter())
            .map(|wheel| format!("{} {}", wheel.name, wheel.version))
            .collect();
        lines.push(format!(
            "Built from source: {}; matenv builds with {}",
            built.join(", "),
            with.join(", ")
        ));
    }
    lines
}
