use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{LAB_FILE, LabError, form};
use crate::{
    files::toml_file::TomlFile,
    manifest::{self, Manifests},
    names::EnvName,
};

const HEAD: &str = "\
# One recipe for the whole lab. In this folder, or in one below it, `matenv install` makes the environments that
# stand here. `matenv schema lab` prints what can be said.
";

const ENVIRONMENT: &str = r#"
[environments.NAME]
# manifest = "NAME"  # the manifest that it is made from, if that has another name
# profiles = ["cpu", "gpu"]  # those that the lab wants; one alone is taken without --profile
packages = []  # more packages from PyPI: matenv add NAME PKG
"#;

const REST: &str = r#"
[lock]
# Platforms, or what can be counted on there: { platform = "linux-64", glibc = "2.28" }, { platform = "win-64", cuda = "12.8" }
platforms = ["SUBDIR"]
# torch's builds for GPUs.
backends = ["cu130", "cu128"]
# Nothing that was published later:
# exclude-newer = "2026-11-01"

# What is asked instead of conda-forge, pypi, torch or nvidia: a URL, or another one's name.
[mirrors]
# conda-forge = "https://proxy.example.org/conda-forge"
# torch = "pypi"
"#;

/// A new lab folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// The lab's file.
    pub file: PathBuf,
    /// Its environments.
    pub environments: Vec<EnvName>,
    /// The manifests that lie beside it to be edited.
    pub manifests: Vec<PathBuf>,
}

/// Make `folder` a lab's: a file for the manifests of these names, the default ones if there are none, and `copies` of the
/// built-in manifests.
///
/// # Errors
/// A file is there already, a manifest is not, or nothing can be written there.
pub fn init(folder: &Path, names: &[String], copies: bool) -> Result<Created, LabError> {
    let file = folder.join(LAB_FILE);
    let beside = folder.join("manifests");
    let copied: Vec<(PathBuf, &str)> = if copies {
        let built_in = manifest::built_in().iter();
        built_in.map(|(name, text)| (beside.join(name), *text)).collect()
    } else {
        Vec::new()
    };
    let mut wanted = std::iter::once(&file).chain(copied.iter().map(|(path, _)| path));
    // A link to nowhere is something too.
    if let Some(path) = wanted.find(|path| path.symlink_metadata().is_ok()) {
        return Err(LabError::Exists { path: path.clone() });
    }
    let own = beside.is_dir() && !copies;
    let manifests = Manifests::load(own.then_some(beside.as_path()))?;
    let environments: Vec<EnvName> = manifests
        .select(names)?
        .into_iter()
        .map(|manifest| manifest.name.clone())
        .collect();
    let text = text(&environments);
    form::parse(&TomlFile::new(&file, &text), folder)?;
    fs_err::create_dir_all(folder).map_err(LabError::Write)?;
    for (path, text) in &copied {
        fs_err::create_dir_all(&beside).map_err(LabError::Write)?;
        create(path, text)?;
    }
    create(&file, &text)?;
    Ok(Created {
        file,
        environments,
        manifests: copied.into_iter().map(|(path, _)| path).collect(),
    })
}

/// Write a file that must not be there yet.
fn create(path: &Path, text: &str) -> Result<(), LabError> {
    let mut file = fs_err::File::create_new(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => LabError::Exists { path: path.to_owned() },
        _ => LabError::Write(error),
    })?;
    file.write_all(text.as_bytes()).map_err(LabError::Write)
}

fn text(environments: &[EnvName]) -> String {
    // A machine that has no packages can still hold a lab for others.
    let here = crate::profile::subdir(&target_lexicon::HOST.to_string());
    let subdir = here.map_or_else(|_| "linux-64".to_owned(), |subdir| subdir.to_string());
    let mut text = HEAD.to_owned();
    for env in environments {
        text.push_str(&ENVIRONMENT.replace("NAME", env.as_str()));
    }
    text + &REST.replace("SUBDIR", &subdir)
}
