//! Lab: the shared recipe of a team, `matenv.toml`, and edits to it.
//!
//! Input: a folder; the file is in this folder or in one above it. Output: a [`Lab`], or the changed file ([`add`],
//! [`remove`], [`init`]). This module does not read manifests and does not check whether the
//! recipe can be installed: see [`crate::plan`].

mod array;
mod edit;
mod format;
mod init;
mod select;

pub(crate) use edit::{Change, Edited, add, remove};
pub(crate) use init::{Created, init};
pub(crate) use select::{Selected, knows, select};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    context::settings::LabSettings,
    files::toml_file::{TomlError, TomlFile},
    input::{self, Input},
    manifest::{ManifestError, Manifests},
    names::{Backend, EnvName, ProfileName},
};

/// Name of the lab's file.
pub(crate) const LAB_FILE: &str = "matenv.toml";

/// Name of the lab lock, in `rattler_lock`'s format, which other tools can read.
pub(crate) const LAB_LOCK: &str = "matenv.lock";

/// A lab: its environments and the platforms to lock them for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Lab {
    /// The folder that contains `matenv.toml`.
    pub root: PathBuf,
    /// The environments. Empty means those of the default manifests.
    pub environments: BTreeMap<EnvName, LabEnvironment>,
    /// The platforms to lock for, without duplicates.
    pub platforms: Vec<LabPlatform>,
    /// The torch backends to lock for, in addition to `cpu`.
    pub backends: Vec<Backend>,
    /// Packages published after this date or time stamp are ignored.
    pub exclude_newer: Option<String>,
}

/// An environment of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LabEnvironment {
    /// The manifest of the environment.
    pub manifest: EnvName,
    /// The profiles that the lab uses. Absent means all profiles of the manifest.
    pub profiles: Option<Vec<ProfileName>>,
    /// Packages in addition to the manifest's, as PEP 508 texts, each once.
    pub packages: Vec<String>,
}

/// A platform to lock for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LabPlatform {
    /// The conda subdir, such as `linux-64`.
    pub platform: String,
    /// The oldest glibc to support.
    pub glibc: Option<String>,
    /// The oldest macOS to support.
    pub macos: Option<String>,
    /// The CUDA version that the drivers support.
    pub cuda: Option<String>,
}

/// An error while reading or changing a lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The file is invalid.
    #[error(transparent)]
    Toml(Box<TomlError>),
    /// The file could not be read.
    #[error("failed to read the lab's file")]
    Read(#[source] std::io::Error),
    /// A file could not be written.
    #[error("failed to write the lab's files")]
    Write(#[source] std::io::Error),
    /// There is no lab's file.
    #[error("no {LAB_FILE} found in this folder or above it")]
    Missing,
    /// `init` would overwrite a file.
    #[error("{} already exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An environment that is neither in the file nor a manifest, or an invalid manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An environment of the file names an unknown manifest.
    #[error("unknown manifest `{manifest}` for the environment `{env}` in {}", path.display())]
    NoManifest {
        /// The file.
        path: PathBuf,
        /// The environment.
        env: EnvName,
        /// The manifest.
        manifest: EnvName,
        /// The closest known name.
        similar: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// The text to add is not a valid package.
    #[error("`{given}` {because}")]
    Package {
        /// The given text.
        given: String,
        /// Why it is invalid.
        because: String,
    },
    /// The package to remove is not in the file.
    #[error("{} does not add `{package}` to {env}", path.display())]
    NotThere {
        /// The file.
        path: PathBuf,
        /// The environment.
        env: EnvName,
        /// The package.
        package: String,
        /// The closest package in the file.
        similar: Option<String>,
        /// All packages in the file.
        known: Vec<String>,
    },
}

impl From<TomlError> for LabError {
    fn from(error: TomlError) -> Self {
        Self::Toml(Box::new(error))
    }
}

impl Lab {
    /// Finds the lab of a folder, from the nearest `matenv.toml` in it or above it, with the settings in that file.
    ///
    /// # Errors
    /// The file cannot be read or is invalid.
    pub(crate) fn find(cwd: &Path) -> Result<Option<(Self, LabSettings)>, LabError> {
        let Some(root) = cwd.ancestors().find(|folder| folder.join(LAB_FILE).is_file()) else {
            return Ok(None);
        };
        let file = read(&root.join(LAB_FILE))?;
        let (lab, mirrors) = format::parse(&file, root)?;
        let settings = LabSettings {
            file: Some(lab.file()),
            mirrors,
            manifests: lab.manifests(),
            exclude_newer: lab.exclude_newer.clone(),
        };
        Ok(Some((lab, settings)))
    }

    /// Returns the path of the lab's file.
    #[must_use]
    pub(crate) fn file(&self) -> PathBuf {
        self.root.join(LAB_FILE)
    }

    /// Returns the packages that the lab adds to an environment, as PEP 508 texts.
    #[must_use]
    pub(crate) fn packages(&self, env: &EnvName) -> &[String] {
        self.environments.get(env).map_or(&[], |one| &one.packages)
    }

    /// Returns the lab's own folder of manifests, which replaces the built-in ones, if it exists.
    #[must_use]
    pub(crate) fn manifests(&self) -> Option<PathBuf> {
        Some(self.root.join("manifests")).filter(|folder| folder.is_dir())
    }

    /// Checks that `env` is an environment of the lab or a manifest.
    ///
    /// # Errors
    /// The name is unknown. The error contains the closest known name.
    fn check_known(&self, env: &EnvName, manifests: &Manifests) -> Result<(), LabError> {
        select(Some(self), manifests, &[env.to_string()], None).map(|_| ())
    }
}

/// Reads the file. Invalid UTF-8 is reported with its line, like any other error.
fn read(path: &Path) -> Result<TomlFile, LabError> {
    let bytes = input::read(path, Input::Definition).map_err(LabError::Read)?;
    String::from_utf8(bytes)
        .map(|text| TomlFile::new(path, text))
        .map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let file = TomlFile::new(path, String::from_utf8_lossy(error.as_bytes()));
            file.error(Some(at..at), "not UTF-8: save the file as UTF-8").into()
        })
}

/// Returns the JSON Schema of the file.
#[must_use]
pub(crate) fn schema(generator: schemars::SchemaGenerator) -> schemars::Schema {
    generator.into_root_schema_for::<format::Lab>()
}

#[cfg(test)]
mod tests;
