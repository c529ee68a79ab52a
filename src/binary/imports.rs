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

/// More than any library needs; a damaged one shall not keep the reader busy.
const MOST: usize = 4096;

/// The longest name or path that is read.
const LONGEST: u64 = 4096;

/// Which system's loader a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A DLL, or a `.pyd`.
    #[default]
    Dll,
    /// A library or a bundle of macOS.
    MachO,
}

/// What a library of Windows or macOS needs of others when it is loaded. What may be missing (delay-loaded DLLs, weak libraries) is
/// left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imports {
    /// Whose loader it is for.
    pub kind: Kind,
    /// Names of DLLs, or install names such as `@rpath/libc10.dylib`, in order.
    pub needed: Vec<String>,
    /// Folders that stand for `@rpath` (`LC_RPATH`), as they are written.
    pub rpath: Vec<String>,
}

impl Imports {
    /// Read what a file needs; `None` of one that is neither a DLL nor a Mach-O file.
    ///
    /// # Errors
    /// A damaged file, or one that cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        Self::read_from(fs_err::File::open(path)?)
    }

    /// The same from anything that can be read and sought.
    ///
    /// # Errors
    /// As [`Imports::read`].
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

/// Where the part for this machine's processor starts, or for Apple's own where this machine is none of theirs.
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
        let text = |string| command.string(endian, string).map(words);
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

/// The names of the import directory. Its section may be larger than is read at once, so each name is looked up where it lies.
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
        found.needed.extend(name.map(words));
    }
    Ok(found)
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn what_is_no_file_of_theirs_says_nothing() {
        for bytes in [&b""[..], b"\x7fELF\x02\x01\x01", b"#!/bin/sh\n"] {
            assert_eq!(Imports::read_from(Cursor::new(bytes)).expect("read"), None);
        }
        Imports::read_from(Cursor::new(b"MZ and nothing else")).expect_err("cut off");
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let starts = [
            b"MZ\0\0".to_vec(),
            macho::MH_MAGIC_64.to_le_bytes().to_vec(),
            macho::FAT_MAGIC.to_be_bytes().to_vec(),
            macho::FAT_MAGIC_64.to_be_bytes().to_vec(),
        ];
        // A linear congruence: other numbers each time, and the same ones in each run.
        let mut state = 12345_u32;
        for round in 0..4000 {
            let mut bytes = starts[round % starts.len()].clone();
            bytes.extend((0..200).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Small numbers name places within the file.
                if state & 0x100 == 0 { 0 } else { state.to_be_bytes()[0] }
            }));
            let _ = Imports::read_from(Cursor::new(bytes));
        }
    }
}
