//! The format of a manifest file, before its strings are parsed, and the checks on it.

mod check;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    str::FromStr as _,
};

use pep440_rs::{Version, VersionSpecifiers};
use rattler_conda_types::{MatchSpec, ParseMatchSpecOptions};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{BuildException, Instead, PythonRange, SourceTree, Wanted};
use check::{RawCheck, checked};

use crate::{
    context::sources::SourceName,
    files::toml_file::{TomlError, TomlFile},
    names::{EnvName, HomePath, ProfileName, requirement},
};

// The doc comments here become the descriptions in the JSON Schema, which editors show.

/// A manifest of matenv: the definition of an environment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// Version of the file's schema. Only 1 is supported.
    #[schemars(with = "u32", extend("const" = 1))]
    schema: Spanned<u32>,
    /// Name of the environment: lowercase letters, digits, `.`, `_` and `-`.
    name: EnvName,
    /// A one-sentence description, also used for menu entries.
    description: String,
    /// Whether `matenv install` without a name installs it.
    #[serde(default)]
    default: bool,
    /// The supported profiles. Only `cpu` if omitted.
    #[serde(default = "cpu")]
    #[schemars(with = "Vec<ProfileName>")]
    profiles: Spanned<BTreeSet<ProfileName>>,
    /// Profiles that are replaced by another one, with the reason.
    #[serde(default)]
    instead: BTreeMap<ProfileName, Instead>,
    /// The command that `matenv launch` starts. Words are separated by spaces.
    #[schemars(with = "Option<String>")]
    launch: Option<Spanned<String>>,
    /// The Python versions.
    python: Python,
    /// The conda packages.
    conda: Conda,
    /// Required wheels, each with its reason.
    #[serde(default)]
    pypi: Vec<Pypi>,
    /// Distributions that exist only as an sdist and may be built. All others must be wheels.
    #[serde(default)]
    build: Vec<Build>,
    /// How the program is installed from a folder or a git repository (`--source`).
    source: Option<Tree>,
    /// Files that the folder of a trained model contains (`--model-dir`).
    #[serde(default)]
    model_files: Vec<String>,
    /// Files and folders in which the program keeps its settings, such as `~/.sleap`. They are saved with each
    /// generation, and `matenv rollback --with-settings` restores them.
    #[serde(default)]
    #[schemars(with = "Vec<HomePath>")]
    settings: Vec<Spanned<String>>,
    /// Checks that prove the environment.
    #[serde(default, rename = "probe")]
    #[schemars(with = "Vec<RawCheck>")]
    probes: Vec<Spanned<RawCheck>>,
    /// Checks that prove it with a trained model (`--model-dir`), in order.
    #[serde(default)]
    #[schemars(with = "Vec<RawCheck>")]
    smoke: Vec<Spanned<RawCheck>>,
}

/// The Python versions that the environment supports.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Python {
    /// The preferred minor version, such as `3.13`.
    #[schemars(with = "String")]
    preferred: Spanned<String>,
    /// The supported versions, such as `>=3.11,<3.14`.
    #[schemars(with = "String")]
    supported: Spanned<String>,
}

/// The conda packages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Conda {
    /// The channels. Only `conda-forge` is supported.
    #[schemars(with = "Vec<SourceName>")]
    channels: Spanned<Vec<SourceName>>,
    /// Match specs other than Python, such as `pip` or `ffmpeg >=6`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    packages: Vec<Spanned<String>>,
}

/// A requirement with its reason.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pypi {
    /// PEP 508 text without extras, such as `numpy>=2`.
    #[schemars(with = "String")]
    requirement: Spanned<String>,
    /// Extras by profile.
    #[serde(default)]
    extras: BTreeMap<ProfileName, Vec<String>>,
    /// The profiles that require it. All profiles if omitted.
    #[serde(default)]
    profiles: BTreeSet<ProfileName>,
    /// The CUDA majors that require it, such as 12. If omitted, it is always required, even without CUDA.
    #[serde(default)]
    cuda: BTreeSet<u32>,
    /// The source: `pypi`, `torch` or `nvidia`.
    #[serde(default = "pypi")]
    #[schemars(with = "SourceName", extend("default" = "pypi"))]
    source: Spanned<SourceName>,
    /// The reason for the requirement and for its bounds.
    because: String,
}

fn cpu() -> Spanned<BTreeSet<ProfileName>> {
    Spanned::new(0..0, BTreeSet::from([ProfileName::Cpu]))
}

fn pypi() -> Spanned<SourceName> {
    Spanned::new(0..0, SourceName::Pypi)
}

/// A distribution that exists only as an sdist and may be built.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Build {
    /// Name of the distribution.
    #[schemars(with = "String")]
    package: Spanned<String>,
    /// Build requirements, as PEP 508 texts.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    requires: Vec<Spanned<String>>,
    /// The profiles that need it. All profiles if omitted.
    #[serde(default)]
    profiles: BTreeSet<ProfileName>,
    /// The CUDA majors that need it, such as 12. If omitted, it is always needed, even without CUDA.
    #[serde(default)]
    cuda: BTreeSet<u32>,
    /// The reason why there is no wheel.
    because: String,
}

/// How a program is installed from its source instead of a released wheel (`--source`).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tree {
    /// The distribution that the source belongs to. It replaces the requirement of that name.
    #[schemars(with = "String")]
    package: Spanned<String>,
    /// Build requirements, pinned by hash when the environment is resolved.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    build_requires: Vec<Spanned<String>>,
    /// For source trees that are not a Python project: scripts that may start the program.
    #[serde(default)]
    scripts: Vec<String>,
    /// For such trees: the name of the command that starts the script.
    command: String,
    /// For such trees: requirements files by profile.
    #[serde(default)]
    requirements: BTreeMap<ProfileName, Vec<String>>,
    /// For such trees: distributions that exist only as an sdist in the versions that those files pin.
    #[serde(default)]
    sdists: Vec<String>,
}

impl Manifest {
    pub(super) fn checked(self, file: &TomlFile) -> Result<super::Manifest, TomlError> {
        if *self.schema.get_ref() != 1 {
            return Err(file.error(Some(self.schema.span()), "`schema` must be 1, the only version so far"));
        }
        if let Some(launch) = &self.launch
            && launch.get_ref().trim().is_empty()
        {
            return Err(file.error(
                Some(launch.span()),
                "`launch` is empty: set a command or remove the key",
            ));
        }
        let profiles = self.profiles.get_ref();
        let invalid = self
            .instead
            .iter()
            .find(|(name, instead)| profiles.contains(name) || !profiles.contains(&instead.profile));
        if let Some((name, instead)) = invalid {
            let fault = format!(
                "`instead.{name}`: `profiles` must contain {} and must not contain {name}",
                instead.profile
            );
            return Err(file.error(Some(self.profiles.span()), fault));
        }
        let channels = self.conda.channels;
        if channels.get_ref().iter().any(|name| *name != SourceName::CondaForge) {
            return Err(file.error(
                Some(channels.span()),
                "`conda.channels` may contain only `conda-forge`: the other sources are wheel indexes",
            ));
        }
        let conda = self.conda.packages;
        for spec in &conda {
            MatchSpec::from_str(spec.get_ref(), ParseMatchSpecOptions::strict()).map_err(|error| {
                file.error(
                    Some(spec.span()),
                    format!("`conda.packages`: not a match spec: {error}"),
                )
            })?;
        }
        let pypi: Vec<Wanted> = self
            .pypi
            .into_iter()
            .map(|row| row.checked(file))
            .collect::<Result<_, _>>()?;
        let build = self
            .build
            .into_iter()
            .map(|row| row.checked(file))
            .collect::<Result<_, _>>()?;
        let source = self.source.map(|tree| tree.checked(&pypi, file)).transpose()?;
        let settings = home_paths(&self.settings, file)?;
        let checks = |key: &'static str, rows: Vec<Spanned<RawCheck>>| {
            rows.into_iter()
                .map(|row| checked(key, row, file))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(super::Manifest {
            name: self.name,
            description: self.description,
            default: self.default,
            profiles: self.profiles.into_inner(),
            instead: self.instead,
            launch: self.launch.map(Spanned::into_inner),
            python: self.python.checked(file)?,
            channels: channels.into_inner(),
            conda: conda.into_iter().map(Spanned::into_inner).collect(),
            pypi,
            build,
            source,
            probes: checks("probe", self.probes)?,
            smoke: checks("smoke", self.smoke)?,
            model_files: self.model_files,
            settings,
        })
    }
}

fn home_paths(texts: &[Spanned<String>], file: &TomlFile) -> Result<Vec<HomePath>, TomlError> {
    let mut paths: Vec<HomePath> = Vec::new();
    for text in texts {
        let path = text
            .get_ref()
            .parse()
            .map_err(|error| file.error(Some(text.span()), format!("`settings`: {error}")))?;
        let inside =
            |one: &HomePath, other: &HomePath| one.below(Path::new("")).starts_with(other.below(Path::new("")));
        if let Some(other) = paths.iter().find(|other| inside(&path, other) || inside(other, &path)) {
            let fault = format!("`settings`: {path} and {other} are the same or one contains the other");
            return Err(file.error(Some(text.span()), fault));
        }
        paths.push(path);
    }
    Ok(paths)
}

impl Python {
    fn checked(self, file: &TomlFile) -> Result<PythonRange, TomlError> {
        let preferred = Version::from_str(self.preferred.get_ref())
            .map_err(|error| file.error(Some(self.preferred.span()), format!("`python.preferred`: {error}")))?;
        let supported = VersionSpecifiers::from_str(self.supported.get_ref())
            .map_err(|error| file.error(Some(self.supported.span()), format!("`python.supported`: {error}")))?;
        if preferred.release().len() != 2 || !supported.contains(&preferred) {
            return Err(file.error(
                Some(self.preferred.span()),
                format!(
                    "`python.preferred` must be a minor version, such as \"3.13\", within `python.supported` ({supported})"
                ),
            ));
        }
        Ok(PythonRange {
            preferred: self.preferred.into_inner(),
            supported: self.supported.into_inner(),
        })
    }
}

impl Pypi {
    fn checked(self, file: &TomlFile) -> Result<Wanted, TomlError> {
        let span = self.requirement.span();
        let parsed = parse_requirement(&self.requirement, "pypi.requirement", file)?;
        if !parsed.extras.is_empty() {
            return Err(file.error(
                Some(span),
                "`pypi.requirement` must not have extras: list them by profile in `extras`",
            ));
        }
        if requirement::has_url(&parsed) {
            return Err(file.error(Some(span), "`pypi.requirement` must not be a URL: set `source`"));
        }
        if !self.profiles.is_empty()
            && let Some(profile) = self.extras.keys().find(|profile| !self.profiles.contains(profile))
        {
            return Err(file.error(
                Some(span),
                format!("`extras.{profile}` is never used: `profiles` does not contain {profile}"),
            ));
        }
        if *self.source.get_ref() == SourceName::CondaForge {
            return Err(file.error(
                Some(self.source.span()),
                "`pypi.source` must be a wheel index: `pypi`, `torch` or `nvidia`",
            ));
        }
        Ok(Wanted {
            requirement: self.requirement.into_inner(),
            extras: self.extras,
            profiles: self.profiles,
            cuda: self.cuda,
            source: self.source.into_inner(),
            because: self.because,
        })
    }
}

impl Build {
    fn checked(self, file: &TomlFile) -> Result<BuildException, TomlError> {
        pep508_rs::PackageName::from_str(self.package.get_ref())
            .map_err(|error| file.error(Some(self.package.span()), format!("`build.package`: {error}")))?;
        for requirement in &self.requires {
            parse_requirement(requirement, "build.requires", file)?;
        }
        Ok(BuildException {
            package: self.package.into_inner(),
            requires: self.requires.into_iter().map(Spanned::into_inner).collect(),
            profiles: self.profiles,
            cuda: self.cuda,
            because: self.because,
        })
    }
}

impl Tree {
    fn checked(self, pypi: &[Wanted], file: &TomlFile) -> Result<SourceTree, TomlError> {
        let asked =
            |wanted: &Wanted| requirement::package_of(&wanted.requirement).as_ref() == Some(self.package.get_ref());
        if !pypi.iter().any(asked) {
            return Err(file.error(
                Some(self.package.span()),
                format!(
                    "`source.package`: no `[[pypi]]` entry requires `{}`",
                    self.package.get_ref()
                ),
            ));
        }
        for requirement in &self.build_requires {
            parse_requirement(requirement, "source.build_requires", file)?;
        }
        let is_name = |text: &str| !text.is_empty() && !text.contains(['/', '\\']) && text != "..";
        let inside = |text: &str| text.split('/').all(is_name);
        if !is_name(&self.command) || !self.scripts.iter().all(|script| inside(script)) {
            return Err(file.error(
                Some(self.package.span()),
                "`source.command` must be a name, and `source.scripts` must be paths inside the source tree",
            ));
        }
        Ok(SourceTree {
            package: self.package.into_inner(),
            build_requires: self.build_requires.into_iter().map(Spanned::into_inner).collect(),
            scripts: self.scripts,
            command: self.command,
            requirements: self.requirements,
            sdists: self.sdists,
        })
    }
}

fn parse_requirement(
    text: &Spanned<String>,
    key: &str,
    file: &TomlFile,
) -> Result<requirement::Requirement, TomlError> {
    requirement::parse(text.get_ref()).map_err(|fault| {
        file.error(
            Some(text.span()),
            format!("`{key}`: not a PEP 508 requirement: {fault}"),
        )
    })
}
