use std::io::{Cursor, Write as _};

use rattler_digest::{Sha256, compute_bytes_digest};
use zip::write::SimpleFileOptions;

/// The texts of the `.dist-info` folder, as in the unit tests.
#[path = "../../../src/packages/pypi/fixtures.rs"]
pub(super) mod dist_info;
#[path = "../../../src/packages/pypi/record_row.rs"]
mod record_row;

use record_row::record_row;

/// A small real wheel: importable, with metadata and a RECORD.
#[derive(Debug, Clone)]
pub(crate) struct Wheel {
    name: String,
    version: String,
    requires: Vec<String>,
    extras: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    padding: usize,
    recorded_as: Option<&'static str>,
}

impl Wheel {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let module = name.replace('-', "_");
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            requires: Vec::new(),
            extras: Vec::new(),
            files: vec![(
                format!("{module}/__init__.py"),
                format!("__version__ = \"{version}\"\n").into_bytes(),
            )],
            padding: 0,
            recorded_as: None,
        }
    }

    pub(crate) fn requires(mut self, requirement: &str) -> Self {
        self.requires.push(requirement.to_owned());
        self
    }

    pub(crate) fn extra(mut self, extra: &str) -> Self {
        self.extras.push(extra.to_owned());
        self
    }

    /// Adds bytes that do not compress, so that a download takes a while.
    pub(crate) fn padding(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    /// Replaces the code of its module.
    pub(crate) fn code(mut self, text: &str) -> Self {
        self.files[0].1 = text.into();
        self
    }

    /// Writes a RECORD whose hash of the module is the hash of `text`.
    pub(crate) fn recorded_as(mut self, text: &'static str) -> Self {
        self.recorded_as = Some(text);
        self
    }

    /// Adds a file.
    pub(crate) fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Adds bytes that compress well: a small download that fills a disk.
    pub(crate) fn zeros(self, bytes: usize) -> Self {
        let path = format!("{}/zeros.bin", self.name.replace('-', "_"));
        self.file(&path, vec![0; bytes])
    }

    /// Adds empty files.
    pub(crate) fn empty_files(mut self, count: usize) -> Self {
        let module = self.name.replace('-', "_");
        for number in 0..count {
            self = self.file(&format!("{module}/empty_{number}.txt"), "");
        }
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}-py3-none-any.whl", self.name.replace('-', "_"), self.version)
    }

    pub(crate) fn metadata(&self) -> String {
        let extras = self.extras.iter().map(|extra| format!("Provides-Extra: {extra}\n"));
        let requires = self.requires.iter().map(|needs| format!("Requires-Dist: {needs}\n"));
        dist_info::metadata(&self.name, &self.version, &extras.chain(requires).collect::<String>())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let info = format!("{}-{}.dist-info", self.name.replace('-', "_"), self.version);
        let mut files = self.files.clone();
        if self.padding > 0 {
            // A linear congruential generator: the same bytes each time, and no archive makes them smaller.
            let mut state = 12345_u32;
            let noise = (0..self.padding).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            });
            files.push((format!("{}/noise.bin", self.name.replace('-', "_")), noise.collect()));
        }
        files.push((format!("{info}/METADATA"), self.metadata().into_bytes()));
        files.push((format!("{info}/WHEEL"), dist_info::wheel("py3-none-any").into_bytes()));
        let record: String = files
            .iter()
            .enumerate()
            .map(|(at, (path, bytes))| {
                let bytes = self
                    .recorded_as
                    .filter(|_| at == 0)
                    .map_or(bytes.as_slice(), str::as_bytes);
                record_row(path, bytes)
            })
            .chain([format!("{info}/RECORD,,\n")])
            .collect();
        files.push((format!("{info}/RECORD"), record.into_bytes()));
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        // A fixed time, because the hash in the index is computed at another moment.
        let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
        for (path, bytes) in files {
            archive.start_file(path, options).unwrap();
            archive.write_all(&bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    pub(crate) fn sha256(&self) -> String {
        hex::encode(compute_bytes_digest::<Sha256>(&self.bytes()))
    }
}

/// Returns the distribution of CUDA's libraries on PyPI, with the extras that the GPU stacks require.
#[cfg(target_os = "linux")]
pub(crate) fn toolkit(version: &str) -> Wheel {
    ["cublas", "cudart", "cufft", "curand", "nvrtc"]
        .iter()
        .fold(Wheel::new("cuda-toolkit", version), |wheel, extra| wheel.extra(extra))
}
