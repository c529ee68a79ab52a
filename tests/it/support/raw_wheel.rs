use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

use super::wheel::dist_info;

/// A wheel with any entries, also those that the crates for archives refuse to write.
#[derive(Clone)]
pub(crate) struct RawWheel {
    name: String,
    metadata: String,
    info: String,
    entries: Vec<RawEntry>,
    entry_points: String,
    record: String,
    damage: fn(Vec<u8>) -> Vec<u8>,
}

#[derive(Clone)]
struct RawEntry {
    path: String,
    bytes: Vec<u8>,
    mode: u32,
}

impl RawWheel {
    /// Returns version 1.0 of `name`, with its module.
    pub(crate) fn new(name: &str) -> Self {
        let module = name.replace('-', "_");
        Self {
            name: module.clone(),
            metadata: dist_info::metadata(name, "1.0", ""),
            info: format!("{module}-1.0"),
            entries: Vec::new(),
            entry_points: String::new(),
            record: String::new(),
            damage: |bytes| bytes,
        }
        .file(&format!("{module}/__init__.py"), "__version__ = '1.0'\n")
    }

    /// Adds a file.
    pub(crate) fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.entry(path, bytes, 0o100_644)
    }

    /// Adds an entry with a Unix mode.
    pub(crate) fn entry(mut self, path: &str, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.entries.push(RawEntry {
            path: path.to_owned(),
            bytes: bytes.into(),
            mode,
        });
        self
    }

    /// Adds a file to the folder of the wheel's data.
    pub(crate) fn data(self, path: &str) -> Self {
        let path = format!("{}.data/{path}", self.info);
        self.file(&path, "evil\n")
    }

    /// Sets `entry_points.txt`.
    pub(crate) fn entry_points(mut self, text: &str) -> Self {
        text.clone_into(&mut self.entry_points);
        self
    }

    /// Adds a row to RECORD.
    pub(crate) fn recorded(mut self, path: &str) -> Self {
        self.record = format!("{path},,\n");
        self
    }

    /// Sets the name and version of the `.dist-info` folder.
    pub(crate) fn info(mut self, stem: &str) -> Self {
        stem.clone_into(&mut self.info);
        self
    }

    /// Sets METADATA, and keeps the one of the index.
    pub(crate) fn metadata(mut self, name: &str, version: &str) -> Self {
        self.metadata = dist_info::metadata(name, version, "");
        self
    }

    /// Changes the bytes of the archive.
    pub(crate) fn damaged(mut self, damage: fn(Vec<u8>) -> Vec<u8>) -> Self {
        self.damage = damage;
        self
    }

    pub(crate) fn name(&self) -> String {
        self.name.replace('_', "-")
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}-1.0-py3-none-any.whl", self.name)
    }

    /// Returns the metadata that the index lists, which is that of a healthy wheel.
    pub(crate) fn listed_metadata(&self) -> String {
        dist_info::metadata(&self.name(), "1.0", "")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let info = format!("{}.dist-info", self.info);
        let mut entries = self.entries.clone();
        let mut add = |file: &str, text: String| {
            entries.push(RawEntry {
                path: format!("{info}/{file}"),
                bytes: text.into_bytes(),
                mode: 0o100_644,
            });
        };
        add("METADATA", self.metadata.clone());
        add("WHEEL", dist_info::wheel("py3-none-any"));
        if !self.entry_points.is_empty() {
            add("entry_points.txt", self.entry_points.clone());
        }
        let mut rows: Vec<String> = entries.iter().map(|entry| format!("{},,\n", entry.path)).collect();
        rows.extend([self.record.clone(), format!("{info}/RECORD,,\n")]);
        entries.push(RawEntry {
            path: format!("{info}/RECORD"),
            bytes: rows.concat().into_bytes(),
            mode: 0o100_644,
        });
        (self.damage)(zip(&entries))
    }
}

/// Writes a zip archive by hand: the builder of the crate refuses entries with the same name.
fn zip(entries: &[RawEntry]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&entry.bytes).unwrap();
        let packed = encoder.finish().unwrap();
        let mut crc = Crc::new();
        crc.update(&entry.bytes);
        let offset = four(archive.len());
        // Version, flags (UTF-8), deflate, time, date, checksum, sizes, length of the name, no extra field.
        let mut common = Vec::new();
        for number in [20_u16, 0x800, 8, 0, 0x21] {
            common.extend(number.to_le_bytes());
        }
        for number in [crc.sum(), four(packed.len()), four(entry.bytes.len())] {
            common.extend(number.to_le_bytes());
        }
        common.extend(two(entry.path.len()).to_le_bytes());
        common.extend([0; 2]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(entry.path.as_bytes());
        archive.extend(packed);
        // Made by Unix; then no comment, disk 0, no attributes, mode and offset.
        directory.extend(b"PK\x01\x02");
        directory.extend(0x0314_u16.to_le_bytes());
        directory.extend(common);
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.path.as_bytes());
    }
    let start = four(archive.len());
    let size = four(directory.len());
    archive.extend(directory);
    archive.extend(b"PK\x05\x06");
    archive.extend([0; 4]);
    let count = two(entries.len()).to_le_bytes();
    archive.extend(count);
    archive.extend(count);
    archive.extend(size.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]);
    archive
}

fn four(size: usize) -> u32 {
    size.try_into().unwrap()
}

fn two(size: usize) -> u16 {
    size.try_into().unwrap()
}
