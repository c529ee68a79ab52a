//! Modules of an environment that depend on a shadowed module. An old numpy may import without an error, but scipy then
//! fails.

use std::collections::BTreeSet;

use crate::audit::{Distribution, Installed};

/// The maximum number of modules to import: some take seconds.
const TRIED: usize = 6;

/// Modules with compiled code that was built against their dependencies, the fastest import first.
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

/// A module of the environment that needs a shadowed module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependent {
    /// The name of the module.
    pub(super) module: String,
    /// The shadowed module.
    pub(super) needs: String,
}

/// Returns a few modules of the distributions that require the owners of `modules`.
pub(super) fn dependents(installed: &Installed, modules: &[&str]) -> Vec<Dependent> {
    let all: Vec<(&Distribution, BTreeSet<String>)> = installed
        .distributions
        .iter()
        .map(|one| (one, own_modules(installed, one)))
        .collect();
    let mut found: Vec<(Dependent, bool)> = Vec::new();
    for module in modules {
        // Modules of the standard library have no distribution, and any module may import them: test the `TELLING`
        // ones.
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

/// Returns the module that programs import: the one with the distribution's name, or else the first one.
fn main_module<'a>(distribution: &Distribution, own: &'a BTreeSet<String>) -> Option<&'a String> {
    let of_its_name = distribution.name.as_ref().replace('-', "_");
    let is_its = |module: &&String| module.to_lowercase() == of_its_name;
    own.iter().find(is_its).or(own.first())
}

/// Returns the public modules of a distribution, without tests.
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
    use crate::audit::fixtures::Prefix;

    #[test]
    fn dependents_are_named_by_their_modules() {
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
            &format!("{}/a_wanted_one-1.0.dist-info/REQUESTED", crate::audit::fixtures::SITE),
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
            "any module may import `random` of the standard library"
        );
    }
}
