//! Builds conda packages and channels on this machine: for the host's Python, and for the tests.
//!
//! Input: files. Output: `.conda` archives with the same bytes each time, and an indexed channel folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rattler_conda_types::{
    NoArchType, PackageName, VersionWithSource,
    compression_level::CompressionLevel,
    package::{
        EntryPoint, FileMode, IndexJson, LinkJson, NoArchLinks, PathType, PathsEntry, PathsJson, PrefixPlaceholder,
        PythonEntryPoints,
    },
};
use rattler_digest::{Sha256, compute_bytes_digest};
use rattler_index::{IndexFsConfig, PackageRevisionAssignment};

/// An error while building a package or a channel.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A name, version or entry point that conda does not allow.
    #[error("invalid conda {kind} `{value}`")]
    Invalid {
        /// The kind of the value: package name, version, ….
        kind: &'static str,
        /// The given value.
        value: String,
    },
    /// A file could not be written.
    #[error("failed to write a conda package")]
    Io(#[source] std::io::Error),
    /// The metadata could not be written.
    #[error("failed to write a conda package's metadata")]
    Metadata(#[source] serde_json::Error),
    /// The channel could not be indexed.
    #[error("failed to index the channel at {}", channel.display())]
    Index {
        /// Folder of the channel.
        channel: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[derive(Debug, Clone)]
enum Content {
    File {
        bytes: Vec<u8>,
        executable: bool,
        placeholder: Option<String>,
    },
    Link(PathBuf),
}

/// Builds a conda package.
#[derive(Debug, Clone)]
pub struct PackageBuilder {
    name: String,
    version: String,
    build: String,
    subdir: String,
    depends: Vec<String>,
    noarch_python: bool,
    entry_points: Vec<String>,
    paths: BTreeMap<PathBuf, Content>,
}

impl PackageBuilder {
    /// Returns a builder for a package for `subdir`, such as `linux-64` or `noarch`.
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        build: impl Into<String>,
        subdir: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            build: build.into(),
            subdir: subdir.into(),
            depends: Vec::new(),
            noarch_python: false,
            entry_points: Vec::new(),
            paths: BTreeMap::new(),
        }
    }

    /// Adds a dependency, given as a match spec.
    #[must_use]
    pub fn depends(mut self, spec: impl Into<String>) -> Self {
        self.depends.push(spec.into());
        self
    }

    /// Makes this a noarch Python package: files below `site-packages/` are installed into the environment's
    /// `site-packages`.
    #[must_use]
    pub fn noarch_python(mut self) -> Self {
        self.noarch_python = true;
        self
    }

    /// Adds a command to a noarch Python package, such as `pip = pip._internal:main`.
    #[must_use]
    pub fn entry_point(mut self, text: impl Into<String>) -> Self {
        self.entry_points.push(text.into());
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        self.content(path, bytes.into(), false, None)
    }

    /// Adds an executable file.
    #[must_use]
    pub fn executable(self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        self.content(path, bytes.into(), true, None)
    }

    /// Adds a text file in which `placeholder` is replaced by the prefix.
    #[must_use]
    pub fn with_placeholder(
        self,
        path: impl Into<PathBuf>,
        text: impl Into<String>,
        placeholder: impl Into<String>,
    ) -> Self {
        self.content(path, text.into().into_bytes(), true, Some(placeholder.into()))
    }

    /// Adds a symbolic link. The target may be outside the prefix.
    #[must_use]
    pub fn symlink(mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.paths.insert(path.into(), Content::Link(target.into()));
        self
    }

    fn content(
        mut self,
        path: impl Into<PathBuf>,
        bytes: Vec<u8>,
        executable: bool,
        placeholder: Option<String>,
    ) -> Self {
        let content = Content::File {
            bytes,
            executable,
            placeholder,
        };
        self.paths.insert(path.into(), content);
        self
    }

    /// Writes the archive into its subdir folder of `channel` and returns its path.
    pub fn write(&self, channel: &Path) -> Result<PathBuf, PackError> {
        let staging = tempfile::tempdir().map_err(PackError::Io)?;
        self.write_with(channel, staging.path())
    }

    /// Like [`Self::write`]. Its files are first written to `base`, an empty folder.
    pub(super) fn write_with(&self, channel: &Path, base: &Path) -> Result<PathBuf, PackError> {
        let mut files = Vec::new();
        let mut entries = Vec::new();
        for (path, content) in &self.paths {
            entries.push(lay_out(base, path, content).map_err(PackError::Io)?);
            files.push(base.join(path));
        }
        let mut info = |name: &str, value: serde_json::Value| -> Result<(), PackError> {
            let path = PathBuf::from("info").join(name);
            let text = serde_json::to_string_pretty(&value).map_err(PackError::Metadata)?;
            write_below(base, &path, text.as_bytes(), false).map_err(PackError::Io)?;
            files.push(base.join(path));
            Ok(())
        };
        let json = |value: Result<serde_json::Value, serde_json::Error>| value.map_err(PackError::Metadata);
        info("index.json", json(serde_json::to_value(self.index()?))?)?;
        info(
            "paths.json",
            json(serde_json::to_value(PathsJson {
                paths: entries,
                paths_version: 1,
            }))?,
        )?;
        if self.noarch_python {
            info("link.json", json(serde_json::to_value(self.links()?))?)?;
        }
        let folder = channel.join(&self.subdir);
        fs_err::create_dir_all(&folder).map_err(PackError::Io)?;
        let stem = format!("{}-{}-{}", self.name, self.version, self.build);
        let target = folder.join(format!("{stem}.conda"));
        let archive = tempfile::NamedTempFile::new_in(&folder).map_err(PackError::Io)?;
        rattler_package_streaming::write::write_conda_package(
            archive.as_file(),
            base,
            &files,
            CompressionLevel::Default,
            Some(1),
            &stem,
            // A constant time, so that the same files give the same bytes.
            Some(&jiff::Timestamp::constant(1_704_067_200, 0)),
            None,
        )
        .map_err(PackError::Io)?;
        archive.persist(&target).map_err(|error| PackError::Io(error.error))?;
        Ok(target)
    }

    fn index(&self) -> Result<IndexJson, PackError> {
        let invalid = |kind, value: &str| PackError::Invalid {
            kind,
            value: value.to_owned(),
        };
        let value = serde_json::json!({
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "depends": self.depends,
            "subdir": self.subdir,
        });
        let _: PackageName = self.name.parse().map_err(|_| invalid("package name", &self.name))?;
        let _: VersionWithSource = self.version.parse().map_err(|_| invalid("version", &self.version))?;
        let mut index: IndexJson = serde_json::from_value(value).map_err(PackError::Metadata)?;
        if self.noarch_python {
            index.noarch = NoArchType::python();
        } else if self.subdir == "noarch" {
            index.noarch = NoArchType::generic();
        }
        Ok(index)
    }

    fn links(&self) -> Result<LinkJson, PackError> {
        let entry_points = self
            .entry_points
            .iter()
            .map(|text| {
                text.parse::<EntryPoint>().map_err(|_| PackError::Invalid {
                    kind: "entry point",
                    value: text.clone(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(LinkJson {
            noarch: NoArchLinks::Python(PythonEntryPoints { entry_points }),
            package_metadata_version: 1,
        })
    }
}

fn lay_out(base: &Path, path: &Path, content: &Content) -> std::io::Result<PathsEntry> {
    let mut entry = PathsEntry {
        relative_path: path.to_owned(),
        no_link: false,
        path_type: PathType::HardLink,
        prefix_placeholder: None,
        sha256: None,
        size_in_bytes: None,
    };
    match content {
        Content::File {
            bytes,
            executable,
            placeholder,
        } => {
            write_below(base, path, bytes, *executable)?;
            entry.sha256 = Some(compute_bytes_digest::<Sha256>(bytes));
            entry.size_in_bytes = Some(bytes.len() as u64);
            entry.prefix_placeholder = placeholder.as_ref().map(|placeholder| PrefixPlaceholder {
                file_mode: FileMode::Text,
                placeholder: placeholder.clone(),
                experimental_offsets: None,
            });
        }
        Content::Link(target) => {
            let at = base.join(path);
            if let Some(folder) = at.parent() {
                fs_err::create_dir_all(folder)?;
            }
            symlink(target, &at)?;
            entry.path_type = PathType::SoftLink;
        }
    }
    Ok(entry)
}

#[cfg(unix)]
fn symlink(target: &Path, at: &Path) -> std::io::Result<()> {
    fs_err::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn symlink(target: &Path, at: &Path) -> std::io::Result<()> {
    fs_err::os::windows::fs::symlink_file(target, at)
}

fn write_below(base: &Path, path: &Path, bytes: &[u8], executable: bool) -> std::io::Result<()> {
    let at = base.join(path);
    if let Some(folder) = at.parent() {
        fs_err::create_dir_all(folder)?;
    }
    fs_err::write(&at, bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if executable { 0o755 } else { 0o644 };
        fs_err::set_permissions(&at, std::fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = executable;
    Ok(())
}

/// Writes `repodata.json` for every subdir folder of `channel`.
pub async fn index(channel: &Path) -> Result<(), PackError> {
    // Without this folder, clients treat the channel as broken.
    fs_err::create_dir_all(channel.join("noarch")).map_err(PackError::Io)?;
    Box::pin(rattler_index::index_fs(IndexFsConfig {
        channel: channel.to_owned(),
        target_platform: None,
        repodata_patch: None,
        write_zst: true,
        write_shards: false,
        repodata_revisions: Vec::new(),
        package_revision_assignment: PackageRevisionAssignment::default(),
        force: true,
        max_parallel: 4,
        multi_progress: None,
    }))
    .await
    .map_err(|source| PackError::Index {
        channel: channel.to_owned(),
        source: source.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_package_has_the_same_bytes() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let package = PackageBuilder::new("demo", "1.0", "0", "noarch").file("share/demo.txt", "hello");
        let first = fs_err::read(package.write(&folder.path().join("a")).expect("packed")).expect("read");
        let second = fs_err::read(package.write(&folder.path().join("b")).expect("packed")).expect("read");
        assert!(first == second, "the bytes differ");
    }

    #[test]
    fn a_package_needs_a_name_and_a_version() {
        let folder = tempfile::tempdir().expect("a temp folder");
        for (name, version) in [("a b", "1"), ("a", "not a version!")] {
            let refused = PackageBuilder::new(name, version, "0", "noarch").write(folder.path());
            assert!(matches!(refused, Err(PackError::Invalid { .. })), "{name} {version}");
        }
    }
}
