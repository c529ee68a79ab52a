use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::source;
use crate::profile::{CodeSupport, ComputeCapability};

/// The sections that contain fat binaries: two in ELF files, one in DLLs (section names there have eight bytes).
const SECTIONS: [&[u8]; 3] = [b".nv_fatbin", b"__nv_relfatbin", b".nv_fatb"];

const MAGIC: u32 = 0xBA55_ED50;

/// Size of a fat binary's header in bytes: magic (u32), version (u16), header size (u16), size of all entries (u64).
const HEAD: usize = 16;

/// Size of the part of an entry's header that is read, in bytes: kind (u16), version (u16), header size (u32), size of
/// the data that follows (u64), three ignored numbers (12 bytes), compute capability (u32, such as 89).
const ENTRY: usize = 32;

/// Fat binaries are aligned to eight bytes. Builds for aarch64 have zeros between them.
const ALIGNED: usize = 8;

/// The maximum size of the zeros between two fat binaries. onnxruntime-gpu 1.31.1 for aarch64 has 75 kB in total.
const GAP: u64 = 1 << 20;

/// The maximum number of headers, more than any library has (torch 2.12.1: 3,000). Limits the time for damaged files.
const MOST: u64 = 1_000_000;

/// A capability counts only if it has at least 1/20 of the entries of the most frequent capability. Fewer are single
/// kernels: torch 2.12.1 has 448 entries for 8.0, 59 for 10.3, and one each for 8.9 and 12.1.
const FEW: u64 = 20;

/// The same limit for PTX: 1/2. PTX helps only if it covers all kernels. The DLL of onnxruntime-gpu 1.31.1 has PTX for
/// 12.0 in 38 of 308 entries, and no newer GPU runs it.
const HALF: u64 = 2;

/// The GPU code in a library: the number of entries in its fat binaries, by compute capability.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuCode {
    /// Machine code (SASS), by the capability that it was compiled for.
    pub sass: BTreeMap<ComputeCapability, u64>,
    /// PTX, which the driver compiles for a newer GPU on first use.
    pub ptx: BTreeMap<ComputeCapability, u64>,
    /// Whether the section is truncated or contains unknown data. The counts may then be too low.
    pub damaged: bool,
}

impl GpuCode {
    /// Reads the fat binaries of a shared object or a DLL. Returns an empty value if there are none.
    ///
    /// # Errors
    /// Fails if the file is not 64-bit ELF or PE, has a damaged section table, or cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::read_from(crate::input::open(path)?)
    }

    /// Reads the fat binaries from a reader.
    ///
    /// # Errors
    /// Fails like [`GpuCode::read`].
    pub fn read_from<R: Read + Seek>(mut reader: R) -> io::Result<Self> {
        let sections = source::sections(&mut reader, &SECTIONS)?;
        let length = reader.seek(SeekFrom::End(0))?;
        // A small buffer is enough: there are about 100 kB of code between two headers.
        let mut reader = BufReader::with_capacity(256, reader);
        let mut code = Self::default();
        let mut headers = 0;
        for section in sections {
            code.damaged |= section.end > length;
            code.walk(&mut reader, section.start..section.end.min(length), &mut headers)?;
        }
        Ok(code)
    }

    /// Returns whether there are no fat binaries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sass.is_empty() && self.ptx.is_empty()
    }

    /// Returns the capabilities that it was built for with machine code: those with at least 1/20 of the entries of the
    /// most frequent capability. Fewer entries are single kernels that were tuned for one GPU.
    #[must_use]
    pub fn main_sass(&self) -> Vec<ComputeCapability> {
        self.main(&self.sass, FEW)
    }

    /// Returns the capabilities that it was built for with PTX: those with at least half of the entries of the most
    /// frequent capability.
    #[must_use]
    pub fn main_ptx(&self) -> Vec<ComputeCapability> {
        self.main(&self.ptx, HALF)
    }

    /// Returns how the code runs on a GPU with capability `card`, if at all. Ignores single kernels.
    #[must_use]
    pub fn support(&self, card: ComputeCapability) -> CodeSupport {
        card.supported_by(&self.main_sass(), &self.main_ptx())
    }

    fn main(&self, of: &BTreeMap<ComputeCapability, u64>, share: u64) -> Vec<ComputeCapability> {
        let most = self.sass.values().chain(self.ptx.values()).copied().max().unwrap_or(0);
        of.iter()
            .filter(|(_, count)| count.saturating_mul(share) >= most)
            .map(|(capability, _)| *capability)
            .collect()
    }

    /// Reads header after header. Each step moves forward, so the loop ends.
    fn walk<R: Read + Seek>(&mut self, reader: &mut R, section: Range<u64>, headers: &mut u64) -> io::Result<()> {
        let mut at = section.start;
        while at.saturating_add(HEAD as u64) <= section.end {
            let head: [u8; HEAD] = bytes_at(reader, at)?;
            if u32_of(&head, 0) != MAGIC {
                let (next, zeros) = next_magic(reader, at, section.end)?;
                self.damaged |= !zeros;
                let Some(next) = next else {
                    return Ok(());
                };
                at = next;
                continue;
            }
            let header_size = u64::from(u16_of(&head, 6));
            let start = at.saturating_add(header_size.max(HEAD as u64));
            let end = start.saturating_add(u64_of(&head, 8));
            self.damaged |= header_size < HEAD as u64 || end > section.end;
            self.entries(reader, start..end.min(section.end), headers)?;
            if *headers >= MOST {
                self.damaged = true;
                return Ok(());
            }
            *headers += 1;
            at = end;
        }
        Ok(())
    }

    fn entries<R: Read + Seek>(&mut self, reader: &mut R, fat: Range<u64>, headers: &mut u64) -> io::Result<()> {
        let mut at = fat.start;
        while at.saturating_add(ENTRY as u64) <= fat.end && *headers < MOST {
            *headers += 1;
            let entry: [u8; ENTRY] = bytes_at(reader, at)?;
            let header_size = u64::from(u32_of(&entry, 4));
            let end = at.saturating_add(header_size).saturating_add(u64_of(&entry, 8));
            if header_size < ENTRY as u64 || end > fat.end {
                self.damaged = true;
                return Ok(());
            }
            let kind = match u16_of(&entry, 0) {
                1 => Some(&mut self.ptx),
                2 => Some(&mut self.sass),
                // Intermediate code for link-time optimization, and unknown kinds.
                _ => None,
            };
            if let (Some(kind), Some(capability)) = (kind, ComputeCapability::from_arch(u32_of(&entry, 28))) {
                *kind.entry(capability).or_default() += 1;
            }
            at = end;
        }
        Ok(())
    }
}

/// Returns the start of the next fat binary, if one starts within [`GAP`], and whether only zeros precede it.
fn next_magic<R: Read + Seek>(reader: &mut R, from: u64, end: u64) -> io::Result<(Option<u64>, bool)> {
    let mut gap = Vec::new();
    reader.seek(SeekFrom::Start(from))?;
    reader.take(GAP.min(end.saturating_sub(from))).read_to_end(&mut gap)?;
    let found = gap
        .chunks(ALIGNED)
        .position(|word| word.starts_with(&MAGIC.to_le_bytes()));
    let before = found.map_or(gap.len(), |words| words * ALIGNED);
    let zeros = gap[..before].iter().all(|byte| *byte == 0);
    Ok((found.map(|_| from + before as u64), zeros))
}

fn bytes_at<const N: usize, R: Read + Seek>(reader: &mut R, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.seek(SeekFrom::Start(at))?;
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_of(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_of(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_of(bytes, at)) | u32::from(u16_of(bytes, at + 2)) << 16
}

fn u64_of(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_of(bytes, at)) | u64::from(u32_of(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::binary::fixtures;

    fn cc(text: &str) -> ComputeCapability {
        text.parse().expect("a compute capability")
    }

    fn read(fatbin: &[u8]) -> GpuCode {
        let shared = fixtures::Shared {
            fatbin,
            ..fixtures::Shared::default()
        };
        GpuCode::read_from(Cursor::new(shared.bytes())).expect("an ELF file")
    }

    #[test]
    fn entries_are_counted_across_fat_binaries_and_the_zeros_between_them() {
        let mut section = fixtures::fatbin(&[(2, 80), (2, 90), (1, 90)]);
        section.extend([0; 120]);
        section.extend(fixtures::fatbin(&[(2, 80)]));
        section.extend([0; 64]);
        let code = read(&section);
        assert_eq!(code.sass, [(cc("8.0"), 2), (cc("9.0"), 1)].into());
        assert_eq!(code.ptx, [(cc("9.0"), 1)].into());
        assert!(!code.damaged);
        assert!(read(&[]).is_empty());
    }

    #[test]
    fn a_few_kernels_do_not_count_as_code_for_a_gpu() {
        let code = GpuCode {
            sass: [
                ("8.0", 448),
                ("8.9", 1),
                ("10.0", 507),
                ("10.3", 59),
                ("12.0", 449),
                ("12.1", 1),
            ]
            .map(|(capability, count)| (cc(capability), count))
            .into(),
            ..GpuCode::default()
        };
        let main: Vec<_> = code.main_sass().iter().map(ToString::to_string).collect();
        assert_eq!(main, ["8.0", "10.0", "10.3", "12.0"]);
        assert_eq!(code.support(cc("8.9")), CodeSupport::Sass);
        assert_eq!(code.support(cc("6.1")), CodeSupport::Nothing);
        assert_eq!(code.support(cc("9.0")), CodeSupport::Nothing);
    }

    #[test]
    fn ptx_runs_only_on_newer_gpus() {
        let code = read(&fixtures::fatbin(&[(2, 80), (1, 90)]));
        assert_eq!(code.support(cc("12.0")), CodeSupport::Ptx);
        assert_eq!(code.support(cc("7.5")), CodeSupport::Nothing);
        let few = GpuCode {
            sass: [(cc("8.0"), 308), (cc("12.0"), 279)].into(),
            ptx: [(cc("12.0"), 38)].into(),
            damaged: false,
        };
        assert_eq!(
            few.support(ComputeCapability { major: 13, minor: 0 }),
            CodeSupport::Nothing
        );
    }

    #[test]
    fn damaged_files_are_detected_without_a_panic() {
        let mut section = fixtures::fatbin(&[(2, 80), (1, 90)]);
        section.extend(fixtures::fatbin(&[(2, 120)]));
        let whole = fixtures::Shared {
            fatbin: &section,
            ..fixtures::Shared::default()
        }
        .bytes();
        for damaged in fixtures::damaged(&whole) {
            let _ = GpuCode::read_from(Cursor::new(damaged));
        }
        for length in 1..section.len() - 1 {
            let code = read(&section[..length]);
            assert!(code.sass.len() < 3, "{length}");
        }
        section[8] = 0xff;
        assert!(read(&section).damaged);
        section[0] = 0;
        assert!(read(&section).damaged);
    }
}
