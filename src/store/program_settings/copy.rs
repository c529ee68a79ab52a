//! Copies of a file or a folder with its links and permissions, and a digest of them.

use std::path::Path;

use rattler_digest::{Sha256, digest::Digest as _};

use super::{MAX_BYTES, MAX_FILES};
use crate::{
    files,
    input::{self, Input},
};

/// The contents of a file or folder.
pub(super) struct Contents {
    /// The number of files, folders and links.
    pub(super) files: u64,
    /// The bytes of the files.
    pub(super) bytes: u64,
    /// The SHA-256 over names, permissions and contents.
    pub(super) sha256: String,
}

/// Why a path is not copied.
pub(super) struct Unfit(pub(super) String);

impl From<std::io::Error> for Unfit {
    fn from(error: std::io::Error) -> Self {
        Self(format!("it cannot be read: {error}"))
    }
}

/// Reads a file or folder within the limits. Returns `None` if it does not exist.
pub(super) fn look(path: &Path) -> Result<Option<Contents>, Unfit> {
    let Some(metadata) = files::if_exists(fs_err::symlink_metadata(path)).or_else(|error| match error.kind() {
        // A file in the place of a parent folder.
        std::io::ErrorKind::NotADirectory => Ok(None),
        _ => Err(error),
    })?
    else {
        return Ok(None);
    };
    if metadata.is_symlink() {
        return Err(Unfit("it is a link".to_owned()));
    }
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(Unfit("it is not a file or a folder".to_owned()));
    }
    let mut seen = Seen::default();
    seen.add(path, "")?;
    Ok(Some(Contents {
        files: seen.files,
        bytes: seen.bytes,
        sha256: hex::encode(seen.digest.finalize()),
    }))
}

#[derive(Default)]
struct Seen {
    files: u64,
    bytes: u64,
    digest: Sha256,
}

impl Seen {
    fn add(&mut self, path: &Path, name: &str) -> Result<(), Unfit> {
        let metadata = fs_err::symlink_metadata(path)?;
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(Unfit(format!("it has more than {MAX_FILES} files")));
        }
        if metadata.is_symlink() {
            // Other systems do not copy links, see `copy_link`.
            if cfg!(unix) {
                let target = fs_err::read_link(path)?;
                self.field("link", name, target.as_os_str().as_encoded_bytes());
            }
        } else if metadata.is_dir() {
            self.field("folder", name, mode(&metadata).as_bytes());
            let mut entries = files::entries(path)?;
            entries.sort_by_key(fs_err::DirEntry::file_name);
            for entry in entries {
                let below = entry.file_name();
                let below = hex::encode(below.as_encoded_bytes());
                self.add(&entry.path(), &format!("{name}/{below}"))?;
            }
        } else if metadata.is_file() {
            self.bytes += metadata.len();
            if self.bytes > MAX_BYTES {
                return Err(Unfit(format!("it is larger than {}", files::bytes(MAX_BYTES))));
            }
            self.field("mode", name, mode(&metadata).as_bytes());
            let bytes = input::read(path, Input::Output)?;
            self.field("file", name, &bytes);
        }
        Ok(())
    }

    /// Adds a field with its length, so that two different trees never give the same bytes.
    fn field(&mut self, kind: &str, name: &str, value: &[u8]) {
        for part in [kind.as_bytes(), name.as_bytes(), value] {
            self.digest.update((part.len() as u64).to_le_bytes());
            self.digest.update(part);
        }
    }
}

#[cfg(unix)]
fn mode(metadata: &std::fs::Metadata) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    format!("{:o}", metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_metadata: &std::fs::Metadata) -> String {
    String::new()
}

/// Copies a file, a folder or a link to a path that does not exist. Other kinds of files are left out.
pub(super) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let metadata = fs_err::symlink_metadata(from)?;
    if metadata.is_symlink() {
        copy_link(from, to)
    } else if metadata.is_dir() {
        fs_err::create_dir(to)?;
        for entry in files::entries(from)? {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        // Last, as the folder may be read-only.
        fs_err::set_permissions(to, metadata.permissions())
    } else if metadata.is_file() {
        // This also copies the permissions, and never leaves the file more readable than the original.
        fs_err::copy(from, to).map(|_| ())
    } else {
        Ok(())
    }
}

#[cfg(unix)]
fn copy_link(from: &Path, to: &Path) -> std::io::Result<()> {
    fs_err::os::unix::fs::symlink(fs_err::read_link(from)?, to)
}

/// Links need a special right on Windows, and settings rarely contain one.
#[cfg(not(unix))]
fn copy_link(_from: &Path, _to: &Path) -> std::io::Result<()> {
    Ok(())
}
