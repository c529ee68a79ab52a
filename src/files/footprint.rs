//! The disk footprint of packages: bytes to download, bytes and files to write.

use serde::{Deserialize, Serialize};

use crate::files::toml_file::TomlFile;

/// A wheel larger than this contains libraries, which compress less well. In bytes.
const LARGE: u64 = 50_000_000;

const GROWTH: &str = include_str!("../../profiles/footprint.toml");

/// The bytes and files of an installation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Bytes to download at most. Files in the caches are not downloaded again.
    pub download_bytes: u64,
    /// Bytes to write.
    pub write_bytes: u64,
    /// Files to write.
    pub files: u64,
    /// Number of packages of unknown size. If there are any, the other numbers are lower bounds.
    pub unknown: u64,
}

impl Footprint {
    /// Returns the sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            // An index may list any size.
            download_bytes: self.download_bytes.saturating_add(other.download_bytes),
            write_bytes: self.write_bytes.saturating_add(other.write_bytes),
            files: self.files.saturating_add(other.files),
            unknown: self.unknown.saturating_add(other.unknown),
        }
    }
}

/// The growth of archives when they are unpacked (`profiles/footprint.toml`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowthTable {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    /// The growth of conda archives.
    pub conda: Growth,
    wheel: Growth,
    large_wheel: Growth,
}

impl GrowthTable {
    /// Returns the growth of a wheel of `size` bytes.
    #[must_use]
    pub fn wheel(&self, size: Option<u64>) -> &Growth {
        match size {
            Some(large) if large > LARGE => &self.large_wheel,
            _ => &self.wheel,
        }
    }
}

/// The growth of one kind of archive.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Unpacked bytes per byte.
    pub unpacked_per_byte: f64,
    /// Files per million bytes.
    pub files_per_megabyte: f64,
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

impl Growth {
    /// Returns the footprint of an archive of `size` bytes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes of files, times small positive numbers"
    )]
    pub fn unpacked(&self, size: Option<u64>) -> Footprint {
        let Some(size) = size else {
            return Footprint {
                unknown: 1,
                ..Footprint::default()
            };
        };
        Footprint {
            download_bytes: size,
            write_bytes: (size as f64 * self.unpacked_per_byte) as u64,
            files: (size as f64 / 1e6 * self.files_per_megabyte).ceil() as u64,
            unknown: 0,
        }
    }
}

/// Reads the built-in table.
#[must_use]
pub fn growth() -> GrowthTable {
    TomlFile::new("built-in: profiles/footprint.toml", GROWTH)
        .parse()
        .expect("tested: profiles/footprint.toml parses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_grow_and_one_without_a_size_is_counted() {
        let growth = growth();
        let unpacked = |size| growth.wheel(size).unpacked(size);
        let sum = unpacked(Some(1_000_000)).plus(unpacked(None));
        assert!(unpacked(Some(90_000_000)).files < 90 * unpacked(Some(1_000_000)).files);
        assert!(sum.write_bytes > 1_000_000 && sum.files > 1, "{sum:?}");
        assert_eq!((sum.download_bytes, sum.unknown), (1_000_000, 1));
    }

    /// Bug: the sum of two huge sizes from an index was a small number, or a panic in debug builds.
    #[test]
    fn huge_sizes_stay_huge() {
        let huge = growth().wheel(None).unpacked(Some(u64::MAX));
        assert_eq!(huge.plus(huge).download_bytes, u64::MAX);
    }
}
