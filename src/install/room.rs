//! Room: what an installation takes, and whether the filesystems below it have that.
//!
//! In: the packages of a lock, the store, the caches. Out: [`Footprint`]s for people, or the refusal with its numbers.
//! Sizes of archives are the index's own; what comes out of them is estimated (`profiles/footprint.toml`).

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rattler_conda_types::RepoDataRecord;
use serde::Serialize;

use crate::{
    conda,
    context::Context,
    lock::{Footprint, LockedPypi, growth},
    pypi,
};

/// A filesystem that does not say within this time whether it locks a file never will (NFS without its lock daemon).
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no room for an environment.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// A folder cannot be written to.
    #[error("cannot write to {}", folder.display())]
    NotWritable {
        /// The folder.
        folder: PathBuf,
        /// The variable that names another.
        variable: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store's filesystem refuses to run programs.
    #[error("{} is on a filesystem that may not run programs (noexec)", folder.display())]
    NoExec {
        /// The folder.
        folder: PathBuf,
    },
    /// A filesystem locks no files.
    #[error("the filesystem of {} locks no files: {because}", folder.display())]
    NoLocks {
        /// The folder.
        folder: PathBuf,
        /// The variable that names another.
        variable: &'static str,
        /// What was seen.
        because: String,
    },
    /// Not enough space.
    #[error(
        "the filesystem of {} is too full: about {} to write, {} free", folder.display(), bytes(*needed), bytes(*free)
    )]
    Space {
        /// A folder on it.
        folder: PathBuf,
        /// The variable that names another.
        variable: &'static str,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Not enough inodes.
    #[error(
        "the filesystem of {} has too few inodes: about {needed} files to write, {free} free", folder.display()
    )]
    Inodes {
        /// A folder on it.
        folder: PathBuf,
        /// The variable that names another.
        variable: &'static str,
        /// Files.
        needed: u64,
        /// Inodes.
        free: u64,
    },
}

/// Bytes as people read them, in powers of ten like disks and downloads.
#[must_use]
fn bytes(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

/// What a set of packages takes: all of it, and what the caches do not hold yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Every package.
    pub all: Footprint,
    /// Those that have to be fetched.
    pub fresh: Footprint,
}

impl Need {
    /// What linking `records` takes.
    pub async fn of_conda(ctx: &Context, records: &[RepoDataRecord]) -> Self {
        let growth = growth().conda;
        // A cache that cannot be read holds nothing.
        let cached = conda::cached(ctx).await.ok();
        records.iter().fold(Self::default(), |need, record| {
            let is_cached = cached.as_ref().is_some_and(|cached| cached.contains_record(record));
            need.with(growth.unpacked(record.package_record.size), is_cached)
        })
    }

    /// What installing `locked` takes.
    #[must_use]
    pub fn of_wheels(ctx: &Context, locked: &LockedPypi) -> Self {
        let growth = growth();
        let is_cached = pypi::is_cached(ctx, &locked.wheels);
        locked.wheels.iter().fold(Self::default(), |need, wheel| {
            need.with(growth.wheel(wheel.size).unpacked(wheel.size), is_cached)
        })
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            all: self.all.plus(other.all),
            fresh: self.fresh.plus(other.fresh),
        }
    }

    fn with(self, package: Footprint, is_cached: bool) -> Self {
        Self {
            all: self.all.plus(package),
            fresh: if is_cached {
                self.fresh
            } else {
                self.fresh.plus(package)
            },
        }
    }

    /// In words: `up to 1.90 GB to download, about 5.10 GB and 52000 files to write`.
    #[must_use]
    pub fn words(&self) -> String {
        let fetch = match (self.fresh.download_bytes, self.fresh.unknown) {
            (0, 0) => "nothing to download".to_owned(),
            (some, 0) => format!("up to {} to download", bytes(some)),
            (some, _) => format!("{} or more to download", bytes(some)),
        };
        let unknown = match self.all.unknown {
            0 => String::new(),
            1 => ", and 1 package whose index tells no size".to_owned(),
            more => format!(", and {more} packages whose index tells no sizes"),
        };
        format!(
            "{fetch}, about {} and {} files to write{unknown}",
            bytes(self.all.write_bytes),
            self.all.files
        )
    }
}

/// Where an installation writes, and the variable that moves each place.
struct Places {
    store: PathBuf,
    wheels: PathBuf,
    conda: PathBuf,
}

impl Places {
    fn of(ctx: &Context) -> Self {
        Self {
            store: ctx.settings.home.clone(),
            wheels: ctx.settings.uv_cache.clone(),
            conda: ctx.settings.rattler_cache.clone(),
        }
    }

    fn all(&self) -> [(&Path, &'static str); 3] {
        [
            (&self.store, "MATENV_HOME"),
            (&self.wheels, "UV_CACHE_DIR"),
            (&self.conda, "RATTLER_CACHE_DIR"),
        ]
    }
}

/// Whether the store and the caches can be written to and locked, and the store may run programs. Before the first
/// byte is fetched.
pub(super) async fn check_places(ctx: &Context) -> Result<(), RoomError> {
    let places = Places::of(ctx);
    for (folder, variable) in places.all() {
        writable(folder, variable)?;
        if variable != "RATTLER_CACHE_DIR" {
            locks(folder, variable).await?;
        }
    }
    if filesystem(&places.store).is_ok_and(|filesystem| filesystem.noexec) {
        return Err(RoomError::NoExec { folder: places.store });
    }
    Ok(())
}

/// Whether there is room for `conda` and `wheels`, in the caches and in the store.
pub(super) fn check_room(ctx: &Context, conda: Need, wheels: Need) -> Result<(), RoomError> {
    let places = Places::of(ctx);
    let device = |folder: &Path| filesystem(folder).ok().map(|filesystem| filesystem.device);
    let store_device = device(&places.store);
    let mut by_device: BTreeMap<u64, (&Path, &'static str, Footprint)> = BTreeMap::new();
    let mut add = |folder, variable, footprint| {
        // A filesystem that tells nothing is found full only when it is.
        if let Some(device) = device(folder) {
            let sum = by_device
                .entry(device)
                .or_insert((folder, variable, Footprint::default()));
            sum.2 = sum.2.plus(footprint);
        }
    };
    for (need, cache, variable) in [
        (conda, &places.conda, "RATTLER_CACHE_DIR"),
        (wheels, &places.wheels, "UV_CACHE_DIR"),
    ] {
        add(cache, variable, need.fresh);
        let in_store = if device(cache) == store_device {
            // The store's files are links to the cache's; its folders are its own: about one for ten files.
            Footprint {
                files: need.all.files / 10,
                ..Footprint::default()
            }
        } else {
            need.all
        };
        add(&places.store, "MATENV_HOME", in_store);
    }
    for (folder, variable, footprint) in by_device.into_values() {
        if let Ok(filesystem) = filesystem(folder) {
            filesystem.holds(folder, variable, footprint)?;
        }
    }
    Ok(())
}

fn writable(folder: &Path, variable: &'static str) -> Result<(), RoomError> {
    let tried = || -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".matenv-").tempfile_in(folder)?;
        file.write_all(b"matenv")
    };
    tried().map_err(|source| RoomError::NotWritable {
        folder: folder.to_owned(),
        variable,
        source,
    })
}

/// A lock is tried in a thread of its own: where the lock daemon of NFS is gone, the call never comes back.
async fn locks(folder: &Path, variable: &'static str) -> Result<(), RoomError> {
    let refused = |because: String| RoomError::NoLocks {
        folder: folder.to_owned(),
        variable,
        because,
    };
    let file = tempfile::Builder::new()
        .prefix(".matenv-")
        .tempfile_in(folder)
        .map_err(|source| RoomError::NotWritable {
            folder: folder.to_owned(),
            variable,
            source,
        })?;
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Nobody listens any more after PATIENCE.
        let _ = tell.send(file.as_file().lock());
    });
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(refused(error.to_string())),
        Ok(Err(_)) | Err(_) => Err(refused("no answer within 5 seconds".to_owned())),
    }
}

/// What the filesystem below a folder offers.
#[derive(Debug, Clone, Copy)]
struct Filesystem {
    device: u64,
    free_bytes: u64,
    /// `None` where files are not counted.
    free_inodes: Option<u64>,
    noexec: bool,
}

impl Filesystem {
    fn holds(&self, folder: &Path, variable: &'static str, need: Footprint) -> Result<(), RoomError> {
        if need.write_bytes > self.free_bytes {
            return Err(RoomError::Space {
                folder: folder.to_owned(),
                variable,
                needed: need.write_bytes,
                free: self.free_bytes,
            });
        }
        match self.free_inodes {
            Some(free) if need.files > free => Err(RoomError::Inodes {
                folder: folder.to_owned(),
                variable,
                needed: need.files,
                free,
            }),
            _ => Ok(()),
        }
    }
}

/// The filesystem of the nearest folder that is there.
#[cfg(unix)]
fn filesystem(folder: &Path) -> std::io::Result<Filesystem> {
    use std::os::unix::fs::MetadataExt as _;
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let found = rustix::fs::statvfs(there)?;
    Ok(Filesystem {
        device: fs_err::metadata(there)?.dev(),
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        // btrfs and others count no files and say zero of zero.
        free_inodes: (found.f_files > 0).then_some(found.f_favail),
        noexec: found.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC),
    })
}

/// Windows has neither inodes nor noexec, and a drive letter a filesystem.
#[cfg(not(unix))]
fn filesystem(folder: &Path) -> std::io::Result<Filesystem> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let drive = there.components().next().map(|drive| drive.as_os_str().to_owned());
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&drive, &mut hasher);
    Ok(Filesystem {
        device: std::hash::Hasher::finish(&hasher),
        free_bytes: fs4::available_space(there)?,
        free_inodes: None,
        noexec: false,
    })
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

    fn need(write_bytes: u64, files: u64) -> Footprint {
        Footprint {
            write_bytes,
            files,
            ..Footprint::default()
        }
    }

    #[test]
    fn a_refusal_says_the_numbers() {
        let folder = Path::new("/home/you/.matenv");
        let refused = SMALL.holds(folder, "MATENV_HOME", need(5_100_000_000, 10));
        insta::assert_snapshot!(
            refused.expect_err("too large"),
            @"the filesystem of /home/you/.matenv is too full: about 5.10 GB to write, 1.00 GB free"
        );
        let refused = SMALL.holds(folder, "MATENV_HOME", need(10, 52_000));
        insta::assert_snapshot!(
            refused.expect_err("too many"),
            @"the filesystem of /home/you/.matenv has too few inodes: about 52000 files to write, 500 free"
        );
        assert!(SMALL.holds(folder, "MATENV_HOME", need(10, 10)).is_ok());
    }

    #[test]
    fn a_filesystem_that_counts_no_files_takes_any_number() {
        let uncounted = Filesystem {
            free_inodes: None,
            ..SMALL
        };
        assert!(
            uncounted
                .holds(Path::new("/"), "MATENV_HOME", need(10, u64::MAX))
                .is_ok()
        );
    }

    #[test]
    fn what_an_index_tells_no_size_of_is_said() {
        let growth = growth();
        let unpacked = |size| growth.wheel(size).unpacked(size);
        let need = Need::default()
            .with(unpacked(Some(1_000_000)), false)
            .with(unpacked(Some(2_000_000)), true)
            .with(unpacked(None), false);
        insta::assert_snapshot!(need.words(), @"1.00 MB or more to download, about 10.80 MB and 180 files to write, and 1 package whose index tells no size");
    }

    #[test]
    fn this_machine_tells_its_filesystems() {
        let here = filesystem(&std::env::temp_dir().join("not/there/yet")).expect("a filesystem");
        assert!(here.free_bytes > 0);
    }
}
