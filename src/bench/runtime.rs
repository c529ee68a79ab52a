//! Finds the ONNX Runtime library of an environment that another program can load.

use std::path::{Path, PathBuf};

use crate::files::layout;

/// The ONNX Runtime of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Runtime {
    /// There is a library to load.
    Library {
        /// The path of the file.
        path: PathBuf,
        /// The version in the file name. On Windows, which has none there: `of an unknown version`.
        version: String,
    },
    /// The package has no separate library: Linux wheels before 1.19 have it inside the Python module.
    NoLibrary {
        /// The folder `onnxruntime/capi`.
        folder: PathBuf,
    },
    /// There is no package.
    Absent,
}

impl Runtime {
    /// Searches the `site-packages` of the environment at `prefix`.
    pub(super) fn find(prefix: &Path) -> Self {
        let capi = |site_packages: PathBuf| site_packages.join("onnxruntime").join("capi");
        let folder = layout::site_packages_of(prefix).map(capi);
        let Some((folder, entries)) = folder.and_then(|folder| Some((folder.clone(), fs_err::read_dir(folder).ok()?)))
        else {
            return Self::Absent;
        };
        let newest = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let version = version_in(entry.file_name().to_str()?)?;
                Some((numbers(&version), version, entry.path()))
            })
            .max();
        match newest {
            Some((_, version, path)) => Self::Library { path, version },
            None => Self::NoLibrary { folder },
        }
    }
}

/// Returns the version in a library name, or `None` if it is not the main library, such as a provider library.
fn version_in(name: &str) -> Option<String> {
    let version = if cfg!(windows) {
        return (name == "onnxruntime.dll").then(|| "of an unknown version".to_owned());
    } else if cfg!(target_os = "macos") {
        name.strip_prefix("libonnxruntime.")?.strip_suffix(".dylib")?
    } else {
        name.strip_prefix("libonnxruntime.so.")?
    };
    version
        .starts_with(|first: char| first.is_ascii_digit())
        .then(|| version.to_owned())
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn capi(prefix: &Path) -> PathBuf {
        let folder = prefix.join("lib/python3.13/site-packages/onnxruntime/capi");
        fs_err::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn the_newest_library_is_used_and_provider_libraries_are_ignored() {
        let prefix = tempfile::tempdir().expect("a temp folder");
        let folder = capi(prefix.path());
        for name in [
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so.1.32.0",
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.so.txt",
        ] {
            fs_err::write(folder.join(name), "").expect("a file");
        }
        assert_eq!(
            Runtime::find(prefix.path()),
            Runtime::Library {
                path: folder.join("libonnxruntime.so.1.32.0"),
                version: "1.32.0".to_owned()
            }
        );
    }

    #[test]
    fn a_wheel_without_a_library_differs_from_a_missing_wheel() {
        let prefix = tempfile::tempdir().expect("a temp folder");
        assert_eq!(Runtime::find(prefix.path()), Runtime::Absent);
        let folder = capi(prefix.path());
        assert_eq!(Runtime::find(prefix.path()), Runtime::NoLibrary { folder });
    }
}
