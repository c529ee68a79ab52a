//! Limits on the size of an archive after it is unpacked: a few kilobytes can become gigabytes.

use std::io::{self, Read};

use tar::{Archive, EntryType};

/// Bytes that every archive may unpack to, however small it is.
const FLOOR: u64 = 64 * 1024 * 1024;

/// Bytes that one byte of an archive may unpack to. The highest of 291 real wheels is 18 (xyzservices, 2026-11). Deflate
/// reaches 1,000, Zstandard and bzip2 much more.
const RATIO: u64 = 100;

/// Bytes that count for each file in addition to its content, so that empty files count as well.
pub(crate) const PER_FILE: u64 = 512;

/// Longest extension header of a tar archive in bytes. It contains a long name, and is read into memory.
const EXTENSION_LIMIT: u64 = 1024 * 1024;

/// Returns how many bytes an archive of `size` bytes may unpack to.
pub(crate) fn limit(size: u64) -> u64 {
    FLOOR.saturating_add(size.saturating_mul(RATIO))
}

/// The result of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpacked {
    /// The number of bytes.
    Bytes(u64),
    /// There are more bytes than the limit.
    TooLarge,
}

/// Counts the bytes of the files in a tar archive, without writing them. Stops at `limit`, before the content of the
/// file that exceeds it.
pub(crate) fn count_tar(reader: impl Read, limit: u64) -> io::Result<Unpacked> {
    // The headers count as well, so the reader itself never passes the limit by much.
    let mut archive = Archive::new(reader.take(limit.saturating_mul(2)));
    let mut total = 0_u64;
    // Raw entries, because the others read extension headers of any length into memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let mut size = entry.header().entry_size()?;
        if let Some(gnu) = entry.header().as_gnu()
            && kind == EntryType::GNUSparse
        {
            // The holes of a sparse file are written as zeros.
            size = size.max(gnu.real_size()?);
        }
        let is_extension = matches!(
            kind,
            EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName | EntryType::GNULongLink
        );
        if is_extension && size > EXTENSION_LIMIT {
            return Ok(Unpacked::TooLarge);
        }
        total = total.saturating_add(size).saturating_add(PER_FILE);
        if total > limit {
            return Ok(Unpacked::TooLarge);
        }
        if is_extension {
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            // These replace the size of the next header.
            if [b" size=".as_slice(), b" GNU.sparse."]
                .iter()
                .any(|key| contains(&text, key))
            {
                return Ok(Unpacked::TooLarge);
            }
        }
    }
    Ok(Unpacked::Bytes(total))
}

fn contains(text: &[u8], key: &[u8]) -> bool {
    text.windows(key.len()).any(|window| window == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(entries: &[(EntryType, u64)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, size) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_path("file").expect("a path");
            header.set_size(*size);
            header.set_cksum();
            builder.append(&header, io::repeat(b'x').take(*size)).expect("added");
        }
        builder.into_inner().expect("finished")
    }

    #[test]
    fn files_and_headers_count() {
        let archive = tar(&[(EntryType::Regular, 1000), (EntryType::Regular, 0)]);
        let counted = |limit| count_tar(archive.as_slice(), limit).expect("a tar archive");
        assert_eq!(counted(10_000), Unpacked::Bytes(2024));
        assert_eq!(counted(2023), Unpacked::TooLarge);
    }

    /// The content of the large file is not even read.
    #[test]
    fn a_large_file_is_refused_by_its_header() {
        let mut archive = tar(&[(EntryType::Regular, 1 << 20)]);
        archive.truncate(512);
        assert_eq!(
            count_tar(archive.as_slice(), 1 << 20).expect("counted"),
            Unpacked::TooLarge
        );
    }

    #[test]
    fn sizes_outside_the_header_are_refused() {
        let long = tar(&[(EntryType::GNULongName, EXTENSION_LIMIT + 1)]);
        assert_eq!(
            count_tar(long.as_slice(), limit(0)).expect("counted"),
            Unpacked::TooLarge
        );
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_path("file").expect("a path");
        header.set_size(0);
        header.as_gnu_mut().expect("GNU").set_real_size(1 << 40);
        header.set_cksum();
        assert_eq!(
            count_tar(header.as_bytes().as_slice(), limit(0)).expect("counted"),
            Unpacked::TooLarge
        );
        let mut builder = tar::Builder::new(Vec::new());
        builder
            .append_pax_extensions([("size", b"99999999999".as_slice())])
            .expect("added");
        let pax = builder.into_inner().expect("finished");
        assert_eq!(
            count_tar(pax.as_slice(), limit(0)).expect("counted"),
            Unpacked::TooLarge
        );
    }
}
