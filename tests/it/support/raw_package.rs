use std::{
    io::{Cursor, Write as _},
    path::Path,
};

use rattler_digest::{Md5, Sha256, compute_bytes_digest};
use serde_json::{Map, Value, json};
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;

/// A conda package with any entries and metadata, also those that matenv's builder and the crates for archives refuse
/// to write.
#[derive(Clone)]
pub(crate) struct RawPackage {
    name: String,
    index: Value,
    record: Map<String, Value>,
    entries: Vec<Entry>,
    info: Vec<(String, Vec<u8>)>,
    listed: Vec<Value>,
    legacy: bool,
}

#[derive(Clone)]
struct Entry {
    path: String,
    kind: EntryType,
    target: String,
    mode: u32,
    bytes: Vec<u8>,
}

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Conda,
    TarBz2,
}

impl Format {
    pub(crate) const BOTH: [Self; 2] = [Self::Conda, Self::TarBz2];

    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Conda => ".conda",
            Self::TarBz2 => ".tar.bz2",
        }
    }
}

impl RawPackage {
    /// Returns a noarch package without files.
    pub(crate) fn new(name: &str) -> Self {
        let index = json!({
            "name": name, "version": "1.0", "build": "0", "build_number": 0,
            "subdir": "noarch", "noarch": "generic", "depends": [],
        });
        Self {
            name: name.to_owned(),
            record: index.as_object().unwrap().clone(),
            index,
            entries: Vec::new(),
            info: Vec::new(),
            listed: Vec::new(),
            legacy: false,
        }
    }

    /// Adds an entry of the archive, which no list names.
    pub(crate) fn entry(mut self, kind: EntryType, path: &str, target: &str, mode: u32) -> Self {
        let bytes = if kind == EntryType::Regular {
            b"evil\n".to_vec()
        } else {
            Vec::new()
        };
        self.entries.push(Entry {
            path: path.to_owned(),
            kind,
            target: target.to_owned(),
            mode,
            bytes,
        });
        self
    }

    /// Adds a path to `info/paths.json`, which no entry of the archive needs to have.
    pub(crate) fn listed(mut self, path: &str, kind: &str) -> Self {
        self.listed.push(json!({ "_path": path, "path_type": kind }));
        self
    }

    /// Adds a file and lists it.
    pub(crate) fn file(self, path: &str) -> Self {
        self.entry(EntryType::Regular, path, "", 0o755).listed(path, "hardlink")
    }

    /// Adds a file of zeros and lists it with `declared` as its size.
    pub(crate) fn zeros(mut self, path: &str, size: usize, declared: usize) -> Self {
        self = self.entry(EntryType::Regular, path, "", 0o644);
        if let Some(entry) = self.entries.last_mut() {
            entry.bytes = vec![0; size];
        }
        self.listed
            .push(json!({ "_path": path, "path_type": "hardlink", "size_in_bytes": declared }));
        self
    }

    /// Adds a symbolic link and lists it.
    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, 0o777)
            .listed(path, "softlink")
    }

    /// Lists the files in `info/files` instead of `info/paths.json`, like old packages.
    pub(crate) fn legacy(mut self) -> Self {
        self.legacy = true;
        self
    }

    /// Makes this a noarch Python package with `commands`.
    pub(crate) fn python(mut self, commands: &[&str]) -> Self {
        self.index["noarch"] = "python".into();
        self.record.insert("noarch".to_owned(), "python".into());
        let links = json!({
            "noarch": { "type": "python", "entry_points": commands },
            "package_metadata_version": 1,
        });
        self.info("link.json", &links.to_string())
    }

    /// Adds a file to `info`.
    pub(crate) fn info(mut self, name: &str, text: &str) -> Self {
        self.info.push((name.to_owned(), text.as_bytes().to_vec()));
        self
    }

    /// Sets a field of `info/index.json`, and keeps the one of the channel.
    pub(crate) fn says(mut self, field: &str, value: &str) -> Self {
        self.index[field] = value.into();
        self
    }

    /// Sets a field of the channel's record; null removes it.
    pub(crate) fn recorded(mut self, field: &str, value: Value) -> Self {
        self.record.insert(field.to_owned(), value);
        self
    }

    fn stem(&self) -> String {
        format!("{}-1.0-0", self.name)
    }

    pub(crate) fn file_name(&self, format: Format) -> String {
        self.stem() + format.ending()
    }

    fn info_tar(&self, builder: &mut tar::Builder<Vec<u8>>) {
        let linked = |name: &str| self.entries.iter().any(|entry| entry.path == format!("info/{name}"));
        let mut info = self.info.clone();
        info.push(("index.json".to_owned(), self.index.to_string().into_bytes()));
        if self.legacy {
            let lines: String = self
                .listed
                .iter()
                .flat_map(|entry| [entry["_path"].as_str().unwrap(), "\n"])
                .collect();
            info.push(("files".to_owned(), lines.into_bytes()));
        } else {
            let paths = json!({ "paths": self.listed, "paths_version": 1 });
            info.push(("paths.json".to_owned(), paths.to_string().into_bytes()));
        }
        let mut seen = Vec::new();
        for (name, bytes) in info {
            if linked(&name) || seen.contains(&name) {
                continue;
            }
            let path = format!("info/{name}");
            append(
                builder,
                &Entry {
                    path,
                    kind: EntryType::Regular,
                    target: String::new(),
                    mode: 0o644,
                    bytes,
                },
            );
            seen.push(name);
        }
    }

    fn content_tar(&self, builder: &mut tar::Builder<Vec<u8>>) {
        for entry in &self.entries {
            append(builder, entry);
        }
    }

    /// Returns the archive.
    pub(crate) fn bytes(&self, format: Format) -> Vec<u8> {
        match format {
            Format::TarBz2 => {
                let mut builder = tar::Builder::new(Vec::new());
                self.info_tar(&mut builder);
                self.content_tar(&mut builder);
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(&builder.into_inner().unwrap()).unwrap();
                encoder.finish().unwrap()
            }
            Format::Conda => {
                let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
                let options = SimpleFileOptions::default()
                    .compression_method(zip::CompressionMethod::Stored)
                    .last_modified_time(zip::DateTime::default());
                archive.start_file("metadata.json", options).unwrap();
                archive.write_all(b"{\"conda_pkg_format_version\":2}").unwrap();
                for part in ["pkg", "info"] {
                    let mut builder = tar::Builder::new(Vec::new());
                    if part == "pkg" {
                        self.content_tar(&mut builder);
                    } else {
                        self.info_tar(&mut builder);
                    }
                    let compressed = zstd::encode_all(builder.into_inner().unwrap().as_slice(), 1).unwrap();
                    archive
                        .start_file(format!("{part}-{}.tar.zst", self.stem()), options)
                        .unwrap();
                    archive.write_all(&compressed).unwrap();
                }
                archive.finish().unwrap().into_inner()
            }
        }
    }
}

/// Writes the header by hand: the builder of the crate refuses hostile paths.
fn append(builder: &mut tar::Builder<Vec<u8>>, entry: &Entry) {
    let mut header = Header::new_ustar();
    let fields = header.as_ustar_mut().unwrap();
    fields.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
    fields.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
    header.set_entry_type(entry.kind);
    header.set_mode(entry.mode);
    header.set_mtime(1_700_000_000);
    header.set_size(entry.bytes.len() as u64);
    header.set_cksum();
    builder.append(&header, entry.bytes.as_slice()).unwrap();
}

/// Replaces the noarch folder of the channel at `channel` by `packages`.
pub(crate) fn write_noarch(channel: &Path, packages: &[(&RawPackage, Format)]) {
    let folder = channel.join("noarch");
    if folder.exists() {
        fs_err::remove_dir_all(&folder).unwrap();
    }
    fs_err::create_dir_all(&folder).unwrap();
    let (mut conda, mut bz2) = (Map::new(), Map::new());
    for (package, format) in packages {
        let bytes = package.bytes(*format);
        let mut record = package.record.clone();
        for (field, value) in [
            ("size", json!(bytes.len())),
            ("sha256", json!(hex::encode(compute_bytes_digest::<Sha256>(&bytes)))),
            ("md5", json!(hex::encode(compute_bytes_digest::<Md5>(&bytes)))),
        ] {
            record.entry(field).or_insert(value);
        }
        record.retain(|_, value| !value.is_null());
        let name = package.file_name(*format);
        fs_err::write(folder.join(&name), bytes).unwrap();
        match format {
            Format::Conda => conda.insert(name, record.into()),
            Format::TarBz2 => bz2.insert(name, record.into()),
        };
    }
    let repodata = json!({
        "info": { "subdir": "noarch" }, "packages": bz2, "packages.conda": conda, "repodata_version": 1,
    });
    fs_err::write(folder.join("repodata.json"), repodata.to_string()).unwrap();
}
