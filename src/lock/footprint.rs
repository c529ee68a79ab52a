//! What packages take: bytes to fetch, bytes and files to write.

use serde::{Deserialize, Serialize};

use crate::files::toml_file::TomlFile;

/// A wheel of more bytes than this holds libraries, which pack less well.
const LARGE: u64 = 50_000_000;

const GROWTH: &str = include_str!("../../profiles/footprint.toml");

/// What an installation takes: bytes and files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Bytes to download, at most: what the caches hold already is not fetched again.
    pub download_bytes: u64,
    /// Bytes to write.
    pub write_bytes: u64,
    /// Files to write.
    pub files: u64,
    /// Packages whose index tells no size: the numbers are a lower bound then.
    pub unknown: u64,
}

impl Footprint {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            download_bytes: self.download_bytes + other.download_bytes,
            write_bytes: self.write_bytes + other.write_bytes,
            files: self.files + other.files,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// How archives grow when they are unpacked (`profiles/footprint.toml`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    /// Of conda archives.
    pub conda: Growth,
    wheel: Growth,
    large_wheel: Growth,
}

impl Table {
    /// How a wheel of `size` bytes grows.
    #[must_use]
    pub fn wheel(&self, size: Option<u64>) -> &Growth {
        match size {
            Some(large) if large > LARGE => &self.large_wheel,
            _ => &self.wheel,
        }
    }
}

/// How one kind of archive grows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Bytes that come out of one byte.
    pub unpacked_per_byte: f64,
    /// Files that come out of a million bytes.
    pub files_per_megabyte: f64,
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

impl Growth {
    /// What an archive of `size` bytes takes.
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

/// The table of the data file.
#[must_use]
pub fn growth() -> Table {
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
}
