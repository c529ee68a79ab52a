use std::{
    collections::BTreeSet,
    io::{self, Read, Seek},
    path::Path,
};

use object::{
    LittleEndian, ReadCache, ReadRef, elf,
    read::elf::{FileHeader as _, SectionHeader as _, Sym as _},
};

use super::source::{Capped, invalid};

/// The selected dynamic symbols of an ELF file.
///
/// Compares only names and ignores symbol versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    /// The symbols that it needs from other libraries. Weak symbols are not included, because they may be missing.
    pub undefined: BTreeSet<String>,
    /// The symbols that it defines for other libraries.
    pub exported: BTreeSet<String>,
}

impl Symbols {
    /// Reads the dynamic symbols that `wanted` selects by name.
    ///
    /// # Errors
    /// Fails if the file is not 64-bit little-endian ELF, is damaged, has too large tables, or cannot be read.
    pub fn read(path: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Self> {
        Self::read_from(crate::input::open(path)?, wanted)
    }

    /// Reads the dynamic symbols from a reader.
    ///
    /// # Errors
    /// Fails like [`Symbols::read`].
    pub fn read_from<R: Read + Seek>(reader: R, wanted: impl Fn(&str) -> bool) -> io::Result<Self> {
        let cache = ReadCache::new(reader);
        parse(Capped::new(&cache), wanted).map_err(invalid)
    }
}

fn parse<'a, R: ReadRef<'a>>(data: R, wanted: impl Fn(&str) -> bool) -> object::Result<Symbols> {
    let header = elf::FileHeader64::<LittleEndian>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let table = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    // Read all names at once. Otherwise the 70,000 symbols of libtorch_cpu.so would need one read each.
    let strings = sections
        .section(table.string_section())
        .ok()
        .and_then(|section| {
            let (at, size) = section.file_range(endian)?;
            data.read_bytes_at(at, size).ok()
        })
        .unwrap_or_default();
    let mut found = Symbols::default();
    for symbol in table.iter() {
        let name = strings.get(symbol.st_name(endian) as usize..).unwrap_or_default();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| !name.is_empty()) else {
            continue;
        };
        if !wanted(name) {
            continue;
        }
        if !symbol.is_undefined(endian) {
            found.exported.insert(name.to_owned());
        } else if !symbol.is_weak() {
            found.undefined.insert(name.to_owned());
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
    fn undefined_and_exported_symbols_are_separated() {
        let file = fixtures::Shared {
            undefined: &["ncclAlltoAll", "ncclSend", "malloc"],
            exported: &["ncclSendLate", "other"],
            ..fixtures::Shared::default()
        };
        let found = Symbols::read_from(Cursor::new(file.bytes()), |name| name.starts_with("nccl")).expect("symbols");
        assert_eq!(
            found.undefined,
            ["ncclAlltoAll".to_owned(), "ncclSend".to_owned()].into()
        );
        assert_eq!(found.exported, ["ncclSendLate".to_owned()].into());
    }

    #[test]
    fn a_library_without_symbols_has_none_and_damaged_files_never_cause_a_panic() {
        let whole = fixtures::Shared::default().bytes();
        assert_eq!(
            Symbols::read_from(Cursor::new(whole), |_| true).expect("an ELF file"),
            Symbols::default()
        );
        let whole = fixtures::Shared {
            undefined: &["ncclAlltoAll"],
            ..fixtures::Shared::default()
        }
        .bytes();
        for damaged in fixtures::damaged(&whole) {
            let _ = Symbols::read_from(Cursor::new(damaged), |_| true);
        }
    }
}
