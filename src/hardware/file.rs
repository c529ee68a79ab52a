//! Hardware files: descriptions of other machines.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::Hardware;
use crate::input::{self, Input};
use crate::profile::{CudaVersion, InvalidCudaVersion};

/// The schema version that is written, and the only one that is read.
pub(super) const SCHEMA: u32 = 1;

/// An error while reading a hardware file.
#[derive(Debug, thiserror::Error)]
pub enum HardwareFileError {
    /// The file is missing or cannot be read.
    #[error("failed to read the hardware file")]
    Read(#[source] std::io::Error),
    /// The file is not JSON or does not match the schema. The source names line and column.
    #[error("{} is not a valid hardware file", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line of the error, from 1.
        line: usize,
        /// The column of the error.
        column: usize,
        /// The parse error.
        #[source]
        source: serde_json::Error,
    },
    /// A newer matenv wrote the file, or its schema version is invalid.
    #[error("{} has schema version {found}, but this matenv reads version {SCHEMA}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema version in the file.
        found: u32,
    },
    /// The platform is invalid.
    #[error("invalid platform `{triple}` in {}, expected one such as `x86_64-unknown-linux-gnu`", path.display())]
    Triple {
        /// The file.
        path: PathBuf,
        /// The invalid platform.
        triple: String,
    },
    /// The CUDA version of the driver is invalid.
    #[error("invalid `cuda_driver` in {}", path.display())]
    CudaDriver {
        /// The file.
        path: PathBuf,
        /// The parse error of the version.
        #[source]
        source: InvalidCudaVersion,
    },
}

/// The part that is read first, because a later schema version may change everything else.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

impl Hardware {
    /// Reads a hardware file, as `matenv hardware --json` writes it.
    pub fn read(path: &Path) -> Result<Self, HardwareFileError> {
        let bytes = input::read(path, Input::Hardware).map_err(HardwareFileError::Read)?;
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
        if let Some(Err(source)) = hardware.cuda_driver.as_deref().map(CudaVersion::from_driver) {
            return Err(HardwareFileError::CudaDriver {
                path: path.to_owned(),
                source,
            });
        }
        Ok(hardware)
    }
}

/// Converts the bytes to UTF-8 without a byte order mark. PowerShell's `>` adds a byte order mark, and Windows
/// PowerShell 5.1 writes UTF-16.
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
    fn absent_fields_are_unknown() {
        let rig = parse(GOOD).expect("a hardware file");
        assert_eq!(rig.visible_gpus().map(|gpus| gpus.len()), Some(1));
        assert_eq!((rig.host, rig.driver_problem), (None, None));
        let bare = parse(r#"{"schema": 1, "triple": "aarch64-apple-darwin"}"#).expect("a hardware file");
        assert_eq!((bare.gpus, bare.cpu), (None, None));
        parse(["\u{feff}", GOOD].concat()).expect("written by PowerShell");
    }

    #[test]
    fn a_syntax_error_names_line_and_column() {
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
    fn later_schemas_and_unknown_platforms_are_refused() {
        for schema in [0, 2, 4_000_000_000_u32] {
            let text = format!("{{\"schema\": {schema}, \"of tomorrow\": true}}");
            assert!(matches!(parse(text), Err(HardwareFileError::Schema { found, .. }) if found == schema));
        }
        let vax = GOOD.replace("x86_64-unknown-linux-gnu", "vax vms");
        assert!(matches!(parse(vax), Err(HardwareFileError::Triple { triple, .. }) if triple == "vax vms"));
    }

    /// Regression: Windows PowerShell 5.1 writes UTF-16, which was rejected as invalid JSON.
    #[test]
    fn utf16_files_from_powershell_are_read() {
        let rig = parse(GOOD).expect("a hardware file");
        let text = format!("\u{feff}{GOOD}\r\n");
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        assert_eq!(parse(&little).expect("little-endian"), rig);
        assert_eq!(parse(&big).expect("big-endian"), rig);
        assert!(parse(&little[..little.len() / 2]).is_err(), "cut");
    }

    /// Scripts write null or leave out what they do not know. Both mean unknown, as in the other fields.
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

    /// Regression: `"cuda_driver": "12"` and any other text were treated as unknown.
    #[test]
    fn the_drivers_cuda_is_a_version() {
        parse(GOOD.replace("13.0", "12")).expect("12 is 12.0");
        for wrong in ["", "twelve", "N/A"] {
            let error = parse(GOOD.replace("13.0", wrong)).expect_err(wrong);
            assert!(matches!(error, HardwareFileError::CudaDriver { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Hardware::read(Path::new("/nowhere/rig.json")).expect_err("not there");
        let HardwareFileError::Read(source) = error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains("rig.json"), "{source}");
    }

    #[test]
    fn a_damaged_file_never_panics() {
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

    #[test]
    fn no_bytes_cause_a_panic_and_every_valid_file_comes_back() {
        use crate::proptests;
        let real = include_bytes!("../../tests/hardware/rtx-4090-driver-580.json");
        proptests::check(file!(), &proptests::bytes(&[GOOD.as_bytes(), real]), |bytes| {
            let Ok(rig) = Hardware::parse(&bytes, Path::new("rig.json")) else {
                return;
            };
            let written = serde_json::to_vec(&rig).expect("JSON");
            assert_eq!(
                Hardware::parse(&written, Path::new("rig.json")).expect("written by matenv"),
                rig
            );
        });
    }
}
