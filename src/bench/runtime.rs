//! Where an environment keeps the ONNX Runtime library that another program can load.

use std::path::{Path, PathBuf};

use crate::files::layout;

/// What a prefix has of ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Runtime {
    /// A library to load.
    Library {
        /// The file.
        path: PathBuf,
        /// What its name says; `of an unknown version` on Windows, where the name says nothing.
        version: String,
    },
    /// The package, but no library of its own: the Linux wheels before 1.19 have it inside the Python module.
    NoLibrary {
        /// `onnxruntime/capi`.
        folder: PathBuf,
    },
    /// No package.
    Absent,
}

impl Runtime {
    /// Look into the `site-packages` of the environment at `prefix`.
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

/// The version in a library's name; `None` if it is not ONNX Runtime's own library (its providers lie beside it).
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
    fn the_newest_library_is_taken_and_providers_are_not() {
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
    fn a_wheel_without_a_library_is_not_an_absent_one() {
        let prefix = tempfile::tempdir().expect("a temp folder");
        assert_eq!(Runtime::find(prefix.path()), Runtime::Absent);
        let folder = capi(prefix.path());
        assert_eq!(Runtime::find(prefix.path()), Runtime::NoLibrary { folder });
    }
}
