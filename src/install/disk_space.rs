//! Disk space: checks that the file systems of the store and the caches have enough space and inodes.
//!
//! Input: a [`Need`], the store and the caches. Output: nothing, or an error with the numbers and the variables that
//! set the folders.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use crate::{
    context::Context,
    files::{Filesystem, Footprint, Need, bytes},
    install::folders::Places,
};

/// Not enough disk space, or a folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskSpaceError {
    /// A folder cannot be written to.
    #[error("failed to write to {}", folder.display())]
    NotWritable {
        /// The folder.
        folder: PathBuf,
        /// The variable that sets another folder.
        variable: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The store's file system does not allow running programs.
    #[error("{} is on a file system that does not allow running programs (noexec)", folder.display())]
    NoExec {
        /// The folder.
        folder: PathBuf,
    },
    /// A file system does not support file locks.
    #[error("the file system of {} does not support file locks: {because}", folder.display())]
    NoLocks {
        /// The folder.
        folder: PathBuf,
        /// The variable that sets another folder.
        variable: &'static str,
        /// The system's error message.
        because: String,
    },
    /// Not enough disk space.
    #[error(
        "not enough disk space in the file system of {}: about {} to write, {} free",
        folder.display(), bytes(*needed), bytes(*free)
    )]
    Space {
        /// A folder on the file system.
        folder: PathBuf,
        /// The variables that move the folders, as on a command line: `MATENV_HOME=DIR UV_CACHE_DIR=DIR`.
        variables: String,
        /// Bytes to write.
        needed: u64,
        /// Free bytes.
        free: u64,
    },
    /// Not enough inodes.
    #[error(
        "not enough inodes in the file system of {}: about {needed} files to write, {free} free", folder.display()
    )]
    Inodes {
        /// A folder on the file system.
        folder: PathBuf,
        /// The variables that move the folders, as on a command line: `MATENV_HOME=DIR UV_CACHE_DIR=DIR`.
        variables: String,
        /// Files to write.
        needed: u64,
        /// Free inodes.
        free: u64,
    },
}

/// The bytes and files to write to one file system, in total and by folder.
#[derive(Debug, Default)]
struct Load {
    sum: Footprint,
    places: Vec<(Footprint, PathBuf, &'static str)>,
}

impl Load {
    fn add(&mut self, footprint: Footprint, folder: &Path, variable: &'static str) {
        if footprint.write_bytes > 0 || footprint.files > 0 {
            self.sum = self.sum.plus(footprint);
            self.places.push((footprint, folder.to_owned(), variable));
        }
    }

    fn fits(&self, filesystem: Filesystem) -> Result<(), DiskSpaceError> {
        let most = self
            .places
            .iter()
            .max_by_key(|(footprint, ..)| (footprint.write_bytes, footprint.files));
        let Some((_, folder, _)) = most else {
            return Ok(());
        };
        let mut variables: Vec<String> = self.places.iter().map(|(.., name)| format!("{name}=DIR")).collect();
        variables.sort();
        variables.dedup();
        let variables = variables.join(" ");
        let folder = folder.clone();
        if self.sum.write_bytes > filesystem.free_bytes {
            return Err(DiskSpaceError::Space {
                folder,
                variables,
                needed: self.sum.write_bytes,
                free: filesystem.free_bytes,
            });
        }
        match filesystem.free_inodes {
            Some(free) if self.sum.files > free => Err(DiskSpaceError::Inodes {
                folder,
                variables,
                needed: self.sum.files,
                free,
            }),
            _ => Ok(()),
        }
    }
}

/// Checks that there is enough disk space for `conda` and `wheels` in the caches and the store.
///
/// If uv's cache may already contain the wheels, too little space for them is only a warning. A disk that gets full
/// during the installation is reported as well.
pub(super) fn check_disk_space(ctx: &Context, conda: Need, wheels: Need) -> Result<(), DiskSpaceError> {
    let unsure = holds_wheels(&ctx.settings.uv_cache);
    let certain = if unsure { wheels.without_fresh() } else { wheels };
    for (load, filesystem) in loads(ctx, conda, certain) {
        load.fits(filesystem)?;
    }
    let warn = |conda, wheels, unless: &str| {
        for (load, filesystem) in loads(ctx, conda, wheels) {
            if let Err(error) = load.fits(filesystem) {
                ctx.events.warn(format!("{error}, {unless}"));
            }
        }
    };
    if unsure {
        warn(conda, wheels, "unless uv's cache already contains the wheels");
    }
    // The environments of one run are written at the same time. Each alone may fit, but not all together.
    let mut promised = ctx.shared.reserved.lock().unwrap_or_else(PoisonError::into_inner);
    let others = promised.len();
    promised.push((conda, certain));
    if others > 0 {
        let sum = promised.iter().fold((Need::default(), Need::default()), |sum, one| {
            (sum.0.plus(one.0), sum.1.plus(one.1))
        });
        warn(sum.0, sum.1, "together with the other environments of this run");
    }
    Ok(())
}

/// Returns whether uv's cache contains unpacked wheels.
fn holds_wheels(cache: &Path) -> bool {
    fs_err::read_dir(cache).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("archive-"))
    })
}

/// Returns what will be written to each file system. A file system whose properties cannot be read is not checked.
fn loads(ctx: &Context, conda: Need, wheels: Need) -> Vec<(Load, Filesystem)> {
    let places = Places::resolve(ctx);
    let store = Filesystem::at_path(&places.store).ok();
    let mut by_device: BTreeMap<u64, (Load, Filesystem)> = BTreeMap::new();
    let mut add = |folder: &Path, variable, footprint| {
        if let Ok(filesystem) = Filesystem::at_path(folder) {
            by_device
                .entry(filesystem.device)
                .or_insert_with(|| (Load::default(), filesystem))
                .0
                .add(footprint, folder, variable);
        }
    };
    for (need, cache, variable) in [
        (conda, &places.conda, "RATTLER_CACHE_DIR"),
        (wheels, &places.wheels, "UV_CACHE_DIR"),
    ] {
        add(cache, variable, need.fresh);
        let cache = Filesystem::at_path(cache).ok();
        let in_store = if cache.map(|cache| cache.device) == store.map(|store| store.device) {
            // The store links the cache's files but has its own folders, about one for every ten files.
            Footprint {
                files: need.all.files / 10,
                ..Footprint::default()
            }
        } else {
            need.all
        };
        add(&places.store, "MATENV_HOME", in_store);
        let temporary = Footprint {
            write_bytes: need.temporary_bytes,
            ..Footprint::default()
        };
        add(&places.store, "MATENV_HOME", temporary);
    }
    by_device.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Filesystem = Filesystem {
        device: 1,
        free_bytes: 1_000_000_000,
        free_inodes: Some(500),
        noexec: false,
    };

    /// Returns the load of a cache and a store on one file system.
    fn load(write_bytes: u64, files: u64) -> Load {
        let mut load = Load::default();
        let footprint = |write_bytes, files| Footprint {
            write_bytes,
            files,
            ..Footprint::default()
        };
        load.add(
            footprint(0, 0),
            Path::new("/home/you/.cache/rattler"),
            "RATTLER_CACHE_DIR",
        );
        load.add(
            footprint(write_bytes, files),
            Path::new("/home/you/.cache/uv"),
            "UV_CACHE_DIR",
        );
        load.add(footprint(0, files / 10), Path::new("/home/you/.matenv"), "MATENV_HOME");
        load
    }

    /// The error named the first folder, even though nothing was to be written there.
    #[test]
    fn the_error_has_the_numbers_and_the_variables() {
        let refused = |load: Load| match load.fits(SMALL).expect_err("too much") {
            error @ (DiskSpaceError::Space { .. } | DiskSpaceError::Inodes { .. }) => {
                let (DiskSpaceError::Space { variables, .. } | DiskSpaceError::Inodes { variables, .. }) = &error
                else {
                    unreachable!("matched above")
                };
                format!("{error}; {variables}")
            }
            other => other.to_string(),
        };
        insta::assert_snapshot!(
            refused(load(5_100_000_000, 10)),
            @"not enough disk space in the file system of /home/you/.cache/uv: about 5.10 GB to write, 1.00 GB free; MATENV_HOME=DIR UV_CACHE_DIR=DIR"
        );
        insta::assert_snapshot!(
            refused(load(10, 52_000)),
            @"not enough inodes in the file system of /home/you/.cache/uv: about 57200 files to write, 500 free; MATENV_HOME=DIR UV_CACHE_DIR=DIR"
        );
        assert!(load(10, 10).fits(SMALL).is_ok());
    }

    #[test]
    fn a_filesystem_without_an_inode_limit_takes_any_number_of_files() {
        let uncounted = Filesystem {
            free_inodes: None,
            ..SMALL
        };
        assert!(load(10, 1_000_000_000).fits(uncounted).is_ok());
    }

    #[test]
    fn only_a_cache_with_unpacked_wheels_may_hold_them() {
        let cache = tempfile::tempdir().expect("a temp folder");
        assert!(!holds_wheels(cache.path()));
        fs_err::create_dir(cache.path().join("archive-v0")).expect("made");
        assert!(holds_wheels(cache.path()));
    }
}
