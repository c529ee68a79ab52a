//! Lab: one recipe for everybody, `matenv.toml`, and how it is written.
//!
//! In: a folder; the file is found in it or in one above it. Out: a [`Lab`], or the file with one change ([`add`], [`remove`],
//! [`init`]). Absent on purpose: manifests are only named here, and whether what it asks for can be had is [`crate::plan`]'s.

mod array;
mod edit;
mod form;
mod init;
mod select;

pub use edit::{Change, Edited, add, remove};
pub use init::{Created, init};
pub use select::{Selected, knows, select};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    context::settings::LabSettings,
    files::toml_file::{TomlError, TomlFile},
    manifest::{ManifestError, Manifests},
    names::{Backend, EnvName, ProfileName},
};

/// Name of the file.
pub const LAB_FILE: &str = "matenv.toml";

/// A lab: its environments, and what they are locked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lab {
    /// The folder of `matenv.toml`.
    pub root: PathBuf,
    /// The environments; none means those of the default manifests.
    pub environments: BTreeMap<EnvName, LabEnvironment>,
    /// The platforms that a lock is made for, each once.
    pub platforms: Vec<LabPlatform>,
    /// torch's backends that a lock is made for, beside the one without GPU code.
    pub backends: Vec<Backend>,
    /// Nothing published later is taken: a date or a time stamp.
    pub exclude_newer: Option<String>,
}

/// An environment of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabEnvironment {
    /// The manifest that it is made from.
    pub manifest: EnvName,
    /// Those of the manifest's profiles that the lab wants; absent means all.
    pub profiles: Option<Vec<ProfileName>>,
    /// PEP 508 texts beside the manifest's requirements, each package once.
    pub packages: Vec<String>,
}

/// A platform that a lock is made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabPlatform {
    /// conda's name of it, such as `linux-64`.
    pub platform: String,
    /// The oldest glibc that has to do.
    pub glibc: Option<String>,
    /// The oldest macOS that has to do.
    pub macos: Option<String>,
    /// The CUDA that the drivers there serve.
    pub cuda: Option<String>,
}

/// Why a lab cannot be had, or be changed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The file is at fault.
    #[error(transparent)]
    Toml(Box<TomlError>),
    /// The file could not be read.
    #[error("cannot read the lab's file")]
    Read(#[source] std::io::Error),
    /// A file could not be written.
    #[error("cannot write the lab's files")]
    Write(#[source] std::io::Error),
    /// There is no lab.
    #[error("there is no {LAB_FILE} in this folder or above it")]
    Missing,
    /// `init` would write over a file.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An environment that is neither in the file nor a manifest, or a manifest at fault.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An environment of the file wants a manifest that there is not.
    #[error("the environment `{env}` of {} wants the manifest `{manifest}`, and there is none of that name", path.display())]
    NoManifest {
        /// The file.
        path: PathBuf,
        /// The environment.
        env: EnvName,
        /// The manifest.
        manifest: EnvName,
        /// The closest name that there is.
        similar: Option<String>,
        /// Every name that there is.
        known: Vec<String>,
    },
    /// What is to be added or removed is no package.
    #[error("`{given}` {because}")]
    Package {
        /// What was typed.
        given: String,
        /// Why it is none.
        because: String,
    },
    /// A package that is to be removed is not there.
    #[error("{} adds no package `{package}` to {env}", path.display())]
    NotThere {
        /// The file.
        path: PathBuf,
        /// The environment.
        env: EnvName,
        /// The package.
        package: String,
        /// The closest one that is there.
        similar: Option<String>,
        /// Those that are there.
        known: Vec<String>,
    },
}

impl From<TomlError> for LabError {
    fn from(error: TomlError) -> Self {
        Self::Toml(Box::new(error))
    }
}

impl Lab {
    /// The lab of a folder, from the nearest `matenv.toml` in it or above it, with the settings in that file.
    ///
    /// # Errors
    /// The file cannot be read or is invalid.
    pub fn find(cwd: &Path) -> Result<Option<(Self, LabSettings)>, LabError> {
        let Some(root) = cwd.ancestors().find(|folder| folder.join(LAB_FILE).is_file()) else {
            return Ok(None);
        };
        let file = read(&root.join(LAB_FILE))?;
        let (lab, mirrors) = form::parse(&file, root)?;
        let settings = LabSettings {
            file: Some(lab.file()),
            mirrors,
            manifests: lab.manifests(),
            exclude_newer: lab.exclude_newer.clone(),
        };
        Ok(Some((lab, settings)))
    }

    /// The lab's file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.root.join(LAB_FILE)
    }

    /// What the lab adds to an environment, as PEP 508 texts.
    #[must_use]
    pub fn packages(&self, env: &EnvName) -> &[String] {
        self.environments.get(env).map_or(&[], |one| &one.packages)
    }

    /// Folder of manifests that takes the place of the built-in ones, if the lab has one.
    #[must_use]
    pub fn manifests(&self) -> Option<PathBuf> {
        Some(self.root.join("manifests")).filter(|folder| folder.is_dir())
    }

    /// Whether `env` is the name of an environment that this lab can have.
    ///
    /// # Errors
    /// It is neither listed nor a manifest's name; the error names the closest one.
    fn check_known(&self, env: &EnvName, manifests: &Manifests) -> Result<(), LabError> {
        select(Some(self), manifests, &[env.to_string()], None).map(|_| ())
    }
}

/// The file's text; bytes that are none are a fault with a place, as any other.
fn read(path: &Path) -> Result<TomlFile, LabError> {
    let bytes = fs_err::read(path).map_err(LabError::Read)?;
    String::from_utf8(bytes)
        .map(|text| TomlFile::new(path, text))
        .map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let file = TomlFile::new(path, String::from_utf8_lossy(error.as_bytes()));
            file.error(Some(at..at), "not UTF-8: save the file as UTF-8").into()
        })
}

/// The JSON Schema of the file.
#[must_use]
pub fn schema(generator: schemars::SchemaGenerator) -> schemars::Schema {
    generator.into_root_schema_for::<form::Lab>()
}

#[cfg(test)]
mod tests;
