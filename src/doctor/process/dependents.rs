//! What else of an environment takes a module: an old numpy may import well, and scipy not with it.

use std::collections::BTreeSet;

use crate::audit::{Distribution, Installed};

/// How many are tried: some take seconds to import.
const TRIED: usize = 6;

/// Those whose compiled parts were built against what they need, the quickest to import first.
const TELLING: [&str; 10] = [
    "numpy",
    "pandas",
    "scipy",
    "cv2",
    "h5py",
    "matplotlib",
    "onnxruntime",
    "skimage",
    "sklearn",
    "torch",
];

/// A module of the environment that needs one that is found elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependent {
    /// Its name.
    pub(super) module: String,
    /// The module that it needs.
    pub(super) needs: String,
}

/// A few modules of the distributions that require those which brought `modules`.
pub(super) fn dependents(installed: &Installed, modules: &[&str]) -> Vec<Dependent> {
    let all: Vec<(&Distribution, BTreeSet<String>)> = installed
        .distributions
        .iter()
        .map(|one| (one, own_modules(installed, one)))
        .collect();
    let mut found: Vec<(Dependent, bool)> = Vec::new();
    for module in modules {
        // Python's own modules are nobody's distribution, and anybody may take them: those that tell are asked.
        let needed = all
            .iter()
            .find(|(_, own)| own.contains(*module))
            .map(|(needed, _)| needed);
        for (one, own) in &all {
            let requires = |needed: &Distribution| {
                one.requires.iter().any(|requirement| {
                    requirement.name == needed.name && requirement.evaluate_markers(&installed.markers, &[])
                })
            };
            let takes = |main: &&String| match needed {
                Some(needed) => requires(needed),
                None => one.requested || TELLING.contains(&main.as_str()),
            };
            let Some(main) = main_module(one, own).filter(takes) else {
                continue;
            };
            if !modules.contains(&main.as_str()) && !found.iter().any(|(other, _)| other.module == *main) {
                let (module, needs) = (main.clone(), (*module).to_owned());
                found.push((Dependent { module, needs }, one.requested));
            }
        }
    }
    found.sort_by_key(|(one, requested)| {
        let place = TELLING.iter().position(|name| *name == one.module);
        (place.unwrap_or(TELLING.len()), !requested, one.module.clone())
    });
    found.into_iter().map(|(one, _)| one).take(TRIED).collect()
}

/// The module by which programs take a distribution: the one of its name, or else its first.
fn main_module<'a>(distribution: &Distribution, own: &'a BTreeSet<String>) -> Option<&'a String> {
    let of_its_name = distribution.name.as_ref().replace('-', "_");
    let is_its = |module: &&String| module.to_lowercase() == of_its_name;
    own.iter().find(is_its).or(own.first())
}

/// The modules that a distribution brought, without those that are nobody's business.
fn own_modules(installed: &Installed, distribution: &Distribution) -> BTreeSet<String> {
    let below = format!("{}/", installed.site_packages);
    let files = distribution.files.as_deref().unwrap_or_default().iter();
    let modules = files.filter_map(|file| {
        let path = file.path.strip_prefix(&below)?;
        let (top, within) = path
            .split_once('/')
            .map_or((path, None), |(top, rest)| (top, Some(rest)));
        let name = match within {
            Some("__init__.py") => top,
            None if [".py", ".so", ".pyd"].iter().any(|ending| top.ends_with(ending)) => top.split('.').next()?,
            Some(_) | None => return None,
        };
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let counts = name.chars().all(is_word) && !name.starts_with('_') && !name.starts_with("test");
        counts.then(|| name.to_owned())
    });
    modules.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::made::Prefix;

    #[test]
    fn those_that_need_a_module_are_named_by_what_is_imported() {
        let prefix = Prefix::new();
        prefix.wheel(
            "numpy",
            "2.4.6",
            &[("numpy/__init__.py", b""), ("numpy.libs/libx.so", b"")],
        );
        let needs = "Requires-Dist: numpy>=2\n";
        let wheel = |name: &str, module: &str, needs: &str| {
            prefix.wheel_that(name, "1.0", needs, "py3-none-any", &[(module, b"")]);
        };
        wheel("opencv_python_headless", "cv2/__init__.py", needs);
        wheel("a_small_one", "small.py", needs);
        wheel("a_wanted_one", "wanted.cpython-313-x86_64-linux-gnu.so", needs);
        prefix.write(
            &format!("{}/a_wanted_one-1.0.dist-info/REQUESTED", crate::audit::made::SITE),
            "",
        );
        wheel("scipy", "scipy/__init__.py", needs);
        wheel("another", "another.py", "");
        wheel(
            "windows",
            "windows.py",
            "Requires-Dist: numpy; sys_platform == 'none'\n",
        );
        let installed = Installed::read(prefix.path()).expect("read");
        let found = dependents(&installed, &["numpy", "random"]);
        let modules: Vec<&str> = found.iter().map(|one| one.module.as_str()).collect();
        assert_eq!(modules, ["scipy", "cv2", "wanted", "small"]);
        assert!(found.iter().all(|one| one.needs == "numpy"));
        assert_eq!(dependents(&installed, &["scipy"]), []);
        let found = dependents(&installed, &["random"]);
        let modules: Vec<&str> = found.iter().map(|one| one.module.as_str()).collect();
        assert_eq!(
            modules,
            ["numpy", "scipy", "cv2", "wanted"],
            "Python's own random is everybody's"
        );
    }
}
