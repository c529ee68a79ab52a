//! PEP 751's form, as matenv writes it.

use serde::Serialize;
use url::Url;

use crate::lock::LockedWheel;

/// A `pylock.toml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pylock {
    /// Always `1.0`.
    lock_version: &'static str,
    /// Environment markers, one of which has to hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_python: Option<String>,
    created_by: &'static str,
    packages: Vec<PylockPackage>,
}

/// One of its packages.
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
    /// Of these packages, for any Python and any platform.
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

    /// The same for one Python, such as `==3.13.*`, and one platform, by its marker.
    #[must_use]
    pub fn only_for(mut self, requires_python: String, marker: Option<String>) -> Self {
        self.requires_python = Some(requires_python);
        self.environments = marker.into_iter().collect();
        self
    }

    /// The text.
    ///
    /// # Errors
    /// A value has no form in TOML.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

impl PylockPackage {
    /// A name and a version alone.
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

    /// A file of an index; `index` is left out where nobody looks it up there.
    #[must_use]
    pub fn of_index(wheel: &LockedWheel, url: Url, index: Option<Url>) -> Self {
        let file = File {
            name: Some(wheel.file.clone()),
            ..File::of(wheel, url)
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

    /// A file that is asked for by its URL.
    pub(super) fn archive(wheel: &LockedWheel, url: Url) -> Self {
        Self {
            archive: Some(File::of(wheel, url)),
            ..Self::bare(wheel)
        }
    }
}

impl File {
    fn of(wheel: &LockedWheel, url: Url) -> Self {
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
