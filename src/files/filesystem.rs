//! Properties of the file system that contains a folder.

use std::path::Path;

use serde::Serialize;

/// The properties of the file system that contains a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Filesystem {
    /// Identifies the file system. Hard links work within one file system.
    pub device: u64,
    /// The free space for this user, in bytes.
    pub free_bytes: u64,
    /// The number of files that this user may still create, or `None` if the file system has no such limit.
    pub free_inodes: Option<u64>,
    /// Whether the file system does not allow running programs.
    pub noexec: bool,
}

impl Filesystem {
    /// Reads the properties at `folder`, or at its nearest parent folder that exists.
    ///
    /// # Errors
    /// If the file system cannot be queried.
    #[cfg(unix)]
    pub fn at_path(folder: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
        let found = rustix::fs::statvfs(existing)?;
        Ok(Self {
            device: fs_err::metadata(existing)?.dev(),
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            // btrfs and others have no limit and report zero of zero.
            free_inodes: (found.f_files > 0).then_some(found.f_favail),
            noexec: found.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC),
        })
    }

    /// Reads the properties at `folder`, or at its nearest parent folder that exists. Windows has neither inodes nor
    /// noexec. The drive letter identifies the file system.
    ///
    /// # Errors
    /// If the file system cannot be queried.
    #[cfg(not(unix))]
    pub fn at_path(folder: &Path) -> std::io::Result<Self> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
        let mut hasher = DefaultHasher::new();
        existing
            .components()
            .next()
            .map(|drive| drive.as_os_str())
            .hash(&mut hasher);
        Ok(Self {
            device: hasher.finish(),
            free_bytes: fs4::available_space(existing)?,
            free_inodes: None,
            noexec: false,
        })
    }
}

/// Returns whether the file system of `folder` treats `a` and `A` as the same name. Creates `folder`.
pub(crate) fn folds_case(folder: &Path) -> std::io::Result<bool> {
    fs_err::create_dir_all(folder)?;
    let probe = tempfile::Builder::new().prefix(".Case-").tempfile_in(folder)?;
    let name = probe.path().file_name().unwrap_or_default().to_string_lossy();
    Ok(folder.join(name.to_lowercase()).exists() && folder.join(name.to_uppercase()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_reports_its_filesystems() {
        let here = Filesystem::at_path(&std::env::temp_dir().join("not/there/yet")).expect("a file system");
        assert!(here.free_bytes > 0);
    }
}
