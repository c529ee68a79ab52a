//! Manifests: what an environment is.
//!
//! In: a TOML file of `manifests/`, built in or from a folder. Out: a [`Manifest`] in which every match spec and
//! every requirement has been parsed once. Absent on purpose: choices. Profiles and hardware meet in [`crate::plan`].

pub mod checkout;
mod form;
pub mod lab;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use pep440_rs::{Version, VersionSpecifiers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    context::sources::SourceName,
    files::toml_file::{TomlError, TomlFile},
    names::{EnvName, ProfileName, closest},
    profile::Needs,
};

/// The manifests in the binary, by file name.
const BUILT_IN: &[(&str, &str)] = &[
    ("runtime.toml", include_str!("../../manifests/runtime.toml")),
    ("sleap.toml", include_str!("../../manifests/sleap.toml")),
    ("x-anylabeling.toml", include_str!("../../manifests/x-anylabeling.toml")),
];

/// The manifests in the binary: file names and texts.
pub(crate) fn built_in() -> &'static [(&'static str, &'static str)] {
    BUILT_IN
}

/// Why a manifest is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is at fault.
    #[error(transparent)]
    Toml(Box<TomlError>),
    /// The folder or file could not be read.
    #[error("cannot read the manifests")]
    Read(#[source] std::io::Error),
    /// No manifest has that name.
    #[error("there is no environment `{asked}`")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// The closest name that there is.
        similar: Option<String>,
        /// Every name that there is.
        known: Vec<String>,
    },
}

impl From<TomlError> for ManifestError {
    fn from(error: TomlError) -> Self {
        Self::Toml(Box::new(error))
    }
}

/// What an environment is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// Its name.
    pub name: EnvName,
    /// One sentence.
    pub description: String,
    /// Whether a bare `install` makes it.
    pub default: bool,
    /// The profiles that it is made for.
    pub profiles: BTreeSet<ProfileName>,
    /// Profiles that mean another one here.
    pub instead: BTreeMap<ProfileName, Instead>,
    /// The command that opens its program; words are separated by spaces.
    pub launch: Option<String>,
    /// Which Python it wants.
    pub python: PythonRange,
    /// Sources of conda packages, in order.
    pub channels: Vec<SourceName>,
    /// conda packages beside Python.
    pub conda: Vec<String>,
    /// Wheels that it asks for.
    pub pypi: Vec<Wanted>,
    /// Distributions that may be built from source.
    pub build: Vec<BuildException>,
    /// How its program is made from a folder or a git repository (`--source`).
    pub source: Option<SourceTree>,
    /// What proves it.
    pub probes: Vec<Check>,
    /// What proves it on a trained model (`--model-dir`), in order.
    pub smoke: Vec<Check>,
    /// Files that a trained model's folder holds.
    pub model_files: Vec<String>,
}

/// What a profile means where a manifest has nothing of its own for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instead {
    /// The profile that is taken.
    pub profile: ProfileName,
    /// Why.
    pub because: String,
}

/// The Pythons that a manifest supports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PythonRange {
    /// The minor version to take if there is a choice, such as `3.13`.
    pub preferred: String,
    /// The supported versions, such as `>=3.11,<3.14`.
    pub supported: String,
}

impl PythonRange {
    /// Whether `version` is supported.
    #[must_use]
    pub fn supports(&self, version: &Version) -> bool {
        VersionSpecifiers::from_str(&self.supported).is_ok_and(|range| range.contains(version))
    }
}

/// A requirement with the reason why it stands there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The requirement as PEP 508 text, without extras.
    pub requirement: String,
    /// Extras by profile.
    #[serde(default)]
    pub extras: BTreeMap<ProfileName, Vec<String>>,
    /// The profiles that want it; empty means all.
    #[serde(default)]
    pub profiles: BTreeSet<ProfileName>,
    /// The CUDA majors that want it; empty means all, and no CUDA too.
    #[serde(default)]
    pub cuda: BTreeSet<u32>,
    /// Where it comes from.
    pub source: SourceName,
    /// Why it stands there.
    pub because: String,
}

/// A distribution that exists only as an sdist and may be built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildException {
    /// Its name.
    pub package: String,
    /// What its build needs, pinned by hash when the environment is resolved.
    pub requires: Vec<String>,
    /// The profiles that need it; empty means all.
    #[serde(default)]
    pub profiles: BTreeSet<ProfileName>,
    /// The CUDA majors that need it; empty means all, and no CUDA too.
    #[serde(default)]
    pub cuda: BTreeSet<u32>,
    /// Why there is no wheel.
    pub because: String,
}

/// How a program is made from its source instead of a released wheel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceTree {
    /// The distribution that the source is of; it takes the place of the requirement of that name.
    pub package: String,
    /// What its build needs, pinned by hash when the environment is resolved.
    pub build_requires: Vec<String>,
    /// In trees without a `pyproject.toml` of their own: the scripts that may start the program, the first that is there.
    pub scripts: Vec<String>,
    /// In such trees: the name of the command that starts the script.
    pub command: String,
    /// In such trees: requirements files by profile.
    pub requirements: BTreeMap<ProfileName, Vec<String>>,
    /// In such trees: distributions that exist only as an sdist in the versions that those files pin.
    pub sdists: Vec<String>,
}

/// Something to run inside the environment that proves a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, in the certificate and in messages.
    pub name: String,
    /// Python code to run; exit code 0 means proven, what it prints is kept.
    pub python: Option<String>,
    /// A command to run, by name from the environment's own folder. `{model_dir}`, `{work_dir}` are filled in.
    pub command: Option<Vec<String>>,
    /// Variables to set.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Seconds that it may take.
    pub timeout_s: u64,
    /// The profiles that want it; empty means all.
    #[serde(default)]
    pub profiles: BTreeSet<ProfileName>,
    /// It opens a window: a library that only the operating system can bring is a warning if it is missing.
    #[serde(default)]
    pub window: bool,
    /// It fits a program that is started as a script too (`--source` of an older tree).
    #[serde(default = "yes")]
    pub scripts: bool,
    /// A model in `{work_dir}` that it leaves and that the bench times. Beside `NAME.onnx` it may leave
    /// `NAME.shapes.json`: shapes by input name.
    pub produces: Option<String>,
    /// ONNX Runtime's execution provider that it is about: where the plan has none of it, it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The hardware that it needs: where that is absent it is skipped.
    #[serde(default, skip_serializing_if = "Needs::is_nothing")]
    pub needs: Needs,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Read a manifest.
    ///
    /// # Errors
    /// The file is at fault; the error says where.
    pub fn parse(file: &TomlFile) -> Result<Self, TomlError> {
        file.parse::<form::Manifest>()?.checked(file)
    }

    /// Whether the environment of a profile has torch.
    #[must_use]
    pub fn has_torch(&self, profile: ProfileName) -> bool {
        self.pypi.iter().any(|wanted| {
            let here = wanted.profiles.is_empty() || wanted.profiles.contains(&profile);
            here && crate::names::requirement::name_of(&wanted.requirement) == "torch"
        })
    }
}

/// The JSON Schema of a manifest's file.
#[must_use]
pub fn schema(generator: schemars::SchemaGenerator) -> schemars::Schema {
    generator.into_root_schema_for::<form::Manifest>()
}

/// The manifests at hand, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests(BTreeMap<EnvName, Manifest>);

impl Manifests {
    /// The built-in ones, or those of `folder` if one is given.
    ///
    /// # Errors
    /// A file that cannot be read or is at fault.
    pub fn load(folder: Option<&Path>) -> Result<Self, ManifestError> {
        let files = match folder {
            None => BUILT_IN
                .iter()
                .map(|(name, text)| TomlFile::new(format!("built-in: manifests/{name}"), *text))
                .collect(),
            Some(folder) => read_folder(folder).map_err(ManifestError::Read)?,
        };
        let mut manifests = BTreeMap::new();
        for file in files {
            let manifest = Manifest::parse(&file)?;
            manifests.insert(manifest.name.clone(), manifest);
        }
        Ok(Self(manifests))
    }

    /// The manifest of that name.
    ///
    /// # Errors
    /// There is none; the error names the closest one.
    pub fn get(&self, name: &str) -> Result<&Manifest, ManifestError> {
        self.0
            .values()
            .find(|manifest| manifest.name.as_str() == name)
            .ok_or_else(|| ManifestError::Unknown {
                asked: name.to_owned(),
                similar: closest(name, self.0.keys().map(EnvName::as_str)).map(ToOwned::to_owned),
                known: self.0.keys().map(ToString::to_string).collect(),
            })
    }

    /// Those of `names`, each once, or the default ones if there are none.
    ///
    /// # Errors
    /// A name that no manifest has.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Manifest>, ManifestError> {
        if names.is_empty() {
            return Ok(self.iter().filter(|manifest| manifest.default).collect());
        }
        let mut selected: Vec<&Manifest> = Vec::new();
        for name in names {
            let manifest = self.get(name)?;
            if selected.iter().all(|known| known.name != manifest.name) {
                selected.push(manifest);
            }
        }
        Ok(selected)
    }

    /// Every manifest.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.0.values()
    }
}

fn read_folder(folder: &Path) -> std::io::Result<Vec<TomlFile>> {
    let mut paths: Vec<PathBuf> = fs_err::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    paths
        .into_iter()
        .map(|path| Ok(TomlFile::new(&path, fs_err::read_to_string(&path)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"schema = 1
name = "demo"
description = "A demo"
[python]
preferred = "3.13"
supported = ">=3.11,<3.14"
[conda]
channels = ["conda-forge"]
packages = ["pip"]
[[pypi]]
requirement = "numpy>=2"
because = "arrays"
"#;

    fn parse(text: &str) -> Result<Manifest, TomlError> {
        Manifest::parse(&TomlFile::new("demo.toml", text))
    }

    fn refused(text: &str) -> String {
        parse(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    }

    #[test]
    fn the_built_in_manifests_are_sound() {
        let manifests = Manifests::load(None).expect("sound");
        let names: Vec<_> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
        assert_eq!(names, ["runtime", "sleap", "x-anylabeling"]);
        assert!(manifests.iter().all(|manifest| !manifest.probes.is_empty()));
    }

    #[test]
    fn each_fault_names_file_line_and_key() {
        assert!(parse(GOOD).is_ok());
        insta::assert_snapshot!(refused(&GOOD.replace("packages", "pakages")), @"demo.toml:9: unknown field `pakages`, expected `channels` or `packages`");
        insta::assert_snapshot!(refused(&GOOD.replace("\"pip\"", "\"pip >= <2\"")), @"demo.toml:9: `conda.packages`: not a match spec: unable to parse version spec: >= <2");
        insta::assert_snapshot!(refused(&GOOD.replace("numpy>=2", "numpy>=>2")), @r#"demo.toml:11: `pypi.requirement`: not a PEP 508 requirement: no such comparison operator ">=>", must be one of ~= == != <= >= < > ==="#);
        insta::assert_snapshot!(refused(&GOOD.replace("\"3.13\"", "\"3.14\"")), @r#"demo.toml:5: `python.preferred` must be a minor version, such as "3.13", within `python.supported` (>=3.11, <3.14)"#);
        insta::assert_snapshot!(refused(&GOOD.replace("because", "source = \"conda-forge\"\nbecause")), @"demo.toml:12: `pypi.source` must be a wheel index: `pypi`, `torch` or `nvidia`");
        insta::assert_snapshot!(refused(&GOOD.replace("numpy>=2", "numpy[x]>=2")), @"demo.toml:11: `pypi.requirement` must not have extras: name them by profile in `extras`");
        insta::assert_snapshot!(refused(&GOOD.replace("[python]", "launch = \" \"\n[python]")), @"demo.toml:4: `launch` is empty: name a command, or leave it out");
        insta::assert_snapshot!(refused(&format!("{GOOD}[[probe]]\nname = \"nothing\"\n")), @r#"demo.toml:13: `probe` "nothing" needs either `python` or `command`"#);
    }

    #[test]
    fn a_check_says_what_hardware_it_needs() {
        let probe = "[[probe]]\nname = \"gpu\"\npython = \"import torch\"\n";
        let without = parse(&format!("{GOOD}{probe}")).expect("sound");
        assert_eq!(without.probes[0].needs, Needs::Nothing);
        let with = parse(&format!("{GOOD}{probe}needs = \"nvidia\"\n")).expect("sound");
        assert_eq!(with.probes[0].needs, Needs::Nvidia);
        let kept = serde_json::to_string(&without.probes[0]).expect("JSON");
        // Plans that were kept before there was such a field keep their fingerprint.
        assert!(!kept.contains("needs"), "{kept}");
    }

    #[test]
    fn an_unknown_environment_names_the_closest() {
        let manifests = Manifests::load(None).expect("sound");
        let Err(ManifestError::Unknown { similar, .. }) = manifests.get("sleep") else {
            panic!("`sleep` was found");
        };
        assert_eq!(similar.as_deref(), Some("sleap"));
    }
}
