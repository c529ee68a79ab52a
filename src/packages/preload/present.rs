use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::profile::stack::Library;

/// Folders below `site-packages` with the libraries of CUDA's and TensorRT's wheels. On Windows torch contains some
/// too.
const FOLDERS: &[&str] = if cfg!(windows) {
    &["nvidia", "tensorrt_libs", "torch/lib"]
} else {
    &["nvidia", "tensorrt_libs"]
};

/// The files in the folders of CUDA's and TensorRT's libraries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Present {
    /// Paths relative to `site-packages`, by file name. If two files have the same name, the first one is used.
    files: BTreeMap<String, PathBuf>,
}

impl Present {
    /// Lists the files. A folder that cannot be read counts as empty.
    #[must_use]
    pub fn read(site_packages: &Path) -> Self {
        let mut present = Self::default();
        for folder in FOLDERS {
            present.list(site_packages, Path::new(folder));
        }
        present
    }

    /// Returns the files whose names match `library`, relative to `site-packages`.
    pub fn called(&self, library: &Library) -> impl Iterator<Item = &Path> {
        self.files
            .iter()
            .filter(|(name, _)| library.matches(name))
            .map(|(_, path)| path.as_path())
    }

    fn list(&mut self, site_packages: &Path, folder: &Path) {
        let Ok(entries) = fs_err::read_dir(site_packages.join(folder)) else {
            return;
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs_err::DirEntry::file_name);
        for entry in entries {
            // The name of a library is always valid Unicode.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = folder.join(&name);
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.files.entry(name).or_insert(path);
            } else if name != "include" {
                // Listing thousands of headers would take longer than everything else.
                self.list(site_packages, &path);
            }
        }
    }
}
