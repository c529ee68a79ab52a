//! The `pylock.toml` format of PEP 751, as matenv writes it.

use serde::Serialize;
use url::Url;

use crate::lock::LockedWheel;

/// A `pylock.toml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pylock {
    /// Always `1.0`.
    lock_version: &'static str,
    /// Environment markers; at least one must be true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_python: Option<String>,
    created_by: &'static str,
    packages: Vec<PylockPackage>,
}

/// A package of a pylock.
#[derive(Debug, Serialize)]
pub struct PylockPackage {
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdist: Option<File>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wheels: Vec<File>,
}

#[derive(Debug, Serialize)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    url: Url,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    hashes: Hashes,
}

#[derive(Debug, Serialize)]
struct Hashes {
    sha256: String,
}

impl Pylock {
    /// Returns a pylock of these packages, for any Python and any platform.
    #[must_use]
    pub fn new(packages: Vec<PylockPackage>) -> Self {
        Self {
            lock_version: "1.0",
            environments: Vec::new(),
            requires_python: None,
            created_by: "matenv",
            packages,
        }
    }

    /// Limits the pylock to one Python, such as `==3.13.*`, and to one platform, given by its marker.
    #[must_use]
    pub fn only_for(mut self, requires_python: String, marker: Option<String>) -> Self {
        self.requires_python = Some(requires_python);
        self.environments = marker.into_iter().collect();
        self
    }

    /// Returns the pylock as TOML text.
    ///
    /// # Errors
    /// A value cannot be written as TOML.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

impl PylockPackage {
    /// Returns a package with only a name and a version.
    pub(super) fn bare(wheel: &LockedWheel) -> Self {
        Self {
            name: wheel.name.clone(),
            version: wheel.version.clone(),
            index: None,
            archive: None,
            sdist: None,
            wheels: Vec::new(),
        }
    }

    /// Returns a package with a file of an index. `index` is `None` if the file is not looked up on an index.
    #[must_use]
    pub fn of_index(wheel: &LockedWheel, url: Url, index: Option<Url>) -> Self {
        let file = File {
            name: Some(wheel.file.clone()),
            ..File::from_wheel(wheel, url)
        };
        let bare = Self {
            index,
            ..Self::bare(wheel)
        };
        if wheel.is_sdist() {
            Self {
                sdist: Some(file),
                ..bare
            }
        } else {
            Self {
                wheels: vec![file],
                ..bare
            }
        }
    }

    /// Returns a package that is downloaded from a URL.
    pub(super) fn archive(wheel: &LockedWheel, url: Url) -> Self {
        Self {
            archive: Some(File::from_wheel(wheel, url)),
            ..Self::bare(wheel)
        }
    }
}

impl File {
    fn from_wheel(wheel: &LockedWheel, url: Url) -> Self {
        Self {
            name: None,
            url,
            size: wheel.size,
            hashes: Hashes {
                sha256: wheel.sha256.clone(),
            },
        }
    }
}
