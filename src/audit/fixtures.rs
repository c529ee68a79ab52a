//! Fixtures: prefixes with wheels that are unpacked like an installer does. No code in them runs.

use std::path::{Path, PathBuf};

use rattler_digest::{Sha256, compute_bytes_digest};

use super::{Depth, Installed, Inventory, Subject};
use crate::{
    files::layout,
    finding::Finding,
    packages::pypi::{fixtures, record_row},
};

/// `site-packages`, relative to the prefix.
pub(crate) const SITE: &str = if cfg!(windows) {
    "Lib/site-packages"
} else {
    "lib/python3.13/site-packages"
};

/// A virtual environment of Python 3.13 in a temporary folder.
pub(crate) struct Prefix {
    folder: tempfile::TempDir,
}

impl Prefix {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::create_dir_all(folder.path().join(SITE)).expect("created");
        fs_err::write(folder.path().join("pyvenv.cfg"), "version = 3.13.1\n").expect("written");
        // On Windows, the version is read from the conda records.
        if cfg!(windows) {
            fs_err::create_dir_all(folder.path().join("conda-meta")).expect("created");
            fs_err::write(folder.path().join("conda-meta/python-3.13.1-0.txt"), "").expect("written");
        }
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a path in `site-packages`.
    pub(crate) fn site(&self, path: &str) -> PathBuf {
        self.path().join(SITE).join(path)
    }

    /// Writes a file that no package records.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("created");
        // Write a new file and rename it, so that hard links in caches keep the old content.
        let new = path.with_extension("new");
        fs_err::write(&new, bytes).expect("written");
        fs_err::rename(new, path).expect("renamed");
    }

    /// Installs a pure Python wheel with `files` in `site-packages`. Overwrites an existing one.
    pub(crate) fn wheel(&self, name: &str, version: &str, files: &[(&str, &[u8])]) {
        self.wheel_that(name, version, "", "py3-none-any", files);
    }

    /// Installs a wheel with extra METADATA lines and a tag.
    pub(crate) fn wheel_that(&self, name: &str, version: &str, metadata: &str, tag: &str, files: &[(&str, &[u8])]) {
        let info = format!("{name}-{version}.dist-info");
        let own = [
            (
                format!("{info}/METADATA"),
                fixtures::metadata(name, version, metadata).into_bytes(),
            ),
            (format!("{info}/WHEEL"), fixtures::wheel(tag).into_bytes()),
            (format!("{info}/INSTALLER"), b"uv\n".to_vec()),
        ];
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
        let files: Vec<_> = files.chain(own).collect();
        let rows = files.iter().map(|(path, bytes)| record_row(path, bytes));
        let record: String = rows.chain([format!("{info}/RECORD,,\n")]).collect();
        for (path, bytes) in files {
            self.write(&format!("{SITE}/{path}"), bytes);
        }
        self.write(&format!("{SITE}/{info}/RECORD"), record);
    }

    /// Installs a conda package with `files`, which are relative to the prefix.
    pub(crate) fn conda(&self, name: &str, version: &str, files: &[(&str, &[u8])]) {
        let paths: Vec<_> = files
            .iter()
            .map(|(path, bytes)| {
                self.write(path, bytes);
                let sha256 = hex::encode(compute_bytes_digest::<Sha256>(bytes));
                serde_json::json!({ "_path": path, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": bytes.len() })
            })
            .collect();
        self.conda_record(name, version, &serde_json::json!(paths));
    }

    /// Writes the conda record of a package.
    pub(crate) fn conda_record(&self, name: &str, version: &str, paths: &serde_json::Value) {
        let file = format!("{name}-{version}-0.conda");
        let record = serde_json::json!({
            "name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64",
            "fn": file, "url": format!("https://channel.example.org/linux-64/{file}"),
            "channel": "https://channel.example.org/", "paths_data": { "paths_version": 1, "paths": paths },
        });
        self.write(&format!("conda-meta/{name}-{version}-0.json"), record.to_string());
    }

    /// Renders a finding without the paths of this prefix, for snapshots.
    pub(crate) fn render(&self, finding: &Finding) -> String {
        let text = finding.render();
        let text = text.replace(&layout::python(self.path()).display().to_string(), "[PYTHON]");
        text.replace(&self.path().display().to_string(), "[PREFIX]")
            .replace('\\', "/")
    }

    /// Returns the inventory of an environment named `sleap` with the profile `cpu`.
    pub(crate) fn inventory(&self) -> Inventory {
        self.inventory_at(Depth::Structure)
    }

    /// Like [`Self::inventory`], with a given depth.
    pub(crate) fn inventory_at(&self, depth: Depth) -> Inventory {
        let installed = Installed::read(self.path()).expect("an inventory");
        Inventory::inspect(std::sync::Arc::new(installed), Some("sleap"), &Subject::cpu(), depth)
    }
}
