use std::{
    io::{self, Read, Seek},
    ops::Range,
};

use object::{
    LittleEndian, ReadCache, ReadRef, elf,
    read::{
        elf::{FileHeader as _, SectionHeader as _},
        pe::ImageNtHeaders as _,
    },
};

/// The maximum size of a single read in bytes. The string and section tables of torch's libraries are below 1 MB.
const LARGEST: u64 = 16 << 20;

/// A file with a size limit for each read, so that a damaged file cannot cause a huge allocation.
pub(super) struct Capped<'a, R: Read + Seek>(&'a ReadCache<R>);

impl<'a, R: Read + Seek> Capped<'a, R> {
    pub(super) fn new(cache: &'a ReadCache<R>) -> Self {
        Self(cache)
    }
}

impl<R: Read + Seek> Clone for Capped<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Read + Seek> Copy for Capped<'_, R> {}

impl<'a, R: Read + Seek> ReadRef<'a> for Capped<'a, R> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > LARGEST {
            return Err(());
        }
        self.0.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        if range.start > range.end {
            return Err(());
        }
        self.0.read_bytes_at_until(range, delimiter)
    }
}

/// Converts `error` to an I/O error for an invalid file.
pub(super) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Returns the file ranges of the sections with those names. Supports only 64-bit little-endian ELF and 64-bit PE
/// files, the formats of all GPU libraries.
pub(super) fn sections<R: Read + Seek>(reader: R, names: &[&[u8]]) -> io::Result<Vec<Range<u64>>> {
    let cache = ReadCache::new(reader);
    let data = Capped::new(&cache);
    let start = data.read_bytes_at(0, 4).map_err(|()| invalid("file is too short"))?;
    if start.starts_with(b"MZ") {
        pe_sections(data, names).map_err(invalid)
    } else {
        elf_sections(data, names).map_err(invalid)
    }
}

fn elf_sections<'a, R: ReadRef<'a>>(data: R, names: &[&[u8]]) -> object::Result<Vec<Range<u64>>> {
    let header = elf::FileHeader64::<LittleEndian>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.section_headers(endian, data)?;
    let strings = header.section_strings(endian, data, sections)?;
    Ok(sections
        .iter()
        .filter(|section| section.name(endian, strings).is_ok_and(|name| names.contains(&name)))
        .filter_map(|section| section.file_range(endian))
        .map(|(start, size)| start..start.saturating_add(size))
        .collect())
}

fn pe_sections<'a, R: ReadRef<'a>>(data: R, names: &[&[u8]]) -> object::Result<Vec<Range<u64>>> {
    let mut offset = object::pe::ImageDosHeader::parse(data)?.nt_headers_offset().into();
    let (headers, _) = object::pe::ImageNtHeaders64::parse(data, &mut offset)?;
    let sections = headers.sections(data, offset)?;
    Ok(sections
        .iter()
        .filter(|section| names.contains(&section.raw_name()))
        .map(|section| {
            let (start, size) = section.pe_file_range();
            u64::from(start)..u64::from(start) + u64::from(size)
        })
        .collect())
}
