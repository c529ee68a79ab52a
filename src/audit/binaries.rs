use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use path_clean::clean;
use rayon::prelude::*;

use super::{system_folders, tree::Tree};
use crate::{
    binary::{Dynamic, Symbols, VersionNeed, Versions},
    files::layout,
};

/// The ELF files of a prefix, by relative path. Empty on systems other than Linux.
#[derive(Debug, Clone, Default)]
pub struct Binaries {
    files: BTreeMap<String, Binary>,
    prefix: PathBuf,
    /// Library folders of the Python executable. They apply to everything that it loads.
    of_program: Vec<PathBuf>,
    /// System folders, searched last.
    system: Vec<PathBuf>,
}

/// The libraries and symbol versions that an ELF file needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Binary {
    dynamic: Dynamic,
    versions: Vec<VersionNeed>,
}

/// A symbol version that a file needs but that is missing from the library it would load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingVersion {
    /// The file that needs it, relative to the prefix.
    pub path: String,
    /// The version, such as `GLIBC_2.38`.
    pub version: String,
    /// The library that the file would load.
    pub library: PathBuf,
}

/// Symbols that a file needs but that are missing from every library it would load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSymbols {
    /// The file that needs them, relative to the prefix.
    pub path: String,
    /// The libraries that were searched.
    pub searched: Vec<PathBuf>,
    /// The missing symbols.
    pub symbols: Vec<String>,
}

/// Returns whether `path` is named like a shared library.
pub(super) fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.contains(".so.")
        || [".so", ".pyd", ".dll", ".dylib"]
            .iter()
            .any(|ending| name.ends_with(ending))
}

impl Binaries {
    /// Reads the libraries of `tree`. Skips files that are not 64-bit ELF.
    pub(super) fn read(prefix: &Path, tree: &Tree, conda: bool) -> Self {
        if !cfg!(target_os = "linux") {
            return Self::default();
        }
        let libraries: Vec<&str> = tree
            .iter()
            .filter(|(path, entry)| !entry.link && is_library(path))
            .map(|(path, _)| path)
            .collect();
        let files = libraries
            .par_iter()
            .filter_map(|path| Some(((*path).to_owned(), binary(&tree.path(path))?)))
            .collect();
        let python = layout::python(prefix);
        let python = fs_err::canonicalize(&python).unwrap_or(python);
        let program = Dynamic::read(&python).ok().filter(|dynamic| dynamic.runpath.is_none());
        let mut of_program = program.map_or_else(Vec::new, |dynamic| folders(&python, &dynamic.rpath));
        if conda {
            of_program.push(prefix.join("lib"));
        }
        Self {
            files,
            prefix: prefix.to_owned(),
            of_program,
            system: system_folders(),
        }
    }

    /// Returns the missing symbol versions of the files that `counts` selects. Checks only the C and C++ runtimes:
    /// other libraries are installed together with the versions that they define.
    pub(super) fn missing_versions(&self, counts: impl Fn(&str) -> bool) -> Vec<MissingVersion> {
        let files: Vec<_> = self.files.iter().filter(|(path, _)| counts(path)).collect();
        let wanted: Vec<_> = files
            .into_par_iter()
            .flat_map_iter(|(path, binary)| self.wanted(path, binary))
            .collect();
        let mut defined: HashMap<PathBuf, Option<BTreeSet<String>>> = HashMap::new();
        let mut lacking = Vec::new();
        for (path, library, versions) in wanted {
            let defined = defined.entry(library.clone()).or_insert_with_key(|library| {
                let versions = Versions::read(library).ok()?;
                Some(versions.defines).filter(|defines| !defines.is_empty())
            });
            let Some(defined) = defined else {
                continue;
            };
            let missing = versions.iter().filter(|version| !defined.contains(version.as_str()));
            lacking.extend(missing.map(|version| MissingVersion {
                path: path.to_owned(),
                version: version.clone(),
                library: library.clone(),
            }));
        }
        lacking
    }

    /// Returns the libraries that a file would load, with the versions that it needs. Skips libraries that are not
    /// found: a different check reports those.
    fn wanted<'a>(&self, path: &'a str, binary: &Binary) -> Vec<(&'a str, PathBuf, Vec<String>)> {
        const KINDS: [&str; 3] = ["GLIBC_", "GLIBCXX_", "CXXABI_"];
        let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for need in &binary.versions {
            if KINDS.iter().any(|kind| need.version.starts_with(kind)) {
                wanted.entry(&need.library).or_default().push(need.version.clone());
            }
        }
        wanted
            .into_iter()
            .filter_map(|(soname, versions)| Some((path, self.find(path, &binary.dynamic, soname)?, versions)))
            .collect()
    }

    /// Returns the symbols that `path` needs and that no library in `providers` defines, among those that `wanted`
    /// selects. `None` if nothing is missing or a file cannot be read.
    pub(super) fn missing_symbols(
        &self,
        path: &str,
        providers: &[PathBuf],
        wanted: impl Fn(&str) -> bool + Sync,
    ) -> Option<MissingSymbols> {
        if !self.files.contains_key(path) || providers.is_empty() {
            return None;
        }
        let mut needed = Symbols::read(&self.prefix.join(path), &wanted).ok()?.undefined;
        for provider in providers {
            // A different check reports damaged libraries.
            let found = Symbols::read(provider, |name| needed.contains(name)).ok()?;
            needed.retain(|name| !found.exported.contains(name));
        }
        (!needed.is_empty()).then(|| MissingSymbols {
            path: path.to_owned(),
            searched: providers.to_vec(),
            symbols: needed.into_iter().collect(),
        })
    }

    /// Returns the library that `path` would load for `soname`: from its own folders, then those of the Python
    /// executable, then those of the system.
    pub(super) fn loaded_by(&self, path: &str, soname: &str) -> Option<PathBuf> {
        self.find(path, &self.files.get(path)?.dynamic, soname)
    }

    /// Returns a file that needs `soname` and would load `library` for it.
    pub(super) fn find_user_of(&self, library: &str, soname: &str) -> Option<&str> {
        let there = self.prefix.join(library);
        let takes = |(path, binary): &(&String, &Binary)| {
            *path != library
                && binary.dynamic.needed.iter().any(|needed| needed == soname)
                && self.find(path, &binary.dynamic, soname).as_deref() == Some(&there)
        };
        self.files.iter().find(takes).map(|(path, _)| path.as_str())
    }

    fn find(&self, path: &str, dynamic: &Dynamic, soname: &str) -> Option<PathBuf> {
        let own = dynamic.runpath.as_ref().unwrap_or(&dynamic.rpath);
        let own = folders(&self.prefix.join(path), own);
        own.iter()
            .chain(&self.of_program)
            .chain(&self.system)
            .map(|folder| folder.join(soname))
            // Like the loader, skip libraries built for another processor.
            .find(|found| {
                let known = found.strip_prefix(&self.prefix).ok().and_then(|below| {
                    let below = below.to_string_lossy().replace('\\', "/");
                    self.files.get(&below).map(|binary| binary.dynamic.machine)
                });
                let machine =
                    known.or_else(|| found.is_file().then(|| Dynamic::read(found).ok())?.map(|it| it.machine));
                machine == Some(dynamic.machine)
            })
    }
}

fn binary(path: &Path) -> Option<Binary> {
    let file = crate::input::open(path).ok()?;
    let dynamic = Dynamic::read_from(&file).ok()?;
    let versions = Versions::read_from(&file).map(|versions| versions.needs);
    Some(Binary {
        dynamic,
        versions: versions.unwrap_or_default(),
    })
}

/// Expands `$ORIGIN` in the folders listed in a file and removes `..`, so that each folder has one name.
pub(super) fn folders(file: &Path, listed: &[String]) -> Vec<PathBuf> {
    let origin = file.parent().unwrap_or(Path::new("/")).to_string_lossy();
    listed
        .iter()
        .filter(|folder| !folder.is_empty())
        .map(|folder| clean(folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin)))
        .collect()
}
