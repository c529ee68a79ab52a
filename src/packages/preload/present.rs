use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::profile::stack::Library;

/// Folders below `site-packages` that CUDA's and TensorRT's wheels fill; on Windows torch brings some of its own.
const FOLDERS: &[&str] = if cfg!(windows) {
    &["nvidia", "tensorrt_libs", "torch/lib"]
} else {
    &["nvidia", "tensorrt_libs"]
};

/// The files in the folders of CUDA's and TensorRT's libraries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Present {
    /// By name, relative to `site-packages`; of two files of one name the first counts.
    files: BTreeMap<String, PathBuf>,
}

impl Present {
    /// List them. A folder that cannot be read has none.
    #[must_use]
    pub fn read(site_packages: &Path) -> Self {
        let mut present = Self::default();
        for folder in FOLDERS {
            present.list(site_packages, Path::new(folder));
        }
        present
    }

    /// The files that are called as `library` is, relative to `site-packages`.
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
            // A name that is no text is no library's.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = folder.join(&name);
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.files.entry(name).or_insert(path);
            } else if name != "include" {
                // Thousands of headers would take longer than all else.
                self.list(site_packages, &path);
            }
        }
    }
}
