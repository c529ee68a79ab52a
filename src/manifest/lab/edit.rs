//! Packages are added to a lab's file and taken out of it; what people wrote beside them stays.

use std::io::Write as _;

use serde::Serialize;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::{Lab, LabError, array, form};
use crate::{
    files::toml_file::TomlFile,
    lock::LAB_LOCK,
    manifest::Manifests,
    names::{
        EnvName, closest,
        requirement::{name_of, same_package},
    },
};

/// What became of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As it stood in the file; absent if it did not.
    pub before: Option<String>,
    /// As it stands there now; absent if it does not.
    pub after: Option<String>,
}

/// A lab's file after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edited {
    /// The file.
    pub file: std::path::PathBuf,
    /// The environment.
    pub env: EnvName,
    /// It is the first one that is listed, so that a bare `matenv install` no longer makes the default ones.
    pub alone: bool,
    /// What became of each package, in the order in which they were named.
    pub changes: Vec<Change>,
    /// The command that puts it into effect.
    pub next: String,
}

/// Add packages to an environment; one that is there gets other bounds.
///
/// # Errors
/// An unknown environment, a text that is no package of an index, a file that cannot be read or written.
pub fn add(lab: &Lab, manifests: &Manifests, env: &EnvName, packages: &[String]) -> Result<Edited, LabError> {
    lab.check_known(env, manifests)?;
    for package in packages {
        form::package(package).map_err(|because| LabError::Package {
            given: package.clone(),
            because,
        })?;
    }
    edit(lab, env, |array| {
        Ok(packages.iter().map(|package| put(array, package.trim())).collect())
    })
}

/// Take packages out of an environment.
///
/// # Errors
/// An unknown environment, a package that is not there, a file that cannot be read or written.
pub fn remove(lab: &Lab, manifests: &Manifests, env: &EnvName, packages: &[String]) -> Result<Edited, LabError> {
    lab.check_known(env, manifests)?;
    edit(lab, env, |array| {
        packages.iter().map(|package| take(array, package, lab, env)).collect()
    })
}

fn put(array: &mut Array, package: &str) -> Change {
    let found = position(array, package);
    let before = found.and_then(|at| text_at(array, at));
    match found {
        Some(_) if before.as_deref() == Some(package) => {}
        Some(at) => array::replace(array, at, package),
        None => array::push(array, package),
    }
    Change {
        before,
        after: Some(package.to_owned()),
    }
}

fn take(array: &mut Array, package: &str, lab: &Lab, env: &EnvName) -> Result<Change, LabError> {
    let Some(at) = position(array, package.trim()) else {
        let known: Vec<String> = array
            .iter()
            .filter_map(Value::as_str)
            .map(|text| name_of(text).to_owned())
            .collect();
        return Err(LabError::NotThere {
            path: lab.file(),
            env: env.clone(),
            package: package.to_owned(),
            similar: closest(package, known.iter().map(String::as_str)).map(ToOwned::to_owned),
            known,
        });
    };
    let before = text_at(array, at);
    array::remove(array, at);
    Ok(Change { before, after: None })
}

/// Where the package of that name stands, whatever its bounds.
fn position(array: &Array, package: &str) -> Option<usize> {
    let name = name_of(package);
    array.iter().position(|value| {
        value
            .as_str()
            .is_some_and(|text| same_package(name_of(text.trim()), name))
    })
}

fn text_at(array: &Array, at: usize) -> Option<String> {
    array.get(at).and_then(Value::as_str).map(ToOwned::to_owned)
}

/// Read the file, change the packages of `env`, and write it if that changed anything.
fn edit(
    lab: &Lab,
    env: &EnvName,
    change: impl FnOnce(&mut Array) -> Result<Vec<Change>, LabError>,
) -> Result<Edited, LabError> {
    let file = super::read(&lab.file())?;
    let (text, changes) = edited(&file, env, change)?;
    // What is written can be read, whatever the file looked like.
    form::parse(&TomlFile::new(&file.path, &text), &lab.root)?;
    if changes.iter().any(|change| change.before != change.after) {
        write(&file, &text).map_err(LabError::Write)?;
    }
    let locked = lab.root.join(LAB_LOCK).is_file();
    Ok(Edited {
        file: file.path,
        env: env.clone(),
        alone: lab.environments.is_empty() && changes.iter().any(|change| change.after.is_some()),
        changes,
        next: if locked {
            "matenv lock".to_owned()
        } else {
            format!("matenv install {env}")
        },
    })
}

/// The text of `file` with the packages of `env` changed.
pub(super) fn edited(
    file: &TomlFile,
    env: &EnvName,
    change: impl FnOnce(&mut Array) -> Result<Vec<Change>, LabError>,
) -> Result<(String, Vec<Change>), LabError> {
    let fault = |words: &str| LabError::from(file.error(None, words));
    let mut document: DocumentMut = file
        .text
        .parse()
        .map_err(|error: toml_edit::TomlError| file.error(error.span(), error.message()))?;
    let mut table = Table::new();
    table.set_implicit(true);
    let environments = document.entry("environments").or_insert(Item::Table(table));
    let environments = environments
        .as_table_like_mut()
        .ok_or_else(|| fault("`environments` is no table"))?;
    let Some(one) = environments.get_mut(env.as_str()) else {
        let mut array = Array::new();
        let changes = change(&mut array)?;
        let mut table = Table::new();
        table.insert("packages", Item::Value(array.into()));
        environments.insert(env.as_str(), Item::Table(table));
        return Ok((with_line_ends(document.to_string(), &file.text), changes));
    };
    let array = one
        .as_table_like_mut()
        .ok_or_else(|| fault("`environments` holds something other than tables"))?
        .entry("packages")
        .or_insert(Item::Value(Array::new().into()))
        .as_array_mut()
        .ok_or_else(|| fault("`packages` is no array"))?;
    let changes = change(array)?;
    Ok((with_line_ends(document.to_string(), &file.text), changes))
}

/// Lines end as they did: an editor on Windows wrote `\r\n`.
fn with_line_ends(text: String, old: &str) -> String {
    if old.contains("\r\n") {
        text.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        text
    }
}

/// Put `text` in the place of the file, whole or not at all.
fn write(file: &TomlFile, text: &str) -> std::io::Result<()> {
    // The file that a link points to, not the link.
    let path = fs_err::canonicalize(&file.path)?;
    let folder = path.parent().unwrap_or(&path);
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(fs_err::metadata(&path)?.permissions())?;
    new.as_file().sync_all()?;
    new.persist(&path).map(|_| ()).map_err(|error| error.error)
}
