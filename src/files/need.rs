use serde::Serialize;

use super::Footprint;

/// Formats bytes in powers of ten, as disks and downloads are measured.
#[must_use]
pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

/// The downloads and disk space that a set of packages needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The need of all packages.
    pub all: Footprint,
    /// The need of the packages that are not in the caches yet.
    pub fresh: Footprint,
    /// Bytes of downloaded archives that are removed after the installation.
    pub temporary_bytes: u64,
}

impl Need {
    /// Returns the sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            all: self.all.plus(other.all),
            fresh: self.fresh.plus(other.fresh),
            temporary_bytes: self.temporary_bytes + other.temporary_bytes,
        }
    }

    /// Returns the need without downloads.
    #[must_use]
    pub(crate) fn without_fresh(self) -> Self {
        Self {
            fresh: Footprint::default(),
            temporary_bytes: 0,
            ..self
        }
    }

    /// Returns the need with one more package.
    #[must_use]
    pub(crate) fn with(self, package: Footprint, is_cached: bool) -> Self {
        Self {
            all: self.all.plus(package),
            fresh: if is_cached {
                self.fresh
            } else {
                self.fresh.plus(package)
            },
            ..self
        }
    }

    /// Formats the need: `up to 1.90 GB to download, about 5.10 GB and 52000 files to write`.
    #[must_use]
    pub fn describe(&self) -> String {
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
    use crate::files::growth;

    #[test]
    fn packages_of_unknown_size_are_counted() {
        let growth = growth();
        let unpacked = |size| growth.wheel(size).unpacked(size);
        let need = Need::default()
            .with(unpacked(Some(1_000_000)), false)
            .with(unpacked(Some(2_000_000)), true)
            .with(unpacked(None), false);
        insta::assert_snapshot!(need.describe(), @"1.00 MB or more to download, about 10.80 MB and 240 files to write, and 1 package of unknown size");
    }
}
