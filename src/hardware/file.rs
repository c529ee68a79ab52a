//! Hardware files: a machine that is not this one.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::Hardware;
use crate::profile::{CudaVersion, InvalidCudaVersion};

/// The version of the form that is written, and the newest that is read.
pub(super) const SCHEMA: u32 = 1;

/// Why a hardware file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HardwareFileError {
    /// It is not there or may not be read.
    #[error("cannot read the hardware file")]
    Read(#[source] std::io::Error),
    /// It is not JSON, or not of this form; the source names line and column.
    #[error("{} is no hardware file", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line of the fault, from 1.
        line: usize,
        /// Its column.
        column: usize,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A newer matenv wrote it, or it says no version that was ever written.
    #[error("{} has version {found} of the form, and this matenv reads version {SCHEMA}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The platform is none.
    #[error("{} names the platform `{triple}`, which is none, such as `x86_64-unknown-linux-gnu`", path.display())]
    Triple {
        /// The file.
        path: PathBuf,
        /// What it names.
        triple: String,
    },
    /// What it says of the driver's CUDA is no version.
    #[error("{} has no version in `cuda_driver`", path.display())]
    CudaDriver {
        /// The file.
        path: PathBuf,
        /// What it says.
        #[source]
        source: InvalidCudaVersion,
    },
}

/// Read first: a later form may differ in all the rest.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

impl Hardware {
    /// Read a hardware file, as `matenv hardware --json` writes it.
    pub fn read(path: &Path) -> Result<Self, HardwareFileError> {
        let bytes = fs_err::read(path).map_err(HardwareFileError::Read)?;
        Self::parse(&bytes, path)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, HardwareFileError> {
        let decoded = decoded(bytes);
        let bytes: &[u8] = &decoded;
        let syntax = |source: serde_json::Error| HardwareFileError::Syntax {
            path: path.to_owned(),
            line: source.line(),
            column: source.column(),
            source,
        };
        let Head { schema } = serde_json::from_slice(bytes).map_err(syntax)?;
        if schema != SCHEMA {
            return Err(HardwareFileError::Schema {
                path: path.to_owned(),
                found: schema,
            });
        }
        let hardware: Self = serde_json::from_slice(bytes).map_err(syntax)?;
        if hardware.triple.parse::<target_lexicon::Triple>().is_err() {
            return Err(HardwareFileError::Triple {
                path: path.to_owned(),
                triple: hardware.triple,
            });
        }
        if let Some(Err(source)) = hardware.cuda_driver.as_deref().map(CudaVersion::told) {
            return Err(HardwareFileError::CudaDriver {
                path: path.to_owned(),
                source,
            });
        }
        Ok(hardware)
    }
}

/// The text in UTF-8 without the byte order mark that PowerShell's `>` puts before it; that of Windows' own writes UTF-16.
fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
        Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        bytes => Cow::Borrowed(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{ "schema": 1, "triple": "x86_64-unknown-linux-gnu", "os": { "name": "ubuntu", "version": "24.04", "kernel": "6.8.0" },
      "libc": { "family": "glibc", "version": "2.39" }, "wsl": false, "container": null,
      "cpu": { "model": "AMD Ryzen 9 7950X", "cores": 16, "features": [ "avx", "avx2", "avx512f" ] },
      "memory_bytes": 68719476736, "disk": { "store_free_bytes": 500000000000 },
      "gpus": [ { "vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090", "memory_bytes": 25757220864, "compute_capability": "8.9", "mig": null } ],
      "visible_devices": null, "scheduler": null, "nvidia_driver": "580.65.06", "cuda_driver": "13.0", "environment": { "LD_LIBRARY_PATH": null },
      "a field of tomorrow": [1, 2] }"#;

    fn parse(text: impl AsRef<[u8]>) -> Result<Hardware, HardwareFileError> {
        Hardware::parse(text.as_ref(), Path::new("rig.json"))
    }

    #[test]
    fn a_file_says_what_it_knows_and_the_rest_is_unknown() {
        let rig = parse(GOOD).expect("a hardware file");
        assert_eq!(rig.visible_gpus().map(|gpus| gpus.len()), Some(1));
        assert_eq!((rig.host, rig.driver_problem), (None, None));
        let bare = parse(r#"{"schema": 1, "triple": "aarch64-apple-darwin"}"#).expect("a hardware file");
        assert_eq!((bare.gpus, bare.cpu), (None, None));
        parse(["\u{feff}", GOOD].concat()).expect("written by PowerShell");
    }

    #[test]
    fn a_fault_names_its_place() {
        let error = parse("{\n  \"schema\": 1,\n  \"triple\": 7 }").expect_err("no text");
        let HardwareFileError::Syntax { line, column, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!((line, column), (3, 13));
        let capability = GOOD.replace("\"8.9\"", "\"ninety\"");
        assert!(matches!(
            parse(capability),
            Err(HardwareFileError::Syntax { line: 5, .. })
        ));
    }

    #[test]
    fn later_forms_and_unknown_platforms_are_refused() {
        for schema in [0, 2, 4_000_000_000_u32] {
            let text = format!("{{\"schema\": {schema}, \"of tomorrow\": true}}");
            assert!(matches!(parse(text), Err(HardwareFileError::Schema { found, .. }) if found == schema));
        }
        let vax = GOOD.replace("x86_64-unknown-linux-gnu", "vax vms");
        assert!(matches!(parse(vax), Err(HardwareFileError::Triple { triple, .. }) if triple == "vax vms"));
    }

    /// Windows PowerShell 5.1 writes UTF-16, which was no JSON.
    #[test]
    fn what_powershell_writes_is_read() {
        let rig = parse(GOOD).expect("a hardware file");
        let text = format!("\u{feff}{GOOD}\r\n");
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        assert_eq!(parse(&little).expect("little-endian"), rig);
        assert_eq!(parse(&big).expect("big-endian"), rig);
        assert!(parse(&little[..little.len() / 2]).is_err(), "cut");
    }

    /// Scripts write null and leave out what they do not know; the rest of the form takes it for unknown.
    #[test]
    fn an_environment_of_null_and_a_libc_without_version_are_unknown() {
        let text = GOOD
            .replace(r#"{ "LD_LIBRARY_PATH": null }"#, "null")
            .replace(r#""glibc", "version": "2.39""#, r#""glibc""#);
        let rig = parse(text).expect("a hardware file");
        assert!(rig.environment.is_empty());
        assert_eq!(rig.libc.map(|libc| libc.version).as_deref(), Some(""));
        let text = GOOD.replace(r#""2.39""#, "null");
        assert_eq!(
            parse(text)
                .expect("a hardware file")
                .libc
                .map(|libc| libc.version)
                .as_deref(),
            Some("")
        );
    }

    /// `"cuda_driver": "12"` was taken as unknown, and so was any word.
    #[test]
    fn the_drivers_cuda_is_a_version() {
        parse(GOOD.replace("13.0", "12")).expect("12 is 12.0");
        for wrong in ["", "twelve", "N/A"] {
            let error = parse(GOOD.replace("13.0", wrong)).expect_err(wrong);
            assert!(matches!(error, HardwareFileError::CudaDriver { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Hardware::read(Path::new("/nowhere/rig.json")).expect_err("not there");
        let HardwareFileError::Read(source) = error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains("rig.json"), "{source}");
    }

    #[test]
    fn no_damage_to_a_file_is_more_than_an_error() {
        for end in 0..GOOD.len() {
            assert!(parse(&GOOD.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        for at in 0..GOOD.len() {
            for byte in [0, b'"', b'{', b']', b'9', b'-', b'\\', 0xff] {
                let mut bytes = GOOD.as_bytes().to_vec();
                bytes[at] = byte;
                let without = [&GOOD.as_bytes()[..at], &GOOD.as_bytes()[at + 1..]].concat();
                for text in [bytes, without] {
                    if let Ok(rig) = parse(text) {
                        let _ = rig.visible_gpus();
                    }
                }
            }
        }
        let deep = format!("{{\"schema\": 1, \"triple\": {}", "[".repeat(100_000));
        assert!(parse(deep).is_err());
    }
}
