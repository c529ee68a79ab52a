//! Links to folders: symbolic links, or junctions on Windows, which need no administrator rights.

use std::path::{Path, PathBuf};

use super::durable;
use crate::files;

/// The type of file at a path.
#[derive(Debug)]
pub(super) enum LinkState {
    /// The path does not exist.
    Nothing,
    /// A link and its target, which may not exist.
    Link(PathBuf),
    /// A folder or a file.
    NotALink,
}

/// Inspects `path` itself without following a link.
pub(super) fn inspect(path: &Path) -> std::io::Result<LinkState> {
    match files::if_exists(fs_err::symlink_metadata(path))? {
        Some(metadata) if metadata.is_symlink() => {
            let target = fs_err::read_link(path)?;
            // `join` resolves a relative target against the link's folder and keeps an absolute one.
            Ok(LinkState::Link(path.parent().unwrap_or(path).join(target)))
        }
        Some(_) => Ok(LinkState::NotALink),
        None => Ok(LinkState::Nothing),
    }
}

/// Creates a link at a path that does not exist.
#[cfg(unix)]
pub(super) fn make(target: &Path, link: &Path) -> std::io::Result<()> {
    fs_err::os::unix::fs::symlink(target, link)
}

/// Creates a junction at a path that does not exist.
#[cfg(windows)]
pub(super) fn make(target: &Path, link: &Path) -> std::io::Result<()> {
    junction::create(target, link)
}

/// Removes a link, but not its target.
pub(super) fn remove(link: &Path) -> std::io::Result<()> {
    if cfg!(windows) {
        // Windows treats a junction as a folder. This call removes only the junction.
        fs_err::remove_dir(link)
    } else {
        fs_err::remove_file(link)
    }
}

/// The ending of the name of a temporary link.
pub(super) const NEW: &str = ".new";

/// Returns the path of the temporary link that becomes `link`. No environment's name starts with a dot. After a crash,
/// the next call of [`replace`] removes it.
pub(super) fn temporary(link: &Path) -> PathBuf {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    link.with_file_name(format!(".{name}{NEW}"))
}

/// Replaces `link` with a link to `target` in one step: a reader sees either the old or the new link. After an error, the
/// old link is still there.
#[cfg(unix)]
pub(super) fn replace(target: &Path, link: &Path) -> std::io::Result<()> {
    let temporary = temporary(link);
    if !matches!(inspect(&temporary)?, LinkState::Nothing) {
        remove(&temporary)?;
    }
    make(target, &temporary)?;
    if let Err(error) = fs_err::rename(&temporary, link) {
        // The rename error matters more. The next call removes the link if this fails.
        let _ = remove(&temporary);
        return Err(error);
    }
    // The new link is there now. An error would make the caller undo it.
    if let Err(error) = durable::sync_folder(link.parent().unwrap_or(link)) {
        tracing::warn!("a power failure may bring the previous generation back: {error}");
    }
    Ok(())
}

/// Replaces `link` in two steps, because a junction cannot be renamed over another one. The environment is locked, so
/// no other matenv process changes the link at the same time.
#[cfg(windows)]
pub(super) fn replace(target: &Path, link: &Path) -> std::io::Result<()> {
    let old = match inspect(link)? {
        LinkState::Link(old) => {
            remove(link)?;
            Some(old)
        }
        LinkState::Nothing | LinkState::NotALink => None,
    };
    make(target, link).inspect_err(|_| {
        // The error of the new link matters more.
        let _ = old.map(|old| make(&old, link));
    })
}
