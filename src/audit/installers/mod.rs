//! What to type for packages that pip, uv or conda installed: the remedies of an environment that matenv did not make.
//!
//! In: an [`Inventory`]. Out: commands to paste, joined by `&&`. Absent on purpose: running them; such an environment is never
//! changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pep508_rs::{MarkerTree, Requirement, VerbatimUrl};

use crate::{
    audit::{Distribution, Inventory, Owner},
    context::sources::{SourceName, Sources},
    files::layout,
    names::Backend,
    process::posix_quoted,
};

/// Those who installed what matenv did not, and how they are spoken to.
pub(crate) struct Installers<'a> {
    inventory: &'a Inventory,
    prefix: String,
    python: String,
    has_pip: bool,
}

/// How `install` treats what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treats {
    /// It stays as long as it fits.
    Fitting,
    /// It is put there again, and what it requires is left alone.
    Anew,
}

impl<'a> Installers<'a> {
    /// Those of a prefix.
    pub(crate) fn of(inventory: &'a Inventory) -> Self {
        let prefix = inventory.tree.prefix();
        Self {
            inventory,
            python: layout::python(prefix).display().to_string(),
            prefix: prefix.display().to_string(),
            has_pip: inventory.get("pip").is_some(),
        }
    }

    /// Commands, and an environment beside this one that does not need them.
    pub(crate) fn or_beside(&self, commands: &str) -> String {
        match (&self.inventory.env, commands) {
            (Some(env), "") => format!("a proven one beside it: matenv install {env}"),
            (Some(env), _) => format!("{commands}   or, a proven one beside it: matenv install {env}"),
            (None, "") => "install what is wrong again with what made this environment".to_owned(),
            (None, _) => commands.to_owned(),
        }
    }

    /// The package that brought a distribution.
    pub(crate) fn owner_of(&self, distribution: &Distribution) -> Owner {
        let files = &self.inventory.files;
        files.conda_owner(distribution).cloned().unwrap_or_else(|| Owner {
            name: distribution.name.to_string(),
            version: distribution.version.to_string(),
            conda: false,
            files: 0,
        })
    }

    /// Put packages there again in the versions that are there.
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

    /// Put packages there in a release that this machine can load, the same or an older one.
    pub(crate) fn at_most<'o>(&self, owners: impl IntoIterator<Item = &'o Owner>) -> String {
        let (conda, wheels): (Vec<&Owner>, Vec<&Owner>) = owners.into_iter().partition(|owner| owner.conda);
        let spec = |owner: &&Owner| quoted(&format!("{}<={}", owner.name, without_local(&owner.version)));
        let wheels: Vec<String> = wheels.iter().map(spec).collect();
        let conda: Vec<String> = conda.iter().map(spec).collect();
        let of_conda = (!conda.is_empty()).then(|| self.conda("install", "", &conda));
        let of_pip = (!wheels.is_empty()).then(|| self.install_with(&wheels, Treats::Anew, None));
        then(of_conda.into_iter().chain(of_pip))
    }

    /// Take packages away.
    pub(crate) fn without<'o>(&self, owners: impl IntoIterator<Item = &'o Owner>) -> String {
        let names = |owners: &[&Owner]| owners.iter().map(|one| quoted(&one.name)).collect::<Vec<_>>();
        let (conda, wheels): (Vec<&Owner>, Vec<&Owner>) = owners.into_iter().partition(|owner| owner.conda);
        let of_pip =
            (!wheels.is_empty()).then(|| self.pip("uninstall", if self.has_pip { "-y" } else { "" }, &names(&wheels)));
        let of_conda = (!conda.is_empty()).then(|| self.conda("remove", "--force", &names(&conda)));
        then(of_pip.into_iter().chain(of_conda))
    }

    /// Leave one of several packages that overwrote each other: whichever goes takes files of the others along.
    pub(crate) fn only<'o>(&self, kept: &'o Owner, all: impl IntoIterator<Item = &'o Owner>) -> String {
        then([self.without(all), self.again([kept])])
    }

    /// Install what answers requirements, with what that requires. What conda brought, conda changes, by the names that it has
    /// for it, and without extras, which it does not know.
    pub(crate) fn answer(&self, requirements: &[String], index: Option<&str>) -> String {
        let (mut conda, mut wheels) = (Vec::new(), Vec::new());
        for requirement in requirements {
            let is_of_name = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
            let (name, rest) = requirement.split_at(
                requirement
                    .find(|letter| !is_of_name(letter))
                    .unwrap_or(requirement.len()),
            );
            let brought = self
                .inventory
                .get(name)
                .and_then(|there| self.inventory.files.conda_owner(there));
            match brought {
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

    /// Put exactly these wheels there, and nothing that they require.
    pub(crate) fn exactly(&self, requirements: &[String], index: Option<&str>) -> String {
        let words: Vec<String> = requirements.iter().map(|one| quoted(one)).collect();
        self.install_with(&words, Treats::Anew, index)
    }

    /// Let conda bring a package that goes with one that stays.
    pub(crate) fn beside(&self, stays: &Owner, package: &str) -> String {
        let stays = quoted(&format!("{}={}", stays.name, stays.version));
        self.conda("install", "", &[stays, package.to_owned()])
    }

    /// Let conda bring newer releases.
    pub(crate) fn newer(&self, name: &str) -> String {
        self.conda("update", "", &[name.to_owned()])
    }

    /// The one of several packages that stays: what most others require, or else whose files of `shared` are there.
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

    /// These packages and those that need them, but for those that need `kept` as well.
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

    /// The distributions that need one, through others too.
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

    /// A wheel as it is installed, as an argument.
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
        let words = words([command, options, &arguments.join(" ")]);
        if self.has_pip {
            format!("{python} -m pip {words}")
        } else {
            format!("uv pip {words} --python {python}")
        }
    }

    fn conda(&self, command: &str, options: &str, arguments: &[String]) -> String {
        let prefix = format!("--prefix {}", path(&self.prefix));
        words(["conda", command, &prefix, options, &arguments.join(" ")])
    }
}

/// The index of wheels whose version says for which build of torch they are; those without come from PyPI.
pub(crate) fn torch_index(version: &str) -> Option<String> {
    let backend: Backend = version.split_once('+')?.1.parse().ok()?;
    Sources::new(Vec::new(), None).default_url(SourceName::Torch, &backend)
}

/// A version without what comes after `+`.
pub(crate) fn without_local(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

/// A requirement without the markers, which hold here.
pub(crate) fn wanted(requirement: &Requirement<VerbatimUrl>) -> String {
    let mut bare = requirement.clone();
    bare.marker = MarkerTree::TRUE;
    bare.to_string()
}

/// Commands of which each comes after the one before has done its work.
pub(crate) fn then(commands: impl IntoIterator<Item = String>) -> String {
    let commands: Vec<String> = commands.into_iter().filter(|command| !command.is_empty()).collect();
    commands.join(" && ")
}

/// Delete a file, or a folder with all that is in it.
pub(crate) fn delete(file: &Path) -> String {
    let command = match (cfg!(windows), file.is_dir()) {
        (true, true) => "rmdir /s /q",
        (true, false) => "del",
        (false, true) => "rm -r",
        (false, false) => "rm",
    };
    format!("{command} {}", path(&file.display().to_string()))
}

/// Give a file a name that nobody asks for.
pub(crate) fn aside(file: &Path) -> String {
    let command = if cfg!(windows) { "move" } else { "mv" };
    let file = file.display();
    format!(
        "{command} {} {}",
        path(&file.to_string()),
        path(&format!("{file}.aside"))
    )
}

fn words<const N: usize>(words: [&str; N]) -> String {
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A word for any shell: `"numpy>=2,<3"`.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.=".contains(letter);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        path(word)
    }
}

/// A word in quotes. What another program wrote, or somebody called a folder, may hold anything.
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
