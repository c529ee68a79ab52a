//! Checks conda packages before a file of them is linked.
//!
//! Input: the record of each package, and the folder into which its archive was extracted. Output: the first reason why
//! the packages must not be linked. Nothing is downloaded or changed here. rattler joins the paths of
//! `info/paths.json` to the prefix without a check, so this must run before it links.

mod compare;
mod tree;

use std::{io::ErrorKind, path::Path};

use rattler::install::PythonInfo;
use rattler_conda_types::{
    RepoDataRecord,
    package::{IndexJson, LinkJson, NoArchLinks, PackageFile, PathType, PathsJson},
};

use crate::packages::path_rules::{PathProblem, PathRules, printable};
pub(super) use compare::{CasePair, compare};
use tree::{Kind, Tree};

/// An unsafe conda package: its name, the path and the problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the conda package `{package}` is unsafe: {}{problem}", show_path(.path.as_ref()))]
pub struct UnsafePackage {
    /// File name of the package.
    pub package: String,
    /// The path, or `None` if the problem concerns the whole package.
    pub path: Option<String>,
    /// The problem.
    pub problem: Problem,
}

impl UnsafePackage {
    /// Returns an error about the whole package of `record`.
    pub(super) fn whole(record: &RepoDataRecord, problem: Problem) -> Self {
        Self {
            package: printable(&record.identifier.to_string()),
            path: None,
            problem,
        }
    }

    fn at(package: &str, path: &str, problem: Problem) -> Self {
        Self {
            package: package.to_owned(),
            path: Some(printable(path)),
            problem,
        }
    }
}

fn show_path(path: Option<&String>) -> String {
    path.map_or_else(String::new, |path| format!("`{path}` "))
}

/// The reason why a package is unsafe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A path is unsafe on its own.
    #[error(transparent)]
    Path(#[from] PathProblem),
    /// A path has a link as one of its folders.
    #[error("goes through `{link}`, a link of `{package}`")]
    ThroughLink {
        /// The link.
        link: String,
        /// The package that contains the link.
        package: String,
    },
    /// A path has a file as one of its folders.
    #[error("is below `{file}`, a file of `{package}`")]
    BelowFile {
        /// The file.
        file: String,
        /// The package that contains the file.
        package: String,
    },
    /// A link leaves the environment.
    #[error("is a link to `{target}`, outside the environment")]
    OutsideLink {
        /// The target of the link.
        target: String,
    },
    /// Two packages contain the same path.
    #[error("is also in `{package}`, and one would replace the other")]
    Clobbers {
        /// The other package.
        package: String,
    },
    /// Two paths differ only by case, and the file system does not distinguish them.
    #[error("is the same file as `{other}` of `{package}`: this file system does not distinguish case")]
    SameExceptCase {
        /// The other path.
        other: String,
        /// The package of the other path.
        package: String,
    },
    /// A device, pipe or socket.
    #[error("is a device, a pipe or a socket")]
    SpecialFile,
    /// A file runs with the rights of its owner or group.
    #[error("has the setuid or setgid bit")]
    SetId,
    /// A listed file is missing.
    #[error("is listed in info/paths.json, but the archive does not contain it")]
    Missing,
    /// The metadata of the package differs from its record.
    #[error("the channel lists {what} `{listed}`, but info/index.json says `{found}`")]
    OtherPackage {
        /// The differing field.
        what: &'static str,
        /// The value in the channel.
        listed: String,
        /// The value in the package.
        found: String,
    },
    /// The metadata is unreadable.
    #[error("failed to read its {file}: {because}")]
    Metadata {
        /// The file.
        file: &'static str,
        /// The cause.
        because: String,
    },
    /// The channel lists no hash.
    #[error("its channel lists no hash of it, so a changed archive would not be noticed")]
    NoHash,
    /// It unpacks to much more than its own size.
    #[error("it unpacks to more than {limit}, which is too much for an archive of {size}")]
    Bomb {
        /// The limit, formatted.
        limit: String,
        /// The size of the archive, formatted.
        size: String,
    },
    /// The name, version or build is not usable as a file name.
    #[error("its name, version or build is not a file name")]
    Name,
    /// The archive could not be extracted into its own folder.
    #[error("does not extract into the folder of the package: {because}")]
    Unpack {
        /// The cause.
        because: String,
    },
}

/// The machine and environment for which packages are checked.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Whether this machine runs Windows.
    pub(super) windows: bool,
    /// Whether `a` and `A` are the same file in the prefix.
    pub(super) folds_case: bool,
    /// The Python of the environment: noarch packages are linked into its folders.
    pub(super) python: Option<PythonInfo>,
}

/// A package whose own files are safe.
#[derive(Debug)]
pub(super) struct Inspected {
    package: String,
    may_link_outside: bool,
    placed: Vec<Placed>,
}

/// A file or link of a package, at its place in the prefix.
#[derive(Debug)]
struct Placed {
    path: String,
    kind: Kind,
}

/// Returns whether the channel lists a hash of the package.
pub(super) fn has_hash(record: &RepoDataRecord) -> bool {
    record.package_record.sha256.is_some() || record.package_record.md5.is_some()
}

/// Checks that `record` has a hash, before its archive is downloaded.
pub(super) fn check_record(record: &RepoDataRecord, allow_unhashed: bool) -> Result<(), UnsafePackage> {
    if !allow_unhashed && !has_hash(record) {
        return Err(UnsafePackage::whole(record, Problem::NoHash));
    }
    Ok(())
}

/// Checks one package that was extracted into `folder`. `may_link_outside` permits links that leave the prefix.
pub(super) fn inspect(
    record: &RepoDataRecord,
    folder: &Path,
    target: &Target,
    may_link_outside: bool,
) -> Result<Inspected, UnsafePackage> {
    let package = printable(&record.identifier.to_string());
    let rules = PathRules {
        windows: target.windows,
    };
    // First: a link of the package could lead to a file that must not even be read.
    let tree = Tree::read(folder)
        .map_err(|error| UnsafePackage::whole(record, metadata("files", &error)))?
        .check(&package, rules, may_link_outside)?;
    let index = IndexJson::from_package_directory(folder)
        .map_err(|error| UnsafePackage::whole(record, metadata("info/index.json", &error)))?;
    check_identity(record, &index)?;
    let paths = PathsJson::from_package_directory_with_deprecated_fallback(folder)
        .map_err(|error| UnsafePackage::whole(record, metadata("info/paths.json", &error)))?;
    let python = target.python.as_ref().filter(|_| index.noarch.is_python());
    let mut placed = place_files(&package, &paths, &tree, rules, python)?;
    if let Some(python) = python {
        let commands = commands(folder, record)?;
        placed.extend(place_commands(&package, &commands, rules, python, target.windows)?);
    }
    Ok(Inspected {
        package,
        may_link_outside,
        placed,
    })
}

fn metadata(file: &'static str, error: &std::io::Error) -> Problem {
    Problem::Metadata {
        file,
        because: printable(&error.to_string()),
    }
}

/// Checks that `index` describes the package of `record`: rattler panics if the name differs.
fn check_identity(record: &RepoDataRecord, index: &IndexJson) -> Result<(), UnsafePackage> {
    let listed = &record.package_record;
    let differs = |what, listed: &dyn ToString, found: &dyn ToString| {
        Err(UnsafePackage::whole(
            record,
            Problem::OtherPackage {
                what,
                listed: printable(&listed.to_string()),
                found: printable(&found.to_string()),
            },
        ))
    };
    if listed.name.as_normalized() != index.name.as_normalized() {
        return differs("the name", &listed.name.as_normalized(), &index.name.as_normalized());
    }
    if listed.version.version() != index.version.version() {
        return differs("version", &listed.version, &index.version);
    }
    if listed.build != index.build {
        return differs("build", &listed.build, &index.build);
    }
    Ok(())
}

fn place_files(
    package: &str,
    paths: &PathsJson,
    tree: &Tree,
    rules: PathRules,
    python: Option<&PythonInfo>,
) -> Result<Vec<Placed>, UnsafePackage> {
    let mut placed = Vec::with_capacity(paths.paths.len());
    for entry in &paths.paths {
        let listed = entry.relative_path.to_string_lossy();
        let refuse = |problem| UnsafePackage::at(package, &listed, problem);
        let source = rules.check(&listed).map_err(|problem| refuse(problem.into()))?;
        if let Some(link) = tree.link_above(&source) {
            return Err(refuse(Problem::ThroughLink {
                link: printable(link),
                package: package.to_owned(),
            }));
        }
        let kind = match tree.kind(&source) {
            Some(kind) => kind.clone(),
            None if entry.path_type == PathType::Directory => Kind::Folder,
            // rattler does not extract links on Windows, and skips them when it links.
            None if entry.path_type == PathType::SoftLink && rules.windows => continue,
            None => return Err(refuse(Problem::Missing)),
        };
        let path = match python {
            Some(python) => {
                let at = python.get_python_noarch_target_path(Path::new(&source));
                rules
                    .check(&at.to_string_lossy())
                    .map_err(|problem| refuse(problem.into()))?
            }
            None => source,
        };
        placed.push(Placed { path, kind });
    }
    Ok(placed)
}

/// Returns the commands of a noarch Python package, for which rattler writes a script each.
fn commands(folder: &Path, record: &RepoDataRecord) -> Result<Vec<String>, UnsafePackage> {
    let links = match LinkJson::from_package_directory(folder) {
        Ok(links) => links,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(UnsafePackage::whole(record, metadata("info/link.json", &error))),
    };
    Ok(match links.noarch {
        NoArchLinks::Python(python) => python.entry_points.into_iter().map(|point| point.command).collect(),
        NoArchLinks::Generic => {
            let because = "it is the one of a generic package".to_owned();
            let file = "info/link.json";
            return Err(UnsafePackage::whole(record, Problem::Metadata { file, because }));
        }
    })
}

fn place_commands(
    package: &str,
    commands: &[String],
    rules: PathRules,
    python: &PythonInfo,
    windows: bool,
) -> Result<Vec<Placed>, UnsafePackage> {
    let endings: &[&str] = if windows { &["-script.py", ".exe"] } else { &[""] };
    let mut placed = Vec::new();
    for command in commands {
        for ending in endings {
            let at = format!("{}/{command}{ending}", python.bin_dir.display());
            let path = rules
                .check(&at)
                .map_err(|problem| UnsafePackage::at(package, &at, problem.into()))?;
            placed.push(Placed { path, kind: Kind::File });
        }
    }
    Ok(placed)
}

#[cfg(test)]
mod tests;
