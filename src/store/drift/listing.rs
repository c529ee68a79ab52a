//! What is installed in a prefix, by the names of files and folders alone.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    io::ErrorKind,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::{SystemTime, UNIX_EPOCH},
};

/// One entry of a folder that says what is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Normalized name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// The build of a conda package, which tells two of one version apart.
    pub(super) build: Option<String>,
    /// The entry itself.
    pub(super) path: PathBuf,
}

/// Which folder is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `site-packages`, with a `.dist-info` for each distribution.
    Python,
    /// `conda-meta`, with a record for each package.
    Conda,
}

impl Kind {
    /// What `folder` says, by package: two entries of one name are two installations in one place. A folder that is gone
    /// says nothing.
    pub(super) fn list(self, folder: &Path) -> std::io::Result<BTreeMap<String, Vec<Entry>>> {
        let mut found: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        let entries = match fs_err::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
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

    /// Name, version and build of an entry's name; `None` for what says nothing. `~umpy-2.5.5.dist-info` is what pip
    /// leaves of a distribution that it removed.
    fn parse(self, entry: &str) -> Option<(String, String, Option<String>)> {
        match self {
            Self::Python => {
                let stem = entry
                    .strip_suffix(".dist-info")
                    .or_else(|| entry.strip_suffix(".egg-info"))?;
                let (name, rest) = stem.split_once('-')?;
                // Old distributions name the Python that they are for: `name-1.0-py3.13.egg-info`.
                let version = rest.split_once("-py").map_or(rest, |(version, _)| version);
                let name = pep508_rs::PackageName::from_str(name).ok()?;
                Some((name.to_string(), version.to_owned(), None))
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
    /// The list of a distribution's files.
    pub(super) fn record(&self) -> PathBuf {
        self.path.join("RECORD")
    }

    /// When it was put there, in nanoseconds since 1970, where the disk tells.
    pub(super) fn made(&self) -> Option<u64> {
        modified(&fs_err::metadata(&self.path).ok()?)
    }
}

/// When a file or folder was changed last, in nanoseconds since 1970.
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
    fn names_say_what_is_installed() {
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
    fn a_folder_that_is_gone_says_nothing() {
        assert!(Kind::Python.list(Path::new("/not/there")).expect("listed").is_empty());
    }
}
