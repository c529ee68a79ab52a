//! The installed packages of a prefix, from the names of files and folders alone.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{files, names::requirement::normalized};

/// One entry of a folder that lists installed packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Normalized name.
    pub(super) name: String,
    /// The version.
    pub(super) version: String,
    /// The build string of a conda package.
    pub(super) build: Option<String>,
    /// The path of the entry.
    pub(super) path: PathBuf,
}

/// The kind of a listed folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `site-packages`, with a `.dist-info` for each distribution.
    Python,
    /// `conda-meta`, with a record for each package.
    Conda,
}

impl Kind {
    /// Lists the entries of `folder` by package. Two entries with one name are two installations in one place. A
    /// missing folder has no entries.
    pub(super) fn list(self, folder: &Path) -> std::io::Result<BTreeMap<String, Vec<Entry>>> {
        let mut found: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in files::entries(folder)? {
            let Some(parsed) = entry.file_name().to_str().and_then(|name| self.parse(name)) else {
                continue;
            };
            let (name, version, build) = parsed;
            found.entry(name.clone()).or_default().push(Entry {
                name,
                version,
                build,
                path: entry.path(),
            });
        }
        for installed in found.values_mut() {
            installed.sort_by(|a, b| (&a.version, &a.build).cmp(&(&b.version, &b.build)));
        }
        Ok(found)
    }

    /// Parses the name of an entry into name, version and build; `None` for other entries. pip leaves
    /// `~umpy-2.5.5.dist-info` after a failed removal.
    fn parse(self, entry: &str) -> Option<(String, String, Option<String>)> {
        match self {
            Self::Python => {
                let stem = entry
                    .strip_suffix(".dist-info")
                    .or_else(|| entry.strip_suffix(".egg-info"))?;
                let (name, rest) = stem.split_once('-')?;
                // Old distributions name their Python version: `name-1.0-py3.13.egg-info`.
                let version = rest.split_once("-py").map_or(rest, |(version, _)| version);
                Some((normalized(name)?, version.to_owned(), None))
            }
            Self::Conda => {
                let mut parts = entry.strip_suffix(".json")?.rsplitn(3, '-');
                let (build, version, name) = (parts.next()?, parts.next()?, parts.next()?);
                Some((name.to_owned(), version.to_owned(), Some(build.to_owned())))
            }
        }
    }
}

impl Entry {
    /// Returns the path of the distribution's list of files.
    pub(super) fn record(&self) -> PathBuf {
        self.path.join("RECORD")
    }

    /// Returns the time of the installation in nanoseconds since 1970, if the file system shows it.
    pub(super) fn made(&self) -> Option<u64> {
        modified(&fs_err::metadata(&self.path).ok()?)
    }
}

/// Returns the modification time of a file or folder in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> Option<u64> {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
    u64::try_from(since(metadata.modified().ok()?)?.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: Kind, entry: &str) -> Option<String> {
        let (name, version, build) = kind.parse(entry)?;
        Some(
            [Some(name), Some(version), build]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    #[test]
    fn names_of_entries_are_parsed() {
        for (kind, entry, expected) in [
            (Kind::Python, "numpy-2.5.5.dist-info", Some("numpy 2.5.5")),
            (Kind::Python, "torch-2.15.0+cpu.dist-info", Some("torch 2.15.0+cpu")),
            (
                Kind::Python,
                "antlr4_python3_runtime-4.9.3.dist-info",
                Some("antlr4-python3-runtime 4.9.3"),
            ),
            (Kind::Python, "PyYAML-6.0.3.dist-info", Some("pyyaml 6.0.3")),
            (Kind::Python, "old-1.0-py3.13.egg-info", Some("old 1.0")),
            (Kind::Python, "numpy", None),
            (Kind::Python, "numpy.libs", None),
            (Kind::Python, "~umpy-2.5.5.dist-info", None),
            (Kind::Python, "nothing.egg-info", None),
            (
                Kind::Conda,
                "python_abi-3.13-8_cp313.json",
                Some("python_abi 3.13 8_cp313"),
            ),
            (
                Kind::Conda,
                "ca-certificates-2025.4.19-hbd8a1cb_0.json",
                Some("ca-certificates 2025.4.19 hbd8a1cb_0"),
            ),
            (Kind::Conda, "history", None),
            (Kind::Conda, "frozen", None),
        ] {
            assert_eq!(parsed(kind, entry).as_deref(), expected, "{entry}");
        }
    }

    #[test]
    fn a_missing_folder_has_no_entries() {
        assert!(Kind::Python.list(Path::new("/not/there")).expect("listed").is_empty());
    }
}
