use std::path::Path;

use rattler_conda_types::{
    PrefixRecord,
    package::FileMode,
    prefix_record::{PathType, PathsEntry},
};
use rayon::prelude::*;

use super::record::Recorded;

use crate::input::{self, Input};

/// A conda package that is linked into the prefix, as recorded in `conda-meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaPackage {
    /// The package name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The build string.
    pub build: String,
    /// Its files.
    pub files: Vec<Recorded>,
}

/// Returns the packages of `conda-meta`, by name, and the paths of records that cannot be read.
pub(super) fn read(prefix: &Path) -> (Vec<CondaPackage>, Vec<String>) {
    let Ok(entries) = fs_err::read_dir(prefix.join("conda-meta")) else {
        return (Vec::new(), Vec::new());
    };
    let mut paths: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    paths.sort();
    let (packages, damaged) = paths.par_iter().partition_map(|path| {
        let content = input::read(path, Input::Metadata);
        if let Ok(record) = content.and_then(|content| PrefixRecord::from_reader(content.as_slice())) {
            return rayon::iter::Either::Left(package(&record));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        rayon::iter::Either::Right(format!("conda-meta/{name}"))
    });
    (packages, damaged)
}

fn package(record: &PrefixRecord) -> CondaPackage {
    let details = &record.repodata_record.package_record;
    CondaPackage {
        name: details.name.as_normalized().to_owned(),
        version: details.version.to_string(),
        build: details.build.to_string(),
        files: record.paths_data.paths.iter().filter_map(recorded).collect(),
    }
}

fn recorded(entry: &PathsEntry) -> Option<Recorded> {
    let path = entry.relative_path.to_str()?.replace('\\', "/");
    let (compared, required) = match entry.path_type {
        PathType::HardLink => (true, true),
        // The target of a link has its own record. Entry point scripts are generated for each prefix.
        PathType::SoftLink
        | PathType::WindowsPythonEntryPointScript
        | PathType::WindowsPythonEntryPointExe
        | PathType::UnixPythonEntryPoint => (false, true),
        PathType::PycFile => (false, false),
        PathType::Directory | PathType::LinkedPackageRecord => return None,
    };
    // Installing writes the prefix into the file: a text file changes its size, a padded binary keeps it.
    // On macOS, the binary is then signed again, which changes the size too.
    let rewritten = entry.prefix_placeholder.is_some();
    let keeps_size = !rewritten || entry.file_mode == Some(FileMode::Binary) && !cfg!(target_os = "macos");
    let compared = compared && !super::record::is_compiled(&path);
    let original = entry.sha256.filter(|_| !rewritten);
    Some(Recorded {
        sha256: entry.sha256_in_prefix.or(original).filter(|_| compared),
        size: entry.size_in_bytes.filter(|_| compared && keeps_size),
        required: required && !super::record::is_compiled(&path),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_hashes_are_those_of_the_files_in_the_prefix() {
        let prefix = tempfile::tempdir().expect("a folder");
        let meta = prefix.path().join("conda-meta");
        fs_err::create_dir_all(&meta).expect("created");
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let record = serde_json::json!({
            "name": "tool", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64",
            "fn": "tool-1.0-0.conda", "url": "https://channel.example.org/linux-64/tool-1.0-0.conda",
            "channel": "https://channel.example.org/",
            "paths_data": { "paths_version": 1, "paths": [
                { "_path": "lib/libtool.so.1", "path_type": "hardlink", "sha256": one, "size_in_bytes": 7 },
                { "_path": "lib/libtool.so", "path_type": "softlink", "sha256": one, "size_in_bytes": 7 },
                { "_path": "bin/tool", "path_type": "hardlink", "sha256": one, "sha256_in_prefix": two, "size_in_bytes": 9,
                  "file_mode": "text", "prefix_placeholder": "/opt/placeholder" },
                { "_path": "lib/python3.13/site-packages/tool/__pycache__/a.cpython-313.pyc", "path_type": "pyc_file" },
                { "_path": "share/empty", "path_type": "directory" },
            ] },
        });
        fs_err::write(meta.join("tool-1.0-0.json"), record.to_string()).expect("written");
        fs_err::write(meta.join("other-1.0-0.json"), "{ cut").expect("written");
        let (packages, damaged) = read(prefix.path());
        assert_eq!(damaged, ["conda-meta/other-1.0-0.json"]);
        let files = &packages[0].files;
        assert_eq!(files.len(), 4);
        assert_eq!((files[0].size, files[0].sha256), (Some(7), Some([0x11; 32].into())));
        assert_eq!((files[1].size, files[1].sha256, files[1].required), (None, None, true));
        assert_eq!((files[2].size, files[2].sha256), (None, Some([0x22; 32].into())));
        assert!(!files[3].required);
    }
}
