//! Links to folders: symbolic links, and on Windows junctions, which need no administrator.

use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Debug)]
pub(super) enum At {
    /// Nothing.
    Nothing,
    /// A link, and where it points; the target need not exist.
    Link(PathBuf),
    /// A folder or a file.
    Thing,
}

/// Look at `path` itself, not through it.
pub(super) fn at(path: &Path) -> std::io::Result<At> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            let target = fs_err::read_link(path)?;
            // A relative target counts from the link's folder; an absolute one replaces it.
            Ok(At::Link(path.parent().unwrap_or(path).join(target)))
        }
        Ok(_) => Ok(At::Thing),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(At::Nothing),
        Err(error) => Err(error),
    }
}

/// Make a link where nothing stands.
#[cfg(unix)]
pub(super) fn make(target: &Path, link: &Path) -> std::io::Result<()> {
    fs_err::os::unix::fs::symlink(target, link)
}

/// Make a junction where nothing stands.
#[cfg(windows)]
pub(super) fn make(target: &Path, link: &Path) -> std::io::Result<()> {
    junction::create(target, link)
}

/// Remove a link, never what it points to.
pub(super) fn remove(link: &Path) -> std::io::Result<()> {
    if cfg!(windows) {
        // A junction is a folder to Windows; this removes the junction alone.
        fs_err::remove_dir(link)
    } else {
        fs_err::remove_file(link)
    }
}

/// Put a link to `target` in the place of `link`, in one step: a reader sees the old one or the new one.
#[cfg(unix)]
pub(super) fn replace(target: &Path, link: &Path) -> std::io::Result<()> {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    // No environment's name starts with a dot. A crash leaves at most this one, and the next switch takes it away.
    let temporary = link.with_file_name(format!(".{name}.new"));
    if !matches!(at(&temporary)?, At::Nothing) {
        remove(&temporary)?;
    }
    make(target, &temporary)?;
    if let Err(error) = fs_err::rename(&temporary, link) {
        // The error counts; the next switch takes away what cannot be removed now.
        let _ = remove(&temporary);
        return Err(error);
    }
    sync_folder(link)
}

/// Junctions cannot be renamed over each other; the environment is held, so nothing else switches meanwhile.
#[cfg(windows)]
pub(super) fn replace(target: &Path, link: &Path) -> std::io::Result<()> {
    if let At::Link(_) = at(link)? {
        remove(link)?;
    }
    make(target, link)
}

/// Wait until the name of `path` is on the disk.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => fs_err::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Windows has no such call for folders.
#[cfg(windows)]
pub(super) fn sync_folder(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
