//! Adds packages to a lab's file and removes them. Comments and formatting are kept.

use serde::Serialize;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::{LAB_LOCK, Lab, LabError, array};
use crate::{
    files::{self, toml_file::TomlFile},
    manifest::{Manifests, lab::format},
    names::{
        EnvName, closest,
        requirement::{name_of, same_package},
    },
};

/// The change to one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// The requirement in the file before the change. Absent if there was none.
    pub before: Option<String>,
    /// The requirement in the file now. Absent if it was removed.
    pub after: Option<String>,
}

/// A lab's file after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Edited {
    /// The file.
    pub file: std::path::PathBuf,
    /// The environment.
    pub env: EnvName,
    /// Whether it is the first listed environment, so that `matenv install` without a name no longer installs the
    /// default ones.
    pub alone: bool,
    /// The change to each package, in the given order.
    pub changes: Vec<Change>,
    /// The command that applies the change.
    pub next: String,
}

/// Adds packages to an environment. A package that is already listed gets the new bounds.
///
/// # Errors
/// The environment is unknown, a package is invalid, or the file cannot be read or written.
pub(crate) fn add(lab: &Lab, manifests: &Manifests, env: &EnvName, packages: &[String]) -> Result<Edited, LabError> {
    lab.check_known(env, manifests)?;
    for package in packages {
        format::package(package).map_err(|because| LabError::Package {
            given: package.clone(),
            because,
        })?;
    }
    edit(lab, env, |array| {
        Ok(packages.iter().map(|package| put(array, package.trim())).collect())
    })
}

/// Removes packages from an environment.
///
/// # Errors
/// The environment is unknown, a package is not listed, or the file cannot be read or written.
pub(crate) fn remove(lab: &Lab, manifests: &Manifests, env: &EnvName, packages: &[String]) -> Result<Edited, LabError> {
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

/// Returns the position of the package of that name, with any bounds.
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

/// Reads the file, changes the packages of `env`, and writes the file if it changed.
fn edit(
    lab: &Lab,
    env: &EnvName,
    change: impl FnOnce(&mut Array) -> Result<Vec<Change>, LabError>,
) -> Result<Edited, LabError> {
    let file = super::read(&lab.file())?;
    let (text, changes) = edited(&file, env, change)?;
    // Never write a file that matenv cannot read.
    format::parse(&TomlFile::new(&file.path, &text), &lab.root)?;
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

/// Returns the text of `file` with the packages of `env` changed.
pub(super) fn edited(
    file: &TomlFile,
    env: &EnvName,
    change: impl FnOnce(&mut Array) -> Result<Vec<Change>, LabError>,
) -> Result<(String, Vec<Change>), LabError> {
    let fault = |message: &str| LabError::from(file.error(None, message));
    let mut document: DocumentMut = file
        .text
        .parse()
        .map_err(|error: toml_edit::TomlError| file.error(error.span(), error.message()))?;
    let mut table = Table::new();
    table.set_implicit(true);
    let environments = document.entry("environments").or_insert(Item::Table(table));
    let environments = environments
        .as_table_like_mut()
        .ok_or_else(|| fault("`environments` is not a table"))?;
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
        .ok_or_else(|| fault("`environments` must contain only tables"))?
        .entry("packages")
        .or_insert(Item::Value(Array::new().into()))
        .as_array_mut()
        .ok_or_else(|| fault("`packages` is not an array"))?;
    let changes = change(array)?;
    Ok((with_line_ends(document.to_string(), &file.text), changes))
}

/// Keeps `\r\n` line endings of files from Windows.
fn with_line_ends(text: String, old: &str) -> String {
    if old.contains("\r\n") {
        text.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        text
    }
}

/// Replaces the content of the file.
fn write(file: &TomlFile, text: &str) -> std::io::Result<()> {
    // Replace the target of a symbolic link, not the link.
    let path = fs_err::canonicalize(&file.path)?;
    files::write_whole(&path, text)
}
