//! Commands for packages that pip, uv or conda installed: the remedies for foreign prefixes.
//!
//! Input: an [`Inventory`]. Output: commands to paste, joined by `&&`. This module does not run them:
//! matenv never changes a foreign prefix.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pep508_rs::MarkerTree;

use crate::{
    audit::{Distribution, Inventory, Owner},
    context::sources::{SourceName, Sources},
    files::layout,
    names::{Backend, requirement::Requirement},
    process::posix_quoted,
};

/// The package managers of a foreign prefix, and how to call them.
pub(crate) struct Installers<'a> {
    inventory: &'a Inventory,
    prefix: String,
    python: String,
    has_pip: bool,
}

/// How `install` treats installed packages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treats {
    /// Keep a package that satisfies the requirement.
    Fitting,
    /// Reinstall the package without its dependencies.
    Anew,
}

impl<'a> Installers<'a> {
    /// Returns the package managers of a prefix.
    pub(crate) fn from_inventory(inventory: &'a Inventory) -> Self {
        let prefix = inventory.tree.prefix();
        Self {
            inventory,
            python: layout::python(prefix).display().to_string(),
            prefix: prefix.display().to_string(),
            has_pip: inventory.get("pip").is_some(),
        }
    }

    /// Adds to `commands` the alternative of a new environment, if a manifest matches.
    pub(crate) fn or_beside(&self, commands: &str) -> String {
        match (&self.inventory.env, commands) {
            (Some(env), "") => format!("install a proven environment next to it: matenv install {env}"),
            (Some(env), _) => format!("{commands}   or install a proven environment next to it: matenv install {env}"),
            (None, "") => "reinstall the affected packages with the tool that created this environment".to_owned(),
            (None, _) => commands.to_owned(),
        }
    }

    /// Returns the package that installed a distribution.
    pub(crate) fn owner_of(&self, distribution: &Distribution) -> Owner {
        let files = &self.inventory.files;
        files.conda_owner(distribution).cloned().unwrap_or_else(|| Owner {
            name: distribution.name.to_string(),
            version: distribution.version.to_string(),
            conda: false,
            files: 0,
        })
    }

    /// Reinstalls packages in their installed versions.
    pub(crate) fn again<'o>(&self, owners: impl IntoIterator<Item = &'o Owner>) -> String {
        let (conda, wheels): (Vec<&Owner>, Vec<&Owner>) = owners.into_iter().partition(|owner| owner.conda);
        let mut of_index: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        for owner in wheels {
            let index = torch_index(&owner.version);
            of_index.entry(index).or_default().push(self.as_it_is(owner));
        }
        let wheels = of_index
            .iter()
            .map(|(index, arguments)| self.install_with(arguments, Treats::Anew, index.as_deref()));
        let specs: Vec<String> = conda
            .iter()
            .map(|one| quoted(&format!("{}={}", one.name, one.version)))
            .collect();
        let conda = (!specs.is_empty()).then(|| self.conda("install", "--force-reinstall", &specs));
        then(conda.into_iter().chain(wheels))
    }

    /// Installs packages in a release that this machine can load: the same one or an older one.
    pub(crate) fn at_most<'o>(&self, owners: impl IntoIterator<Item = &'o Owner>) -> String {
        let (conda, wheels): (Vec<&Owner>, Vec<&Owner>) = owners.into_iter().partition(|owner| owner.conda);
        let spec = |owner: &&Owner| quoted(&format!("{}<={}", owner.name, without_local(&owner.version)));
        let wheels: Vec<String> = wheels.iter().map(spec).collect();
        let conda: Vec<String> = conda.iter().map(spec).collect();
        let of_conda = (!conda.is_empty()).then(|| self.conda("install", "", &conda));
        let of_pip = (!wheels.is_empty()).then(|| self.install_with(&wheels, Treats::Anew, None));
        then(of_conda.into_iter().chain(of_pip))
    }

    /// Uninstalls packages.
    pub(crate) fn without<'o>(&self, owners: impl IntoIterator<Item = &'o Owner>) -> String {
        let names = |owners: &[&Owner]| owners.iter().map(|one| quoted(&one.name)).collect::<Vec<_>>();
        let (conda, wheels): (Vec<&Owner>, Vec<&Owner>) = owners.into_iter().partition(|owner| owner.conda);
        let of_pip =
            (!wheels.is_empty()).then(|| self.pip("uninstall", if self.has_pip { "-y" } else { "" }, &names(&wheels)));
        let of_conda = (!conda.is_empty()).then(|| self.conda("remove", "--force", &names(&conda)));
        then(of_pip.into_iter().chain(of_conda))
    }

    /// Keeps one of several packages that overwrote each other. It is reinstalled, because uninstalling the others also
    /// removes its files.
    pub(crate) fn only<'o>(&self, kept: &'o Owner, all: impl IntoIterator<Item = &'o Owner>) -> String {
        then([self.without(all), self.again([kept])])
    }

    /// Installs packages that satisfy requirements, with their dependencies. Packages from conda are changed by
    /// conda, under their conda names and without extras, which conda does not have.
    pub(crate) fn answer(&self, requirements: &[String], index: Option<&str>) -> String {
        let (mut conda, mut wheels) = (Vec::new(), Vec::new());
        for requirement in requirements {
            let is_of_name = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
            let (name, rest) = requirement.split_at(
                requirement
                    .find(|letter| !is_of_name(letter))
                    .unwrap_or(requirement.len()),
            );
            let conda_owner = self
                .inventory
                .get(name)
                .and_then(|there| self.inventory.files.conda_owner(there));
            match conda_owner {
                Some(owner) => {
                    let bounds = rest.split_once(']').map_or(rest, |(_, bounds)| bounds);
                    conda.push(quoted(&format!("{}{bounds}", owner.name)));
                }
                None => wheels.push(quoted(requirement)),
            }
        }
        let of_conda = (!conda.is_empty()).then(|| self.conda("install", "", &conda));
        let of_pip = (!wheels.is_empty()).then(|| self.install_with(&wheels, Treats::Fitting, index));
        then(of_conda.into_iter().chain(of_pip))
    }

    /// Installs exactly these wheels, without their dependencies.
    pub(crate) fn exactly(&self, requirements: &[String], index: Option<&str>) -> String {
        let words: Vec<String> = requirements.iter().map(|one| quoted(one)).collect();
        self.install_with(&words, Treats::Anew, index)
    }

    /// Lets conda install a package that fits an installed one, which keeps its version.
    pub(crate) fn beside(&self, stays: &Owner, package: &str) -> String {
        let stays = quoted(&format!("{}={}", stays.name, stays.version));
        self.conda("install", "", &[stays, package.to_owned()])
    }

    /// Lets conda update a package.
    pub(crate) fn newer(&self, name: &str) -> String {
        self.conda("update", "", &[name.to_owned()])
    }

    /// Returns the package to keep: the one with the most dependents, or else the owner of most of the present `shared`
    /// files.
    pub(crate) fn kept<'o>(&self, owners: &[&'o Owner], shared: &[&str]) -> Option<&'o Owner> {
        let there = |owner: &Owner| {
            let claimed = shared.iter().filter(|path| {
                let size = self.inventory.tree.get(path).map(|entry| entry.size);
                self.inventory.files.claimed_size(path, owner) == size
            });
            claimed.count()
        };
        owners
            .iter()
            .copied()
            .max_by_key(|owner| (self.dependents(&owner.name).len(), there(owner)))
    }

    /// Returns these packages and their dependents, except dependents that also need `kept`.
    pub(crate) fn with_dependents(&self, owners: &[&Owner], kept: &Owner) -> Vec<Owner> {
        let left = self.dependents(&kept.name);
        let named: BTreeSet<&str> = owners.iter().map(|owner| owner.name.as_str()).collect();
        let needing: BTreeSet<&str> = owners.iter().flat_map(|owner| self.dependents(&owner.name)).collect();
        let needing = needing
            .difference(&left)
            .filter(|name| !named.contains(*name) && **name != kept.name);
        let needing = needing.filter_map(|name| Some(self.owner_of(self.inventory.get(name)?)));
        owners.iter().map(|owner| (*owner).clone()).chain(needing).collect()
    }

    /// Returns the direct and indirect dependents of a distribution.
    fn dependents(&self, name: &str) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut next = vec![name.to_owned()];
        while let Some(needed) = next.pop() {
            for one in &self.inventory.installed.distributions {
                let needs = one.requires.iter().any(|requirement| {
                    requirement.name.as_ref() == needed
                        && requirement.evaluate_markers(&self.inventory.installed.markers, &[])
                });
                if needs && found.insert(one.name.as_ref()) {
                    next.push(one.name.to_string());
                }
            }
        }
        found
    }

    /// Returns the argument that installs the same wheel again.
    fn as_it_is(&self, owner: &Owner) -> String {
        let distribution = self.inventory.get(&owner.name);
        match distribution.and_then(|distribution| distribution.origin.as_ref()) {
            Some(origin) if origin.is_editable() => format!("--editable {}", quoted(&origin.url())),
            Some(origin) => quoted(&format!("{} @ {}", owner.name, origin.url())),
            None => quoted(&format!("{}=={}", owner.name, owner.version)),
        }
    }

    fn install_with(&self, arguments: &[String], treats: Treats, index: Option<&str>) -> String {
        let again = if self.has_pip {
            "--force-reinstall --no-deps"
        } else {
            "--reinstall --no-deps"
        };
        let mut options: Vec<String> = Vec::new();
        options.extend((treats == Treats::Anew).then(|| again.to_owned()));
        options.extend(index.map(|index| format!("--index-url {index}")));
        self.pip("install", &options.join(" "), arguments)
    }

    fn pip(&self, command: &str, options: &str, arguments: &[String]) -> String {
        let python = path(&self.python);
        let words = joined([command, options, &arguments.join(" ")]);
        if self.has_pip {
            format!("{python} -m pip {words}")
        } else {
            format!("uv pip {words} --python {python}")
        }
    }

    fn conda(&self, command: &str, options: &str, arguments: &[String]) -> String {
        let prefix = format!("--prefix {}", path(&self.prefix));
        joined(["conda", command, &prefix, options, &arguments.join(" ")])
    }
}

/// Returns the index of a wheel whose version names a torch build; `None` for wheels from PyPI.
pub(crate) fn torch_index(version: &str) -> Option<String> {
    let backend: Backend = version.split_once('+')?.1.parse().ok()?;
    Sources::new(Vec::new(), None).default_url(SourceName::Torch, &backend)
}

/// Returns a version without the part after `+`.
pub(crate) fn without_local(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

/// Returns a requirement without its markers, which are already satisfied here.
pub(crate) fn wanted(requirement: &Requirement) -> String {
    let mut bare = requirement.clone();
    bare.marker = MarkerTree::TRUE;
    bare.to_string()
}

/// Joins commands so that each one runs only if the previous one succeeds.
pub(crate) fn then(commands: impl IntoIterator<Item = String>) -> String {
    let commands: Vec<String> = commands.into_iter().filter(|command| !command.is_empty()).collect();
    commands.join(" && ")
}

/// Returns the command that deletes a file or a folder with its contents.
pub(crate) fn delete(file: &Path) -> String {
    let command = match (cfg!(windows), file.is_dir()) {
        (true, true) => "rmdir /s /q",
        (true, false) => "del",
        (false, true) => "rm -r",
        (false, false) => "rm",
    };
    format!("{command} {}", path(&file.display().to_string()))
}

/// Returns the command that renames a file so that no program finds it.
pub(crate) fn aside(file: &Path) -> String {
    let command = if cfg!(windows) { "move" } else { "mv" };
    let file = file.display();
    format!(
        "{command} {} {}",
        path(&file.to_string()),
        path(&format!("{file}.aside"))
    )
}

fn joined<const N: usize>(words: [&str; N]) -> String {
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Quotes an argument for any shell if necessary: `"numpy>=2,<3"`.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.=".contains(letter);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        path(word)
    }
}

/// Quotes an argument. Folder names and texts of other programs may contain any character.
fn path(word: &str) -> String {
    let harmless = !word.contains(['"', '`', '$', '\\', '!']);
    if cfg!(windows) {
        format!("\"{}\"", word.replace('"', ""))
    } else if harmless {
        format!("\"{word}\"")
    } else {
        posix_quoted(word)
    }
}

#[cfg(test)]
mod tests;
