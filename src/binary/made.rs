//! Shared objects made by hand, for tests: nothing of them runs.

/// A shared object's dynamic section and fat binaries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shared<'a> {
    pub(crate) soname: &'a str,
    pub(crate) needed: &'a [&'a str],
    pub(crate) rpath: Option<&'a str>,
    pub(crate) runpath: Option<&'a str>,
    /// The content of `.nv_fatbin`.
    pub(crate) fatbin: &'a [u8],
}

const FILE_HEADER: usize = 64;
const SEGMENT: usize = 56;
const SECTION: usize = 64;

impl Shared<'_> {
    /// The file: header, two segments, strings, dynamic section, fat binaries, names of sections, table of sections.
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
        let names_at = fatbin_at + self.fatbin.len().next_multiple_of(8);
        let sections_at = names_at + names.len().next_multiple_of(8);

        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([3_u16, 62].iter().flat_map(|number| number.to_le_bytes()));
        file.extend(1_u32.to_le_bytes());
        file.extend(words(&[0, FILE_HEADER, sections_at]));
        file.extend(0_u32.to_le_bytes());
        file.extend([64_u16, 56, 2, 64, 3, 2].iter().flat_map(|number| number.to_le_bytes()));
        for (kind, at, size) in [(1_u32, 0, fatbin_at), (2, dynamic_at, dynamic.len())] {
            file.extend(kind.to_le_bytes());
            file.extend(4_u32.to_le_bytes());
            file.extend(words(&[at, at, at, size, size, 8]));
        }
        file.extend(strings);
        file.extend(dynamic);
        file.extend(self.fatbin);
        file.resize(names_at, 0);
        file.extend(names);
        file.resize(sections_at + SECTION, 0);
        for (name, kind, at, size) in [
            (1_u32, 1_u32, fatbin_at, self.fatbin.len()),
            (12, 3, names_at, names.len()),
        ] {
            file.extend(name.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend(words(&[0, 0, at, size, 0, 8, 0]));
        }
        file
    }
}

fn words(numbers: &[usize]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| (*number as u64).to_le_bytes())
        .collect()
}

/// A fat binary with entries of those kinds (1 PTX, 2 SASS) for those capabilities.
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

/// The file cut off at every length, with each byte set to each of four values, and with numbers of eight bytes blown up.
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
