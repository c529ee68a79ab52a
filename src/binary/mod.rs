//! Binaries: reads compiled libraries without loading them.
//!
//! Input: an ELF shared object, a DLL, or a Mach-O file. Output: the libraries and symbol versions that it needs
//! ([`Dynamic`] and [`Versions`] for ELF, [`Imports`] for the others), its symbols ([`Symbols`]), and its GPU code
//! ([`GpuCode`]). Files can be 1 GB, so only the headers are read. A damaged file causes an error or an incomplete
//! result, but never a panic or a large allocation. This module only reads. The checks are in [`crate::audit`].

mod dynamic;
#[cfg(test)]
pub(crate) mod fixtures;
mod gpu_code;
mod imports;
mod source;
mod symbols;
mod versions;

pub use dynamic::Dynamic;
pub use gpu_code::GpuCode;
pub use imports::{Imports, Kind};
pub use symbols::Symbols;
pub use versions::{VersionNeed, Versions};

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::proptests;

    /// Returns the start of a Mach-O file with one library and one search folder.
    fn mach_o() -> Vec<u8> {
        let command = |kind: u32, head: &[u32], text: &str| {
            let size = (8 + 4 * head.len() + text.len() + 1).next_multiple_of(8);
            let mut bytes: Vec<u8> = [&[kind, u32::try_from(size).expect("short")], head]
                .concat()
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            bytes.extend(text.as_bytes());
            bytes.resize(size, 0);
            bytes
        };
        let commands = [
            command(0xc, &[24, 0, 0, 0], "@rpath/libdemo.dylib"),
            command(0x8000_001c, &[12], "@loader_path/../lib"),
        ];
        let size = u32::try_from(commands.concat().len()).expect("short");
        let header = [0xfeed_facf_u32, 0x0100_000c, 0, 6, 2, size, 0, 0];
        let mut file: Vec<u8> = header.iter().flat_map(|number| number.to_le_bytes()).collect();
        file.extend(commands.concat());
        file
    }

    /// Returns a DLL that imports one library.
    fn dll() -> Vec<u8> {
        let mut file = vec![0; 0x400];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &0x40_u32.to_le_bytes());
        put(0x40, b"PE\0\0\x64\x86\x01\0");
        put(0x54, &0xf0_u16.to_le_bytes());
        put(0x58, &0x20b_u16.to_le_bytes());
        // 16 directories, of which the second is the one of the imports, at the address 0x1000.
        put(0x58 + 108, &16_u32.to_le_bytes());
        put(0x58 + 120, &[0x1000_u32, 40].map(u32::to_le_bytes).concat());
        // One section at the address 0x1000, from 0x200 of the file on.
        put(0x148, b".idata\0\0");
        put(0x150, &[0x200_u32, 0x1000, 0x200, 0x200].map(u32::to_le_bytes).concat());
        // The import: the address of its name is the fourth number.
        put(0x200, &[1_u32, 0, 0, 0x1080, 1].map(u32::to_le_bytes).concat());
        put(0x280, b"KERNEL32.dll\0");
        file
    }

    #[test]
    fn the_small_files_of_these_tests_are_valid() {
        let read = |file: Vec<u8>| Imports::read_from(Cursor::new(file)).expect("valid").expect("known");
        assert_eq!(read(mach_o()).needed, ["@rpath/libdemo.dylib"]);
        assert_eq!(read(mach_o()).rpath, ["@loader_path/../lib"]);
        assert_eq!(read(dll()).needed, ["KERNEL32.dll"]);
    }

    #[test]
    fn no_file_causes_a_panic_or_takes_long() {
        let whole = fixtures::Shared {
            soname: "libdemo.so.1",
            needed: &["libc.so.6", "libm.so.6"],
            rpath: Some("$ORIGIN/../lib"),
            runpath: Some("/a:/b"),
            fatbin: &fixtures::fatbin(&[(2, 80), (1, 90), (2, 120)]),
            undefined: &["ncclInit", "puts"],
            exported: &["demo"],
            needs: &[("libc.so.6", "GLIBC_2.34")],
            defines: &["DEMO_1"],
        }
        .bytes();
        proptests::check(file!(), &proptests::bytes(&[&whole, &mach_o(), &dll()]), |file| {
            let read = || Cursor::new(file.as_slice());
            let _ = Dynamic::read_from(read());
            let _ = GpuCode::read_from(read());
            let _ = Symbols::read_from(read(), |_| true);
            let _ = Versions::read_from(read());
            let _ = Imports::read_from(read());
        });
    }
}
