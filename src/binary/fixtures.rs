//! Fixtures: shared objects for tests. No code in them runs.

/// The content of a shared object.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shared<'a> {
    pub(crate) soname: &'a str,
    pub(crate) needed: &'a [&'a str],
    pub(crate) rpath: Option<&'a str>,
    pub(crate) runpath: Option<&'a str>,
    /// The content of `.nv_fatbin`.
    pub(crate) fatbin: &'a [u8],
    /// Dynamic symbols that it needs from other libraries.
    pub(crate) undefined: &'a [&'a str],
    /// Dynamic symbols that it defines.
    pub(crate) exported: &'a [&'a str],
    /// Libraries with the symbol versions that it needs.
    pub(crate) needs: &'a [(&'a str, &'a str)],
    /// Symbol versions that it defines.
    pub(crate) defines: &'a [&'a str],
}

const FILE_HEADER: usize = 64;
const SEGMENT: usize = 56;
const SECTION: usize = 64;

impl Shared<'_> {
    /// Returns the file: header, two segments, strings, dynamic section, fat binaries, section names, section table.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut dynamic = Vec::new();
        let mut entry = |tag: u64, text: &str| {
            dynamic.push((tag, strings.len() as u64));
            strings.extend(text.as_bytes());
            strings.push(0);
        };
        if !self.soname.is_empty() {
            entry(14, self.soname);
        }
        for needed in self.needed {
            entry(1, needed);
        }
        if let Some(rpath) = self.rpath {
            entry(15, rpath);
        }
        if let Some(runpath) = self.runpath {
            entry(29, runpath);
        }
        while strings.len() % 8 != 0 {
            strings.push(0);
        }
        let strings_at = FILE_HEADER + 2 * SEGMENT;
        let dynamic_at = strings_at + strings.len();
        dynamic.extend([(5, strings_at as u64), (10, strings.len() as u64), (0, 0)]);
        let dynamic: Vec<u8> = dynamic
            .into_iter()
            .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
            .collect();
        let fatbin_at = dynamic_at + dynamic.len();
        let names = b"\0.nv_fatbin\0.shstrtab\0\0\0\0";
        let mut tables = vec![
            Table::new(1, 1, self.fatbin.to_vec()),
            Table::new(12, 3, names.to_vec()),
        ];
        tables.extend(self.tables());
        let mut at = fatbin_at;
        for table in &mut tables {
            table.at = at;
            at += table.bytes.len().next_multiple_of(8);
        }
        let sections_at = at;

        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([3_u16, 62].iter().flat_map(|number| number.to_le_bytes()));
        file.extend(1_u32.to_le_bytes());
        file.extend(u64s(&[0, FILE_HEADER, sections_at]));
        file.extend(0_u32.to_le_bytes());
        let count = u16::try_from(tables.len() + 1).expect("a few tables");
        file.extend(
            [64_u16, 56, 2, 64, count, 2]
                .iter()
                .flat_map(|number| number.to_le_bytes()),
        );
        for (kind, at, size) in [(1_u32, 0, fatbin_at), (2, dynamic_at, dynamic.len())] {
            file.extend(kind.to_le_bytes());
            file.extend(4_u32.to_le_bytes());
            file.extend(u64s(&[at, at, at, size, size, 8]));
        }
        file.extend(strings);
        file.extend(dynamic);
        for table in &tables {
            file.resize(table.at, 0);
            file.extend(&table.bytes);
        }
        file.resize(sections_at + SECTION, 0);
        for table in &tables {
            file.extend(table.name.to_le_bytes());
            file.extend(table.kind.to_le_bytes());
            file.extend(u64s(&[0, 0, table.at, table.bytes.len()]));
            file.extend(table.link.to_le_bytes());
            file.extend(table.info.to_le_bytes());
            file.extend(u64s(&[8, table.entry]));
        }
        file
    }

    /// Returns the tables of symbols and versions. Leaves out empty ones.
    fn tables(self) -> Vec<Table> {
        let mut strings = vec![0];
        let mut entry = |text: &str| {
            let at = u32::try_from(strings.len()).expect("a few names");
            strings.extend(text.as_bytes());
            strings.push(0);
            at.to_le_bytes()
        };
        let mut symbols = vec![0; 24];
        for (names, section) in [(self.undefined, 0_u8), (self.exported, 1)] {
            for name in names {
                symbols.extend(entry(name));
                // A global function.
                symbols.extend([0x12, 0, section, 0]);
                symbols.extend([0; 16]);
            }
        }
        let mut needs = Vec::new();
        for (at, (library, version)) in self.needs.iter().enumerate() {
            needs.extend([1, 0, 1, 0]);
            needs.extend(entry(library));
            needs.extend(16_u32.to_le_bytes());
            let next = if at + 1 == self.needs.len() { 0_u32 } else { 32 };
            needs.extend(next.to_le_bytes());
            needs.extend([0; 8]);
            needs.extend(entry(version));
            needs.extend([0; 4]);
        }
        let mut defines = Vec::new();
        for (at, version) in self.defines.iter().enumerate() {
            defines.extend([1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
            defines.extend(20_u32.to_le_bytes());
            let next = if at + 1 == self.defines.len() { 0_u32 } else { 28 };
            defines.extend(next.to_le_bytes());
            defines.extend(entry(version));
            defines.extend([0; 4]);
        }
        let count = |list: usize| u32::try_from(list).expect("a few entries");
        let linked = |kind, bytes, info, entry| Table {
            link: 3,
            info,
            entry,
            ..Table::new(0, kind, bytes)
        };
        let mut tables = vec![Table::new(0, 3, strings)];
        if symbols.len() > 24 {
            tables.push(linked(11, symbols, 1, 24));
        }
        if !needs.is_empty() {
            tables.push(linked(0x6fff_fffe, needs, count(self.needs.len()), 0));
        }
        if !defines.is_empty() {
            tables.push(linked(0x6fff_fffd, defines, count(self.defines.len()), 0));
        }
        tables
    }
}

/// A section of the file.
struct Table {
    name: u32,
    kind: u32,
    at: usize,
    bytes: Vec<u8>,
    link: u32,
    info: u32,
    entry: usize,
}

impl Table {
    fn new(name: u32, kind: u32, bytes: Vec<u8>) -> Self {
        Self {
            name,
            kind,
            at: 0,
            bytes,
            link: 0,
            info: 0,
            entry: 0,
        }
    }
}

fn u64s(numbers: &[usize]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| (*number as u64).to_le_bytes())
        .collect()
}

/// Returns a fat binary with `entries`: kind (1 for PTX, 2 for SASS) and compute capability.
pub(crate) fn fatbin(entries: &[(u16, u32)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, arch) in entries {
        body.extend(kind.to_le_bytes());
        body.extend(0x101_u16.to_le_bytes());
        body.extend(64_u32.to_le_bytes());
        body.extend(24_u64.to_le_bytes());
        body.extend([0; 12]);
        body.extend(arch.to_le_bytes());
        body.resize(body.len() + 32 + 24, 0x11);
    }
    let mut whole = 0xBA55_ED50_u32.to_le_bytes().to_vec();
    whole.extend([1_u16, 16].iter().flat_map(|number| number.to_le_bytes()));
    whole.extend((body.len() as u64).to_le_bytes());
    whole.extend(body);
    whole
}

/// Returns damaged copies of a file: truncated at every length, and with bytes and 8-byte numbers overwritten.
pub(crate) fn damaged(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    let bytes = (0..whole.len()).flat_map(move |at| {
        [0, 1, 0x7f, 0xff].map(|value| {
            let mut file = whole.to_vec();
            file[at] = value;
            file
        })
    });
    let numbers = (0..whole.len().saturating_sub(8)).flat_map(move |at| {
        [u64::MAX, u64::MAX / 2, u64::from(u32::MAX), 1 << 40].map(|value| {
            let mut file = whole.to_vec();
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
            file
        })
    });
    cut.chain(bytes).chain(numbers)
}
