//! The files of an extracted package. They are listed and not opened.

use std::{collections::HashMap, path::Path};

use super::{
    Problem, UnsafePackage,
    path_rules::{PathRules, stays_inside},
    printable,
};
use crate::files::modes::tighten;

/// The kind of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link with its target.
    Link(String),
    /// A regular file with the setuid or setgid bit.
    SetId,
    /// A device, pipe or socket.
    Special,
}

/// The files and folders of an extracted package, by their paths.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: HashMap<String, Kind>,
    has_links: bool,
}

impl Tree {
    /// Lists everything below `folder`, without following links.
    pub(super) fn read(folder: &Path) -> std::io::Result<Self> {
        let mut tree = Self::default();
        tree.add(folder, "")?;
        Ok(tree)
    }

    fn add(&mut self, folder: &Path, name: &str) -> std::io::Result<()> {
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            let file = entry.file_name();
            let file = file.to_string_lossy();
            let path = if name.is_empty() {
                file.into_owned()
            } else {
                format!("{name}/{file}")
            };
            let metadata = entry.metadata()?;
            if !metadata.is_symlink() {
                // rattler keeps the permissions of the archive, and links the file with them.
                tighten(&entry.path(), &metadata);
            }
            let kind = kind(&entry.path(), &metadata)?;
            if kind == Kind::Folder {
                self.add(&entry.path(), &path)?;
            }
            self.has_links |= matches!(kind, Kind::Link(_));
            self.files.insert(path, kind);
        }
        Ok(())
    }

    /// Checks all files, also those that no list names: a system may clone a whole folder at once.
    pub(super) fn check(self, package: &str, rules: PathRules, may_link_outside: bool) -> Result<Self, UnsafePackage> {
        for (path, kind) in &self.files {
            let refuse = |problem| UnsafePackage::at(package, path, problem);
            rules.check(path).map_err(refuse)?;
            match kind {
                Kind::File | Kind::Folder => {}
                Kind::Special => return Err(refuse(Problem::SpecialFile)),
                Kind::SetId => return Err(refuse(Problem::SetId)),
                Kind::Link(target) => {
                    let is_link = |path: &str| matches!(self.kind(path), Some(Kind::Link(_)));
                    if !may_link_outside && !stays_inside(path, target, is_link) {
                        let target = printable(target);
                        return Err(refuse(Problem::OutsideLink { target }));
                    }
                }
            }
        }
        Ok(self)
    }

    pub(super) fn kind(&self, path: &str) -> Option<&Kind> {
        self.files.get(path)
    }

    /// Returns the link that is a folder of `path`.
    pub(super) fn link_above<'a>(&self, path: &'a str) -> Option<&'a str> {
        if !self.has_links {
            return None;
        }
        folders_of(path).find(|folder| matches!(self.kind(folder), Some(Kind::Link(_))))
    }
}

/// Returns the folders of `path`, the longest first.
pub(super) fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(move |(end, _)| &path[..end])
}

fn kind(path: &Path, metadata: &std::fs::Metadata) -> std::io::Result<Kind> {
    let file_type = metadata.file_type();
    Ok(if file_type.is_symlink() {
        Kind::Link(fs_err::read_link(path)?.to_string_lossy().into_owned())
    } else if file_type.is_dir() {
        Kind::Folder
    } else if !file_type.is_file() {
        Kind::Special
    } else if has_set_id(metadata) {
        Kind::SetId
    } else {
        Kind::File
    })
}

#[cfg(unix)]
fn has_set_id(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o6000 != 0
}

#[cfg(not(unix))]
fn has_set_id(_metadata: &std::fs::Metadata) -> bool {
    false
}
