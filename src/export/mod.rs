//! Export: the packages of an environment in the words of another tool.
//!
//! In: a [`LabEntry`], from an installed generation ([`from_generation`]) or a lab's lock. Out: text, one room a format.
//! Each is a pure function; only a pylock asks the machine's index where its files lie ([`crate::packages::pypi::locations`]).
//! Absent on purpose: what matenv adds to a prefix beside packages (activation, the hook that finds CUDA's libraries,
//! the proof). What another tool makes of an export is not proven.

pub mod ci;
mod cyclonedx;
mod environment_yml;
mod explicit;
#[cfg(test)]
mod made;
mod pylock;
mod recipe;
mod requirements;
mod select;
mod services;

pub use select::{Wanted, select};

use std::path::Path;

use rattler_conda_types::PackageRecord;
use serde::Serialize;

use crate::{
    context::Context,
    files::layout,
    install::{self, InstallError},
    lock::{Fallback, LabEntry, LabLock, Lock, LockError},
    manifest::lab::Lab,
    names::EnvName,
    packages::pypi::{self, PypiError, Uv, UvError},
    store::Generation,
};

/// A format that other tools read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
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

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The environment stands on the machine's Python.
    #[error(
        "`{env}` stands on this machine's own Python (fallback host-python), whose conda package is of use nowhere else"
    )]
    MachineBound {
        /// The environment.
        env: EnvName,
    },
    /// The program comes from a folder or a repository.
    #[error("the program of `{env}` comes from {place}, and no package says so")]
    OwnSource {
        /// The environment.
        env: EnvName,
        /// Its manifest.
        manifest: EnvName,
        /// The folder or the URL.
        place: String,
    },
    /// Nothing fits the options.
    #[error("`{env}` is not there for {wanted}; there is {there}")]
    NoSuch {
        /// The environment.
        env: EnvName,
        /// What the options ask for.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// Several fit the options.
    #[error("`{env}` is there more than once: {there}")]
    Ambiguous {
        /// The environment.
        env: EnvName,
        /// What there is.
        there: String,
    },
    /// A recipe for a platform that containers are not made for.
    #[error("there are no containers for {platform}")]
    NoContainer {
        /// conda's name of it.
        platform: String,
    },
    /// The index no longer lists a locked file.
    #[error("the index lists no file of `{package}` {version} whose SHA-256 is {sha256}")]
    NotListed {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// The hash in the lock.
        sha256: String,
    },
    /// `SOURCE_DATE_EPOCH` is no time.
    #[error("SOURCE_DATE_EPOCH is `{given}`, which is no number of seconds since 1970")]
    Epoch {
        /// What it holds.
        given: String,
    },
    /// What is locked cannot be written in that format.
    #[error("the packages cannot be written in this format: {0}")]
    Form(String),
    /// The environment's lock cannot be read.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The environment's records cannot be read.
    #[error(transparent)]
    Records(Box<InstallError>),
    /// There is no uv to ask the index with.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// The index cannot be asked.
    #[error(transparent)]
    Pypi(#[from] PypiError),
}

/// What is installed in a generation, as an entry of a lock.
pub fn from_generation(generation: &Generation) -> Result<LabEntry, ExportError> {
    let plan = install::kept_plan(generation).map_err(|error| ExportError::Records(Box::new(error)))?;
    if let Some(source) = &plan.source {
        return Err(ExportError::OwnSource {
            env: plan.env.clone(),
            manifest: plan.manifest.clone(),
            place: source.place(),
        });
    }
    let lock = Lock::read(&layout::records(&generation.prefix))?;
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

/// What the lab's lock has of an environment; empty if there is no lab, no lock or nothing of it.
pub fn from_lab(lab: Option<&Lab>, env: &EnvName) -> Result<Vec<LabEntry>, ExportError> {
    let Some(lab) = lab else {
        return Ok(Vec::new());
    };
    let lock = LabLock::read(&lab.root)?.unwrap_or_default();
    Ok(lock.of(env).cloned().collect())
}

/// `entry` in that format. `python` runs uv where the machine's index has to be asked. A recipe copies the manifests of `lab`.
pub async fn export(
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

/// `3.13` of `3.13.5`.
fn minor(python: &str) -> &str {
    let end = python.match_indices('.').nth(1).map_or(python.len(), |(at, _)| at);
    &python[..end]
}

/// Lines as comments of YAML, TOML, requirements lists and recipes.
fn comments(lines: &[String]) -> String {
    let marked: Vec<String> = lines.iter().map(|line| format!("# {line}")).collect();
    marked.join("\n") + "\n"
}

/// The first line of every comment.
fn headline(entry: &LabEntry) -> String {
    format!(
        "{} for {} and Python {}, written by matenv {}",
        entry.name,
        entry.platform,
        entry.python,
        env!("CARGO_PKG_VERSION")
    )
}

/// The Python packages that conda brings: they are in no list of wheels.
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

/// What a list of wheels does not say, as lines of comments.
fn about_wheels(entry: &LabEntry) -> Vec<String> {
    let mut lines = vec![headline(entry)];
    let by_conda = pythons_by_conda(entry);
    if !by_conda.is_empty() {
        lines.push(format!("From conda, and not in this list: {}", by_conda.join(", ")));
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
