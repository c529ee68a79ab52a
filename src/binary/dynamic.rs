use std::{
    io::{self, Read, Seek},
    path::Path,
};

use object::{
    LittleEndian, ReadCache, StringTable, elf,
    read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _},
};

use super::source::{Capped, invalid};

/// The dynamic section of an ELF file, which the loader reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// The processor: `EM_X86_64` is 62, `EM_AARCH64` is 183.
    pub machine: u16,
    /// The name under which other libraries find it (`DT_SONAME`).
    pub soname: Option<String>,
    /// The sonames of the libraries that it needs, in order (`DT_NEEDED`).
    pub needed: Vec<String>,
    /// The folders in `DT_RPATH`. They apply to its own libraries and to those that they load.
    pub rpath: Vec<String>,
    /// The folders in `DT_RUNPATH`. They apply only to its own libraries, and the loader then ignores `DT_RPATH`.
    pub runpath: Option<Vec<String>>,
}

impl Dynamic {
    /// Reads the dynamic section of a file.
    ///
    /// # Errors
    /// Fails if the file is not 64-bit little-endian ELF, is damaged, or cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::read_from(crate::input::open(path)?)
    }

    /// Reads the dynamic section from a reader.
    ///
    /// # Errors
    /// Fails like [`Dynamic::read`].
    pub fn read_from<R: Read + Seek>(reader: R) -> io::Result<Self> {
        parse(&ReadCache::new(reader)).map_err(invalid)
    }
}

fn parse<R: Read + Seek>(cache: &ReadCache<R>) -> object::Result<Dynamic> {
    let data = Capped::new(cache);
    let header = elf::FileHeader64::<LittleEndian>::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut found = Dynamic {
        machine: header.e_machine(endian).0,
        ..Dynamic::default()
    };
    // A static program has no dynamic section and needs no libraries.
    let mut entries = None;
    for segment in segments {
        entries = entries.or(segment.dynamic(endian, data)?);
    }
    let entries = entries.unwrap_or_default();
    let value = |tag| {
        entries
            .iter()
            .find(|entry| entry.d_tag(endian) == tag)
            .map(|entry| entry.d_val(endian))
    };
    let (Some(address), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else {
        return Ok(found);
    };
    // The string table is given by its address in memory. The segment loaded there maps it to an offset in the file.
    let start = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .find_map(|segment| {
            let within = address.checked_sub(segment.p_vaddr(endian))?;
            let inside = within < segment.p_filesz(endian);
            segment.p_offset(endian).checked_add(within).filter(|_| inside)
        });
    let Some(start) = start else {
        return Ok(found);
    };
    let strings = StringTable::new(data, start, start.saturating_add(size));
    for entry in entries {
        let tag = entry.d_tag(endian);
        if tag == elf::DT_NULL {
            break;
        }
        let text = || {
            let offset = u32::try_from(entry.d_val(endian)).ok()?;
            let bytes = strings.get(offset).ok()?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        let folders = || text().map(|text| text.split(':').map(ToOwned::to_owned).collect::<Vec<_>>());
        match tag {
            elf::DT_NEEDED => found.needed.extend(text()),
            elf::DT_SONAME => found.soname = text(),
            elf::DT_RPATH => found.rpath = folders().unwrap_or_default(),
            elf::DT_RUNPATH => found.runpath = folders(),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::binary::fixtures;

    #[test]
    fn sonames_and_search_folders_are_read() {
        let file = fixtures::Shared {
            soname: "libprovider.so",
            needed: &["libcurand.so.10", "libc.so.6"],
            rpath: Some("$ORIGIN/../lib:$ORIGIN"),
            ..fixtures::Shared::default()
        };
        let found = Dynamic::read_from(Cursor::new(file.bytes())).expect("an ELF file");
        assert_eq!(found.machine, 62);
        assert_eq!(found.soname.as_deref(), Some("libprovider.so"));
        assert_eq!(found.needed, ["libcurand.so.10", "libc.so.6"]);
        assert_eq!(found.rpath, ["$ORIGIN/../lib", "$ORIGIN"]);
        assert_eq!(found.runpath, None);
    }

    #[test]
    fn damaged_files_never_cause_a_panic() {
        let whole = fixtures::Shared {
            needed: &["libcurand.so.10"],
            runpath: Some("$ORIGIN"),
            ..fixtures::Shared::default()
        }
        .bytes();
        for damaged in fixtures::damaged(&whole) {
            let _ = Dynamic::read_from(Cursor::new(damaged));
        }
        assert!(Dynamic::read_from(Cursor::new(b"not a library".as_slice())).is_err());
    }
}
