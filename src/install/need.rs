use rattler_conda_types::RepoDataRecord;
use serde::Serialize;

use crate::{
    context::Context,
    lock::{Footprint, LockedPypi, growth},
    packages::{conda, pypi},
};

/// Formats bytes in powers of ten, as disks and downloads are measured.
#[must_use]
pub(super) fn bytes(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

/// The downloads and disk space that a set of packages needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The need of all packages.
    pub all: Footprint,
    /// The need of the packages that are not in the caches yet.
    pub fresh: Footprint,
}

impl Need {
    /// Returns the need of linking `records`.
    pub async fn of_conda(ctx: &Context, records: &[RepoDataRecord]) -> Self {
        let growth = growth().conda;
        // A cache that cannot be read counts as empty.
        let cached = conda::cached(ctx).await.ok();
        records.iter().fold(Self::default(), |need, record| {
            let is_cached = cached.as_ref().is_some_and(|cached| cached.contains_record(record));
            need.with(growth.unpacked(record.package_record.size), is_cached)
        })
    }

    /// Returns the need of installing `locked`.
    #[must_use]
    pub fn of_wheels(ctx: &Context, locked: &LockedPypi) -> Self {
        let growth = growth();
        let is_cached = pypi::is_cached(ctx, &locked.wheels);
        locked.wheels.iter().fold(Self::default(), |need, wheel| {
            need.with(growth.wheel(wheel.size).unpacked(wheel.size), is_cached)
        })
    }

    /// Returns the sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            all: self.all.plus(other.all),
            fresh: self.fresh.plus(other.fresh),
        }
    }

    /// Returns the need without downloads.
    #[must_use]
    pub(super) fn without_fresh(self) -> Self {
        Self {
            fresh: Footprint::default(),
            ..self
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

    /// Formats the need: `up to 1.90 GB to download, about 5.10 GB and 52000 files to write`.
    #[must_use]
    pub fn words(&self) -> String {
        let fetch = match (self.fresh.download_bytes, self.fresh.unknown) {
            (0, 0) => "nothing to download".to_owned(),
            (some, 0) => format!("up to {} to download", bytes(some)),
            (some, _) => format!("{} or more to download", bytes(some)),
        };
        let unknown = match self.all.unknown {
            0 => String::new(),
            1 => ", and 1 package of unknown size".to_owned(),
            more => format!(", and {more} packages of unknown size"),
        };
        format!(
            "{fetch}, about {} and {} files to write{unknown}",
            bytes(self.all.write_bytes),
            self.all.files
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_unknown_size_are_counted() {
        let growth = growth();
        let unpacked = |size| growth.wheel(size).unpacked(size);
        let need = Need::default()
            .with(unpacked(Some(1_000_000)), false)
            .with(unpacked(Some(2_000_000)), true)
            .with(unpacked(None), false);
        insta::assert_snapshot!(need.words(), @"1.00 MB or more to download, about 10.80 MB and 240 files to write, and 1 package of unknown size");
    }
}
