use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{LAB_FILE, LabError};
use crate::{
    files::toml_file::TomlFile,
    manifest::{self, Manifests, lab::format},
    names::EnvName,
};

const HEAD: &str = "\
# The recipe for the whole lab. In this folder, or in one below it, `matenv install` installs the environments that are
# listed here. `matenv schema lab` prints all possible keys.
";

const ENVIRONMENT: &str = r#"
[environments.NAME]
# manifest = "NAME"  # the manifest to use, if it has another name
# profiles = ["cpu", "gpu"]  # the profiles to use; a single one is the default for --profile
packages = []  # additional packages from PyPI: matenv add NAME PKG
"#;

const REST: &str = r#"
[lock]
# Platforms to lock for: a name, or a table with minimum versions, such as
# { platform = "linux-64", glibc = "2.28" } or { platform = "win-64", cuda = "12.8" }.
platforms = ["SUBDIR"]
# GPU builds of torch to lock for.
backends = ["cu130", "cu128"]
# Ignore packages that were published later:
# exclude-newer = "2026-11-01"

# Replacements for conda-forge, pypi, torch or nvidia: a URL, or the name of another source.
[mirrors]
# conda-forge = "https://proxy.example.org/conda-forge"
# torch = "pypi"
"#;

/// A new lab folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Created {
    /// The lab's file.
    pub file: PathBuf,
    /// Its environments.
    pub environments: Vec<EnvName>,
    /// The editable copies of the manifests.
    pub manifests: Vec<PathBuf>,
}

/// Creates a lab in `folder`: a file for the manifests of these names, or for the default ones if there are none.
/// With `copies`, also copies the built-in manifests.
///
/// # Errors
/// A file already exists, a manifest is unknown, or a file cannot be written.
pub(crate) fn init(folder: &Path, names: &[String], copies: bool) -> Result<Created, LabError> {
    let file = folder.join(LAB_FILE);
    let copies_folder = folder.join("manifests");
    let copied: Vec<(PathBuf, &str)> = if copies {
        let built_in = manifest::built_in().iter();
        built_in.map(|(name, text)| (copies_folder.join(name), *text)).collect()
    } else {
        Vec::new()
    };
    let mut wanted = std::iter::once(&file).chain(copied.iter().map(|(path, _)| path));
    // A broken symbolic link counts as an existing file.
    if let Some(path) = wanted.find(|path| path.symlink_metadata().is_ok()) {
        return Err(LabError::Exists { path: path.clone() });
    }
    let own = copies_folder.is_dir() && !copies;
    let manifests = Manifests::load(own.then_some(copies_folder.as_path()))?;
    let environments: Vec<EnvName> = manifests
        .select(names)?
        .into_iter()
        .map(|manifest| manifest.name.clone())
        .collect();
    let text = text(&environments);
    format::parse(&TomlFile::new(&file, &text), folder)?;
    fs_err::create_dir_all(folder).map_err(LabError::Write)?;
    for (path, text) in &copied {
        fs_err::create_dir_all(&copies_folder).map_err(LabError::Write)?;
        create(path, text)?;
    }
    create(&file, &text)?;
    Ok(Created {
        file,
        environments,
        manifests: copied.into_iter().map(|(path, _)| path).collect(),
    })
}

/// Writes a file that must not exist yet.
fn create(path: &Path, text: &str) -> Result<(), LabError> {
    let mut file = fs_err::File::create_new(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => LabError::Exists { path: path.to_owned() },
        _ => LabError::Write(error),
    })?;
    file.write_all(text.as_bytes()).map_err(LabError::Write)
}

fn text(environments: &[EnvName]) -> String {
    // A lab can be created on a machine that conda has no packages for.
    let here = crate::profile::subdir(&target_lexicon::HOST.to_string());
    let subdir = here.map_or_else(|_| "linux-64".to_owned(), |subdir| subdir.to_string());
    let mut text = HEAD.to_owned();
    for env in environments {
        text.push_str(&ENVIRONMENT.replace("NAME", env.as_str()));
    }
    text + &REST.replace("SUBDIR", &subdir)
}
