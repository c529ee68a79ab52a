use super::{Binaries, Installed, Leftover, Ownership, binaries::is_library, record::extension, tree::Tree};

use crate::input::{self, Input};

/// A library or a module that no package owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unowned {
    /// The path relative to the prefix.
    pub path: String,
    /// Whether it is a shared library. Otherwise it is a Python module.
    pub library: bool,
    /// The file that would load it instead of the library of a package.
    pub loaded_by: Option<String>,
}

/// Modules that the tools for virtual environments add without a record.
const TOOL_MODULES: [&str; 2] = ["_virtualenv.py", "sitecustomize.py"];

/// Returns the libraries in `site-packages` and `lib`, and the Python modules in `site-packages`, that no package owns.
/// Checks `lib` only if a conda package owns libraries there.
pub(super) fn find(tree: &Tree, files: &Ownership, binaries: &Binaries, installed: &Installed) -> Vec<Unowned> {
    let site_packages = &installed.site_packages;
    let inside = format!("{site_packages}/");
    let known_lib = files
        .claims
        .keys()
        .any(|path| path.starts_with("lib/") && !path.starts_with(&inside) && is_library(path));
    let mut legacy = legacy_names(tree, &inside);
    legacy.extend(half_removed(tree, &inside, &installed.remains));
    let counts = |path: &str| match path.strip_prefix(&inside) {
        Some(below) => {
            let top = below.split(['/', '.']).next().unwrap_or(below);
            let python = extension(below) == "py" && !TOOL_MODULES.contains(&below);
            (is_library(path) || python) && !legacy.iter().any(|name| name == top)
        }
        None => known_lib && path.starts_with("lib/") && is_library(path),
    };
    tree.iter()
        // Older tools added links to libraries of other packages.
        .filter(|(path, entry)| !entry.link && counts(path) && !files.claims.contains_key(*path))
        .map(|(path, _)| {
            let soname = path.rsplit('/').next().unwrap_or(path);
            Unowned {
                path: path.to_owned(),
                library: is_library(path),
                loaded_by: binaries.find_user_of(path, soname).map(ToOwned::to_owned),
            }
        })
        .collect()
}

/// Returns the top-level names of leftover distributions. They still own their files.
fn half_removed(tree: &Tree, inside: &str, remains: &[Leftover]) -> Vec<String> {
    let names = |remains: &Leftover| {
        let read = |file: &str| {
            input::read_text(
                &tree.path(&format!("{inside}{}/{file}", remains.folder)),
                Input::FileList,
            )
        };
        let listed = read("RECORD").or_else(|_| read("top_level.txt")).unwrap_or_default();
        let mut names: Vec<String> = listed
            .lines()
            .filter_map(|line| Some(line.split(['/', '.', ',']).next()?.trim_matches('"').to_owned()))
            .collect();
        // Includes `numpy.libs`. Folders that pip renamed start with `~`.
        names.extend(remains.folder.split(['-', '.']).next().map(ToOwned::to_owned));
        if let Some(rest) = remains.folder.strip_prefix('~') {
            let rest = rest.split(['-', '.']).next().unwrap_or(rest).to_owned();
            let is_it = |top: &&str| top.get(1..) == Some(rest.as_str());
            let tops = tree
                .iter()
                .filter_map(|(path, _)| path.strip_prefix(inside)?.split(['/', '.']).next());
            names.extend(
                tops.filter(is_it)
                    .map(ToOwned::to_owned)
                    .collect::<std::collections::BTreeSet<_>>(),
            );
        }
        names
    };
    remains.iter().flat_map(names).filter(|name| !name.is_empty()).collect()
}

/// Returns the top-level names of `.egg-info` distributions, which have no record with hashes.
fn legacy_names(tree: &Tree, inside: &str) -> Vec<String> {
    let listed = tree
        .iter()
        .filter(|(path, _)| path.starts_with(inside) && path.ends_with(".egg-info/top_level.txt"))
        .filter_map(|(path, _)| input::read_text(&tree.path(path), Input::Metadata).ok());
    listed
        .flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
        .collect()
}
