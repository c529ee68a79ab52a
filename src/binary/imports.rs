use std::{
    io::{self, Read, Seek},
    path::Path,
};

use object::{
    Endianness, LittleEndian as LE, ReadCache, ReadRef, macho, pe,
    read::{
        macho::{FatArch, LoadCommandVariant, MachHeader as _, MachOFatFile32, MachOFatFile64},
        pe::ImageNtHeaders as _,
    },
};

use super::source::{Capped, invalid};

/// The maximum number of DLLs, more than any library needs. Limits the time for damaged files.
const MOST: usize = 4096;

/// The maximum length of a name or path in bytes.
const LONGEST: u64 = 4096;

/// The format of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A DLL, or a `.pyd`.
    #[default]
    Dll,
    /// A macOS library or bundle.
    MachO,
}

/// The libraries that a Windows or macOS library needs when it is loaded. Optional ones (delay-loaded DLLs, weak
/// libraries) are not included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imports {
    /// The format.
    pub kind: Kind,
    /// The names of DLLs, or install names such as `@rpath/libc10.dylib`, in order.
    pub needed: Vec<String>,
    /// The folders that replace `@rpath` (`LC_RPATH`), unresolved.
    pub rpath: Vec<String>,
}

impl Imports {
    /// Reads the imports of a file. Returns `None` if it is neither a DLL nor a Mach-O file.
    ///
    /// # Errors
    /// Fails if the file is damaged or cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        Self::read_from(crate::input::open(path)?)
    }

    /// Reads the imports from a reader.
    ///
    /// # Errors
    /// Fails like [`Imports::read`].
    pub fn read_from<R: Read + Seek>(reader: R) -> io::Result<Option<Self>> {
        let cache = ReadCache::new(reader);
        let data = Capped::new(&cache);
        let Ok(start) = data.read_bytes_at(0, 4) else {
            return Ok(None);
        };
        let magic = u32::from_le_bytes([start[0], start[1], start[2], start[3]]);
        let read = match magic {
            _ if start.starts_with(b"MZ") => dll(data),
            macho::MH_MAGIC_64 => macho_at(data, 0),
            _ if magic.swap_bytes() == macho::FAT_MAGIC => {
                MachOFatFile32::parse(data).and_then(|fat| macho_at(data, ours(fat.arches())))
            }
            _ if magic.swap_bytes() == macho::FAT_MAGIC_64 => {
                MachOFatFile64::parse(data).and_then(|fat| macho_at(data, ours(fat.arches())))
            }
            _ => return Ok(None),
        };
        read.map(Some).map_err(invalid)
    }
}

/// Returns the offset of the part for this Mac's processor. On other systems, uses the part for Apple silicon.
fn ours<Fat: FatArch>(parts: &[Fat]) -> u64 {
    let ours = if cfg!(target_arch = "x86_64") && cfg!(target_os = "macos") {
        macho::CPU_TYPE_X86_64
    } else {
        macho::CPU_TYPE_ARM64
    };
    let part = parts.iter().find(|part| part.cputype() == ours).or(parts.first());
    part.map_or(0, |part| part.offset().into())
}

fn macho_at<'a, R: ReadRef<'a>>(data: R, at: u64) -> object::Result<Imports> {
    let header = macho::MachHeader64::<Endianness>::parse(data, at)?;
    let endian = header.endian()?;
    let mut commands = header.load_commands(endian, data, at)?;
    let mut found = Imports {
        kind: Kind::MachO,
        ..Imports::default()
    };
    while let Some(command) = commands.next()? {
        let text = |string| command.string(endian, string).map(decode);
        match command.variant()? {
            LoadCommandVariant::Dylib(dylib) if command.cmd() != macho::LC_LOAD_WEAK_DYLIB => {
                found.needed.push(text(dylib.dylib.name)?);
            }
            LoadCommandVariant::Rpath(rpath) => found.rpath.push(text(rpath.path)?),
            _ => {}
        }
    }
    Ok(found)
}

/// Reads the names in the import directory. Reads each name separately, because the section may exceed the read limit.
fn dll<'a, R: ReadRef<'a>>(data: R) -> object::Result<Imports> {
    let mut offset = pe::ImageDosHeader::parse(data)?.nt_headers_offset().into();
    let (headers, directories) = pe::ImageNtHeaders64::parse(data, &mut offset)?;
    let sections = headers.sections(data, offset)?;
    let place = |address: u32| sections.pe_file_range_at(address).map(|(start, _)| u64::from(start));
    let table = directories.get(pe::IMAGE_DIRECTORY_ENTRY_IMPORT);
    let mut found = Imports::default();
    let Some(mut at) = table.and_then(|table| place(table.virtual_address.get(LE))) else {
        return Ok(found);
    };
    while found.needed.len() < MOST {
        let Ok(entry) = data.read::<pe::ImageImportDescriptor>(&mut at) else {
            break;
        };
        if entry.is_null() {
            break;
        }
        let name = place(entry.name.get(LE)).and_then(|at| data.read_bytes_at_until(at..at + LONGEST, 0).ok());
        found.needed.extend(name.map(decode));
    }
    Ok(found)
}

fn decode(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn other_file_types_return_none() {
        for bytes in [&b""[..], b"\x7fELF\x02\x01\x01", b"#!/bin/sh\n"] {
            assert_eq!(Imports::read_from(Cursor::new(bytes)).expect("read"), None);
        }
        Imports::read_from(Cursor::new(b"MZ and nothing else")).expect_err("cut off");
    }

    #[test]
    fn damaged_files_never_cause_a_panic() {
        let starts = [
            b"MZ\0\0".to_vec(),
            macho::MH_MAGIC_64.to_le_bytes().to_vec(),
            macho::FAT_MAGIC.to_be_bytes().to_vec(),
            macho::FAT_MAGIC_64.to_be_bytes().to_vec(),
        ];
        // A linear congruential generator: the same numbers in each test run.
        let mut state = 12345_u32;
        for round in 0..4000 {
            let mut bytes = starts[round % starts.len()].clone();
            bytes.extend((0..200).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Zeros keep many offsets small enough to be inside the file.
                if state & 0x100 == 0 { 0 } else { state.to_be_bytes()[0] }
            }));
            let _ = Imports::read_from(Cursor::new(bytes));
        }
    }
}
