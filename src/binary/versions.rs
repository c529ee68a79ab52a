use std::{
    collections::BTreeSet,
    io::{self, Read, Seek},
    path::Path,
};

use object::{LittleEndian, ReadCache, ReadRef, elf, read::elf::FileHeader as _};

use super::source::{Capped, invalid};

/// A symbol version that a file needs from a library, such as `GLIBC_2.38` from `libc.so.6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNeed {
    /// The library's soname.
    pub library: String,
    /// The version.
    pub version: String,
}

/// The symbol versions that an ELF file needs and defines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// The versions that it needs, without optional ones.
    pub needs: Vec<VersionNeed>,
    /// The versions that it defines.
    pub defines: BTreeSet<String>,
}

impl Versions {
    /// Reads the version tables of a file.
    ///
    /// # Errors
    /// Fails if the file is not 64-bit little-endian ELF, is damaged, or cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::read_from(crate::input::open(path)?)
    }

    /// Reads the version tables from a reader.
    ///
    /// # Errors
    /// Fails like [`Versions::read`].
    pub fn read_from<R: Read + Seek>(reader: R) -> io::Result<Self> {
        let cache = ReadCache::new(reader);
        parse(Capped::new(&cache)).map_err(invalid)
    }
}

fn parse<'a, R: ReadRef<'a>>(data: R) -> object::Result<Versions> {
    let header = elf::FileHeader64::<LittleEndian>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let mut found = Versions::default();
    if let Some((mut needs, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        // Stops an endless loop if a damaged table points to itself.
        let mut left = MOST;
        while let Some((need, mut versions)) = needs.next()? {
            let library = text(need.file(endian, strings).ok());
            while let Some(version) = versions.next()? {
                if left == 0 {
                    return Ok(found);
                }
                left -= 1;
                let optional = version.vna_flags.get(endian).0 & elf::VER_FLG_WEAK.0 != 0;
                if let (false, Some(library), Some(version)) =
                    (optional, &library, text(version.name(endian, strings).ok()))
                {
                    found.needs.push(VersionNeed {
                        library: library.clone(),
                        version,
                    });
                }
            }
        }
    }
    if let Some((mut definitions, link)) = sections.gnu_verdef(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut names)) = definitions.next()? {
            // The first name is the version itself. The others are the versions that it extends.
            if let Some(name) = names.next()? {
                found.defines.extend(text(name.name(endian, strings).ok()));
            }
        }
    }
    Ok(found)
}

/// The maximum number of versions, more than any library needs: `libtorch_cpu.so` has 40.
const MOST: usize = 10_000;

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::binary::fixtures;

    #[test]
    fn needs_and_definitions_are_read() {
        let file = fixtures::Shared {
            needs: &[("libc.so.6", "GLIBC_2.38"), ("libstdc++.so.6", "GLIBCXX_3.4.30")],
            defines: &["libown.so", "OWN_1.0"],
            ..fixtures::Shared::default()
        };
        let found = Versions::read_from(Cursor::new(file.bytes())).expect("an ELF file");
        let needs: Vec<_> = found
            .needs
            .iter()
            .map(|need| (need.library.as_str(), need.version.as_str()))
            .collect();
        assert_eq!(needs, file.needs);
        assert_eq!(found.defines, ["OWN_1.0".to_owned(), "libown.so".to_owned()].into());
    }

    #[test]
    fn a_library_without_versions_has_none_and_damaged_files_never_cause_a_panic() {
        let whole = fixtures::Shared::default().bytes();
        assert_eq!(
            Versions::read_from(Cursor::new(whole)).expect("an ELF file"),
            Versions::default()
        );
        let whole = fixtures::Shared {
            needs: &[("libc.so.6", "GLIBC_2.38")],
            defines: &["OWN_1.0"],
            ..fixtures::Shared::default()
        }
        .bytes();
        for damaged in fixtures::damaged(&whole) {
            let _ = Versions::read_from(Cursor::new(damaged));
        }
    }
}
