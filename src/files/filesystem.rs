//! What the filesystem below a folder offers.

use std::path::Path;

use serde::Serialize;

/// What the filesystem below a folder offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Filesystem {
    /// Tells one filesystem from another; hard links work within one.
    pub device: u64,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Files that this user may still make; `None` where they are not counted.
    pub free_inodes: Option<u64>,
    /// Programs may not run from it.
    pub noexec: bool,
}

impl Filesystem {
    /// The filesystem of the nearest folder above `folder` that is there.
    ///
    /// # Errors
    /// It does not tell.
    #[cfg(unix)]
    pub fn of(folder: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
        let found = rustix::fs::statvfs(there)?;
        Ok(Self {
            device: fs_err::metadata(there)?.dev(),
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            // btrfs and others count no files and say zero of zero.
            free_inodes: (found.f_files > 0).then_some(found.f_favail),
            noexec: found.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC),
        })
    }

    /// The filesystem of the nearest folder above `folder` that is there. Windows has neither inodes nor noexec, and a
    /// drive letter for a filesystem.
    ///
    /// # Errors
    /// It does not tell.
    #[cfg(not(unix))]
    pub fn of(folder: &Path) -> std::io::Result<Self> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
        let mut hasher = DefaultHasher::new();
        there
            .components()
            .next()
            .map(|drive| drive.as_os_str())
            .hash(&mut hasher);
        Ok(Self {
            device: hasher.finish(),
            free_bytes: fs4::available_space(there)?,
            free_inodes: None,
            noexec: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_its_filesystems() {
        let here = Filesystem::of(&std::env::temp_dir().join("not/there/yet")).expect("a filesystem");
        assert!(here.free_bytes > 0);
    }
}
