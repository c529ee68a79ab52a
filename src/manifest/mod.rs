//! Manifests: the definitions of environments.
//!
//! Input: a TOML file of `manifests/`, built in or from a folder. Output: a [`Manifest`] in which every match spec and
//! every requirement is valid. This module does not choose anything. [`crate::plan`] combines manifests
//! with profiles and hardware.

pub(crate) mod checkout;
mod format;
pub(crate) mod lab;

use crate::{
    context::sources::SourceName,
    files::toml_file::{TomlError, TomlFile},
    input::{self, Input},
    names::{EnvName, ExecutionProvider, HomePath, ProfileName, closest},
    profile::Needs,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use pep440_rs::{Version, VersionSpecifiers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The built-in manifests: file names and texts.
const BUILT_IN: &[(&str, &str)] = &[
    ("runtime.toml", include_str!("../../manifests/runtime.toml")),
    ("sleap.toml", include_str!("../../manifests/sleap.toml")),
    ("x-anylabeling.toml", include_str!("../../manifests/x-anylabeling.toml")),
];

/// Returns the built-in manifests: file names and texts.
pub(crate) fn built_in() -> &'static [(&'static str, &'static str)] {
    BUILT_IN
}

/// An error while loading a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is invalid.
    #[error(transparent)]
    Toml(Box<TomlError>),
    /// The folder or file could not be read.
    #[error("failed to read the manifests")]
    Read(#[source] std::io::Error),
    /// No manifest has that name.
    #[error("unknown environment `{asked}`")]
    Unknown {
        /// The requested name.
        asked: String,
        /// The closest known name.
        similar: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
}

impl From<TomlError> for ManifestError {
    fn from(error: TomlError) -> Self {
        Self::Toml(Box::new(error))
    }
}

/// The definition of an environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Manifest {
    /// The name.
    pub name: EnvName,
    /// A one-sentence description.
    pub description: String,
    /// Whether `matenv install` without a name installs it.
    pub default: bool,
    /// The supported profiles.
    pub profiles: BTreeSet<ProfileName>,
    /// Profiles that are replaced by another one.
    pub instead: BTreeMap<ProfileName, Instead>,
    /// The command that starts the program. Words are separated by spaces.
    pub launch: Option<String>,
    /// The Python versions.
    pub python: PythonRange,
    /// The conda channels, in order of priority.
    pub channels: Vec<SourceName>,
    /// Match specs of conda packages other than Python.
    pub conda: Vec<String>,
    /// Required wheels.
    pub pypi: Vec<Wanted>,
    /// Distributions that may be built from source.
    pub build: Vec<BuildException>,
    /// How the program is installed from a folder or a git repository (`--source`).
    pub source: Option<SourceTree>,
    /// Checks that prove the environment.
    pub probes: Vec<Check>,
    /// Checks that prove it with a trained model (`--model-dir`), in order.
    pub smoke: Vec<Check>,
    /// Files that the folder of a trained model contains.
    pub model_files: Vec<String>,
    /// Files and folders in the home folder in which the program keeps its settings.
    pub settings: Vec<HomePath>,
}

/// The replacement for a profile that a manifest does not support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instead {
    /// The profile that is used instead.
    pub profile: ProfileName,
    /// The reason.
    pub because: String,
}

/// The Python versions that a manifest supports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PythonRange {
    /// The preferred minor version, such as `3.13`.
    pub preferred: String,
    /// The supported versions, such as `>=3.11,<3.14`.
    pub supported: String,
}

impl PythonRange {
    /// Returns whether `version` is supported.
    #[must_use]
    pub fn supports(&self, version: &Version) -> bool {
        VersionSpecifiers::from_str(&self.supported).is_ok_and(|range| range.contains(version))
    }
}

/// A requirement with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The requirement as PEP 508 text, without extras.
    pub requirement: String,
    /// Extras by profile.
    #[serde(default)]
    pub extras: BTreeMap<ProfileName, Vec<String>>,
    /// The profiles that require it. Empty means all.
    #[serde(default)]
    pub profiles: BTreeSet<ProfileName>,
    /// The CUDA majors that require it. Empty means always, even without CUDA.
    #[serde(default)]
    pub cuda: BTreeSet<u32>,
    /// The source of the wheel.
    pub source: SourceName,
    /// The reason for the requirement.
    pub because: String,
}

/// A distribution that exists only as an sdist and may be built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildException {
    /// Name of the distribution.
    pub package: String,
    /// Build requirements, pinned by hash when the environment is resolved.
    pub requires: Vec<String>,
    /// The profiles that need it. Empty means all.
    #[serde(default)]
    pub profiles: BTreeSet<ProfileName>,
    /// The CUDA majors that need it. Empty means always, even without CUDA.
    #[serde(default)]
    pub cuda: BTreeSet<u32>,
    /// The reason why there is no wheel.
    pub because: String,
}

/// How a program is installed from its source instead of a released wheel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SourceTree {
    /// The distribution that the source belongs to. It replaces the requirement of that name.
    pub package: String,
    /// Build requirements, pinned by hash when the environment is resolved.
    pub build_requires: Vec<String>,
    /// For source trees that are not a Python project: scripts that may start the program. The first existing one
    /// is used.
    pub scripts: Vec<String>,
    /// For such trees: the name of the command that starts the script.
    pub command: String,
    /// For such trees: requirements files by profile.
    pub requirements: BTreeMap<ProfileName, Vec<String>>,
    /// For such trees: distributions that exist only as an sdist in the versions that those files pin.
    pub sdists: Vec<String>,
}

/// A check that runs inside the environment and proves a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Name of the check in the certificate and in messages.
    pub name: String,
    /// Python code to run. Exit code 0 means proven. Its output is kept.
    pub python: Option<String>,
    /// A command of the environment to run. `{model_dir}` and `{work_dir}` are replaced.
    pub command: Option<Vec<String>>,
    /// Environment variables to set.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Time limit in seconds.
    pub timeout_s: u64,
    /// The profiles that run this check. Empty means all.
    #[serde(default)]
    pub profiles: BTreeSet<ProfileName>,
    /// Whether the check opens a window. If it fails because a library of the operating system is missing, that
    /// is only a warning.
    #[serde(default)]
    pub window: bool,
    /// Whether the check also works for a program that is started as a script (`--source` of an older source tree).
    #[serde(default = "yes")]
    pub scripts: bool,
    /// A model that the check writes to `{work_dir}` and that the benchmark runs. With `NAME.onnx` it may also write
    /// `NAME.shapes.json`, which maps input names to shapes.
    pub produces: Option<String>,
    /// The ONNX Runtime execution provider that it tests. The check is left out if the plan does not use this
    /// provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ExecutionProvider>,
    /// The hardware that the check needs. Without it, the check is skipped.
    #[serde(default, skip_serializing_if = "Needs::is_nothing")]
    pub needs: Needs,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Parses a manifest.
    ///
    /// # Errors
    /// The file is invalid. The error names the line.
    pub(crate) fn parse(file: &TomlFile) -> Result<Self, TomlError> {
        file.parse::<format::Manifest>()?.checked(file)
    }

    /// Returns whether the environment of a profile has torch.
    #[must_use]
    pub(crate) fn has_torch(&self, profile: ProfileName) -> bool {
        self.pypi.iter().any(|wanted| {
            let here = wanted.profiles.is_empty() || wanted.profiles.contains(&profile);
            here && crate::names::requirement::name_of(&wanted.requirement) == "torch"
        })
    }
}

/// Returns the JSON Schema of a manifest file.
#[must_use]
pub(crate) fn schema(generator: schemars::SchemaGenerator) -> schemars::Schema {
    generator.into_root_schema_for::<format::Manifest>()
}

/// The available manifests, by name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifests(BTreeMap<EnvName, Manifest>);

impl Manifests {
    /// Loads the manifests of `folder`, or the built-in ones if it is `None`.
    ///
    /// # Errors
    /// A file cannot be read or is invalid.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, ManifestError> {
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

    /// Returns the manifest of that name.
    ///
    /// # Errors
    /// The name is unknown. The error contains the closest known name.
    pub(crate) fn get(&self, name: &str) -> Result<&Manifest, ManifestError> {
        self.0
            .values()
            .find(|manifest| manifest.name.as_str() == name)
            .ok_or_else(|| ManifestError::Unknown {
                asked: name.to_owned(),
                similar: closest(name, self.0.keys().map(EnvName::as_str)).map(ToOwned::to_owned),
                known: self.0.keys().map(ToString::to_string).collect(),
            })
    }

    /// Returns the manifests of `names`, each once, or the default manifests if `names` is empty.
    ///
    /// # Errors
    /// A name is unknown.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&Manifest>, ManifestError> {
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

    /// Returns all manifests.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Manifest> {
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
        .map(|path| Ok(TomlFile::new(&path, input::read_text(&path, Input::Definition)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptests;

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
    fn the_built_in_manifests_are_valid() {
        let manifests = Manifests::load(None).expect("valid");
        let names: Vec<_> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
        assert_eq!(names, ["runtime", "sleap", "x-anylabeling"]);
        assert!(manifests.iter().all(|manifest| !manifest.probes.is_empty()));
    }

    #[test]
    fn each_error_names_file_line_and_key() {
        assert!(parse(GOOD).is_ok());
        insta::assert_snapshot!(refused(&GOOD.replace("packages", "pakages")), @"demo.toml:9: unknown field `pakages`, expected `channels` or `packages`");
        insta::assert_snapshot!(refused(&GOOD.replace("\"pip\"", "\"pip >= <2\"")), @"demo.toml:9: `conda.packages`: not a match spec: unable to parse version spec: >= <2");
        insta::assert_snapshot!(refused(&GOOD.replace("numpy>=2", "numpy>=>2")), @r#"demo.toml:11: `pypi.requirement`: not a PEP 508 requirement: no such comparison operator ">=>", must be one of ~= == != <= >= < > ==="#);
        insta::assert_snapshot!(refused(&GOOD.replace("\"3.13\"", "\"3.14\"")), @r#"demo.toml:5: `python.preferred` must be a minor version, such as "3.13", within `python.supported` (>=3.11, <3.14)"#);
        insta::assert_snapshot!(refused(&GOOD.replace("because", "source = \"conda-forge\"\nbecause")), @"demo.toml:12: `pypi.source` must be a wheel index: `pypi`, `torch` or `nvidia`");
        insta::assert_snapshot!(refused(&GOOD.replace("numpy>=2", "numpy[x]>=2")), @"demo.toml:11: `pypi.requirement` must not have extras: list them by profile in `extras`");
        insta::assert_snapshot!(refused(&GOOD.replace("[python]", "launch = \" \"\n[python]")), @"demo.toml:4: `launch` is empty: set a command or remove the key");
        insta::assert_snapshot!(refused(&format!("{GOOD}[[probe]]\nname = \"nothing\"\n")), @r#"demo.toml:13: `probe` "nothing" needs either `python` or `command`"#);
    }

    #[test]
    fn a_check_may_need_hardware() {
        let probe = "[[probe]]\nname = \"gpu\"\npython = \"import torch\"\n";
        let without = parse(&format!("{GOOD}{probe}")).expect("valid");
        assert_eq!(without.probes[0].needs, Needs::Nothing);
        let with = parse(&format!("{GOOD}{probe}needs = \"nvidia\"\n")).expect("valid");
        assert_eq!(with.probes[0].needs, Needs::Nvidia);
        let kept = serde_json::to_string(&without.probes[0]).expect("JSON");
        // Plans that were stored before this field existed keep their fingerprint.
        assert!(!kept.contains("needs"), "{kept}");
    }

    #[test]
    fn an_unknown_environment_suggests_the_closest() {
        let manifests = Manifests::load(None).expect("valid");
        let Err(ManifestError::Unknown { similar, .. }) = manifests.get("sleep") else {
            panic!("`sleep` was found");
        };
        assert_eq!(similar.as_deref(), Some("sleap"));
    }

    #[test]
    fn no_manifest_causes_a_panic() {
        let inputs = proptests::text(&[GOOD, BUILT_IN[0].1, BUILT_IN[1].1, BUILT_IN[2].1]);
        proptests::check(file!(), &inputs, |text| {
            let Ok(manifest) = parse(&text) else { return };
            assert_eq!(parse(&text).expect("parsed before"), manifest);
        });
    }

    #[test]
    fn deep_and_duplicate_values_are_refused() {
        for open in ["[", "{a=", "[{a="] {
            let text = proptests::nested("description = ", open);
            assert!(parse(&text).is_err(), "{open}");
        }
        let headers = format!("[{}]", "a.".repeat(100_000) + "a");
        assert!(parse(&headers).is_err());
        for (line, because) in [
            ("schema = 1\nname = \"a\"", "demo.toml:3: duplicate key"),
            ("schema = 99999999999999999999", "demo.toml:1: "),
            ("schema = nan", "demo.toml:1: "),
            ("schema = -1", "demo.toml:1: "),
            ("schema = 1 # \0", "demo.toml:1: "),
        ] {
            let refused = refused(&GOOD.replace("schema = 1", line));
            assert!(refused.starts_with(because), "{line}: {refused}");
        }
        let windows = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
        assert!(parse(&windows).is_ok(), "a byte order mark and CRLF");
    }
}
