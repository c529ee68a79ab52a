//! Libraries that variables of this shell put before an environment's own.
//!
//! What a folder of `LD_LIBRARY_PATH` holds matters only if something of the environment asks for a library of that name,
//! and only if the loader takes it: `DT_RPATH` and what is loaded already come first. So names are compared, and then a trial
//! run with the variable and one without tell what is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::trial::Trial;
use crate::{binary::Dynamic, context::Context, doctor::patient::Patient, files::layout, process::Variables};

/// Variables by which a shell hands libraries to every program.
const SEARCHED: &[&str] = if cfg!(target_os = "macos") {
    &["DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"]
} else {
    &["LD_LIBRARY_PATH"]
};
const PRELOADED: &str = if cfg!(target_os = "macos") {
    "DYLD_INSERT_LIBRARIES"
} else {
    "LD_PRELOAD"
};

/// Packages whose import loads what matters, and the module that does.
const TELLING: [(&str, &str); 7] = [
    ("torch", "torch"),
    ("onnxruntime", "onnxruntime"),
    ("cv2", "cv2"),
    ("numpy", "numpy"),
    ("PySide6", "PySide6.QtWidgets"),
    ("PyQt6", "PyQt6.QtWidgets"),
    ("PyQt5", "PyQt5.QtWidgets"),
];

/// Opened by ONNX Runtime when a program asks for CUDA, and the trial that does the same.
const CUDA_PROVIDER: &str = "onnxruntime/capi/libonnxruntime_providers_cuda.so";
const LOAD_CUDA_PROVIDER: &str = "load onnxruntime's CUDA provider";

/// How many modules a trial imports at most.
const TRIED: usize = 10;

/// A library of another program that has the name of one that the environment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namesake {
    /// The variable that brings it.
    pub(crate) variable: &'static str,
    /// Where it lies.
    pub(crate) file: PathBuf,
    /// Its name for the loader.
    pub(crate) name: String,
    /// The environment's own; absent where the system's is meant.
    pub(crate) ours: Option<PathBuf>,
    /// Files of the environment that ask for it.
    pub(crate) asked_by: Vec<PathBuf>,
    /// A process of the environment really had it loaded.
    pub(crate) taken: bool,
}

/// What the library variables of this shell do to an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Injection {
    /// The libraries with a name that counts.
    pub(crate) namesakes: Vec<Namesake>,
    /// What ends badly with the variables and well without.
    pub(crate) broken: Vec<(String, String)>,
}

/// Look at the variables, and try what they may do.
pub(super) async fn look(ctx: &Context, patient: &Patient) -> std::io::Result<Injection> {
    let variables = &whole(&ctx.settings.variables, &ctx.settings.cwd);
    let brought = brought(variables, &patient.prefix);
    if brought.is_empty() {
        return Ok(Injection::default());
    }
    let wanted = {
        let (prefix, python) = (patient.prefix.clone(), patient.python());
        // Thousands of files are opened.
        tokio::task::spawn_blocking(move || Wanted::read(&prefix, &python))
            .await
            .map_err(std::io::Error::other)?
    };
    let mut namesakes = wanted.namesakes(brought);
    if namesakes.is_empty() {
        return Ok(Injection::default());
    }
    let statements = wanted.statements(&namesakes);
    let with: Vec<(&str, Option<OsString>)> = SEARCHED
        .iter()
        .chain([&PRELOADED])
        .filter_map(|name| Some((*name, Some(variables.get(name)?.to_owned()))))
        .collect();
    let (with, without) = tokio::try_join!(
        Trial::run(ctx, patient, &statements, &with),
        Trial::run(ctx, patient, &statements, &[])
    )?;
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for namesake in &mut namesakes {
        let file = real(&namesake.file);
        namesake.taken = with.mapped.contains(&file) && !without.mapped.contains(&file);
    }
    Ok(Injection {
        broken: with.broken_beside(&without),
        namesakes,
    })
}

/// The variables with their folders as the loader takes them: an empty one is where the shell is, and a trial runs elsewhere.
fn whole(variables: &Variables, cwd: &Path) -> Variables {
    let searched = SEARCHED.iter().filter_map(|name| {
        let folders = std::env::split_paths(variables.get(name)?).map(|folder| cwd.join(folder));
        // A folder with the separator in its name cannot be told from two.
        Some((*name, std::env::join_paths(folders).ok()?))
    });
    let preloaded = variables.get(PRELOADED).map(|value| (PRELOADED, value.to_owned()));
    Variables::from_pairs(searched.chain(preloaded))
}

/// A library that a variable brings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Brought {
    variable: &'static str,
    file: PathBuf,
    name: String,
}

/// What the variables bring from outside of the prefix, the first of each name.
fn brought(variables: &Variables, prefix: &Path) -> Vec<Brought> {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let inside = real(prefix);
    let mut brought = Vec::new();
    for entry in words(variables, PRELOADED, &[':', ' ', ';']) {
        let file = PathBuf::from(&entry);
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // One without a folder is looked for like any other, and its own name is what counts.
        if file.is_file() && !real(&file).starts_with(&inside) {
            let soname = Dynamic::read(&file).ok().and_then(|dynamic| dynamic.soname);
            brought.push(Brought {
                variable: PRELOADED,
                name: soname.unwrap_or_else(|| name.to_owned()),
                file,
            });
        }
    }
    for variable in SEARCHED {
        for folder in words(variables, variable, &[':', ';']) {
            let folder = PathBuf::from(folder);
            if real(&folder).starts_with(&inside) {
                continue;
            }
            let entries = fs_err::read_dir(&folder).into_iter().flatten().flatten();
            let mut names: Vec<String> = entries
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| is_library(name))
                .collect();
            names.sort();
            brought.extend(names.into_iter().map(|name| Brought {
                variable,
                file: folder.join(&name),
                name,
            }));
        }
    }
    let mut seen = BTreeSet::new();
    brought.retain(|one| seen.insert(one.name.clone()));
    brought
}

fn words(variables: &Variables, name: &str, separators: &[char]) -> Vec<String> {
    let text = variables.text(name).unwrap_or_default();
    let words = text.split(separators).filter(|word| !word.is_empty());
    words.map(ToOwned::to_owned).collect()
}

fn is_library(name: &str) -> bool {
    let elsewhere = Path::new(name).extension().is_some_and(|ending| ending == "dylib");
    let linux = name.contains(".so.") || Path::new(name).extension().is_some_and(|ending| ending == "so");
    if cfg!(target_os = "macos") { elsewhere } else { linux }
}

/// What an environment's files ask for, and what they bring.
#[derive(Debug, Default)]
struct Wanted {
    site_packages: Option<PathBuf>,
    /// Who asks for a name.
    asked: BTreeMap<String, Vec<PathBuf>>,
    /// Who has it.
    owned: BTreeMap<String, PathBuf>,
}

impl Wanted {
    fn read(prefix: &Path, python: &Path) -> Self {
        let site_packages = layout::site_packages_of(prefix);
        let mut files = vec![fs_err::canonicalize(python).unwrap_or_else(|_| python.to_owned())];
        list(&prefix.join("lib"), 0, &mut files);
        if let Some(site_packages) = &site_packages {
            list(site_packages, 8, &mut files);
            let standard = site_packages.with_file_name("lib-dynload");
            list(&standard, 0, &mut files);
            // An environment that stands on another Python has its standard library there.
            let minor = site_packages.parent().and_then(Path::file_name).unwrap_or_default();
            if let Some(base) = base_of(prefix) {
                list(&base.join("lib").join(minor).join("lib-dynload"), 0, &mut files);
            }
        }
        let read: Vec<(PathBuf, Option<Dynamic>)> = files
            .into_par_iter()
            .map(|file| {
                let dynamic = Dynamic::read(&file).ok();
                (file, dynamic)
            })
            .collect();
        let mut wanted = Self {
            site_packages,
            ..Self::default()
        };
        for (file, dynamic) in read {
            if let Some(name) = file.file_name().and_then(|name| name.to_str())
                && file.starts_with(prefix)
            {
                let soname = dynamic.as_ref().and_then(|dynamic| dynamic.soname.clone());
                wanted.owned.entry(name.to_owned()).or_insert_with(|| file.clone());
                if let Some(soname) = soname {
                    wanted.owned.entry(soname).or_insert_with(|| file.clone());
                }
            }
            for needed in dynamic.map(|dynamic| dynamic.needed).unwrap_or_default() {
                wanted.asked.entry(needed).or_default().push(file.clone());
            }
        }
        wanted
    }

    fn namesakes(&self, brought: Vec<Brought>) -> Vec<Namesake> {
        let counts = |one: &Brought| self.asked.contains_key(&one.name) || self.owned.contains_key(&one.name);
        brought
            .into_iter()
            .filter(counts)
            .map(|one| Namesake {
                variable: one.variable,
                ours: self.owned.get(&one.name).cloned(),
                asked_by: self.asked.get(&one.name).cloned().unwrap_or_default(),
                file: one.file,
                name: one.name,
                taken: false,
            })
            .collect()
    }

    /// Imports that load what asks for the namesakes.
    fn statements(&self, namesakes: &[Namesake]) -> Vec<String> {
        let here = |package: &str| {
            let folder = self.site_packages.as_ref().map(|folder| folder.join(package));
            folder.is_some_and(|folder| folder.is_dir())
        };
        let asking: BTreeSet<String> = namesakes
            .iter()
            .flat_map(|namesake| namesake.asked_by.iter().chain(&namesake.ours))
            .filter_map(|file| self.module_of(file))
            .collect();
        let mut modules: Vec<String> = TELLING
            .iter()
            .filter(|(package, _)| here(package))
            // What lies in a folder of its own, such as NVIDIA's, is loaded by these.
            .filter(|(package, _)| asking.contains(*package) || asking.contains("nvidia"))
            .map(|(_, module)| (*module).to_owned())
            .collect();
        let others = asking
            .into_iter()
            .filter(|name| !TELLING.iter().any(|(package, _)| package == name) && name != "nvidia");
        modules.extend(others);
        modules.truncate(TRIED);
        let mut statements: Vec<String> = modules.iter().map(|module| format!("import {module}")).collect();
        let has_provider = self
            .site_packages
            .as_ref()
            .is_some_and(|site| site.join(CUDA_PROVIDER).is_file());
        if has_provider && modules.iter().any(|module| module == "onnxruntime") {
            statements.push(LOAD_CUDA_PROVIDER.to_owned());
        }
        statements
    }

    /// The module whose import loads a file.
    fn module_of(&self, file: &Path) -> Option<String> {
        let name_of = |part: &std::ffi::OsStr| part.to_str()?.split('.').next().map(ToOwned::to_owned);
        let module = match self
            .site_packages
            .as_ref()
            .and_then(|site| file.strip_prefix(site).ok())
        {
            Some(below) => name_of(below.components().next()?.as_os_str())?,
            None if file.parent().is_some_and(|folder| folder.ends_with("lib-dynload")) => name_of(file.file_name()?)?,
            None => return None,
        };
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        // `numpy.libs` is numpy's; `_test` modules of the standard library are nobody's.
        let importable =
            module.chars().all(is_word) && !module.starts_with("_test") && !module.starts_with("_ctypes_test");
        importable.then_some(module)
    }
}

/// The Python that a virtual environment stands on.
fn base_of(prefix: &Path) -> Option<PathBuf> {
    let home = layout::of_virtual_environment(prefix, &["home"])?;
    Path::new(&home).parent().map(Path::to_owned)
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if depth > 0 {
                list(&entry.path(), depth - 1, files);
            }
        } else if entry.file_name().to_str().is_some_and(is_library) {
            files.push(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_count_from_where_the_shell_is() {
        let said = Variables::from_pairs([
            ("LD_LIBRARY_PATH", "/opt/lib::libs"),
            ("LD_PRELOAD", "libx.so"),
            ("HOME", "/h"),
        ]);
        let whole = whole(&said, Path::new("/work"));
        if cfg!(target_os = "linux") {
            assert_eq!(whole.text("LD_LIBRARY_PATH"), Some("/opt/lib:/work/:/work/libs"));
            assert_eq!((whole.text("LD_PRELOAD"), whole.text("HOME")), (Some("libx.so"), None));
        }
    }

    #[test]
    fn only_names_that_something_asks_for_count() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["libz.so.1", "libother.so.2", "readme.txt"] {
            fs_err::write(folder.path().join(name), "").expect("written");
        }
        let path = format!(":{}:/nowhere", folder.path().display());
        let variables = Variables::from_pairs([("LD_LIBRARY_PATH", path.as_str()), ("LD_PRELOAD", "libnot-there.so")]);
        let brought = brought(&variables, Path::new("/e"));
        if cfg!(target_os = "linux") {
            assert_eq!(brought.len(), 2);
        }
        let site = PathBuf::from("/e/lib/python3.13/site-packages");
        let asked = BTreeMap::from([(
            "libz.so.1".to_owned(),
            vec![
                site.join("numpy/core.so"),
                "/usr/lib/python3.13/lib-dynload/zlib.cpython-313.so".into(),
            ],
        )]);
        let wanted = Wanted {
            site_packages: Some(site),
            asked,
            owned: BTreeMap::new(),
        };
        let namesakes = wanted.namesakes(brought);
        if cfg!(target_os = "linux") {
            assert_eq!(namesakes.len(), 1);
            assert_eq!(
                wanted.statements(&namesakes),
                ["import zlib"],
                "numpy itself is not there"
            );
        }
    }

    #[test]
    fn a_library_of_the_environment_itself_is_no_namesake() {
        let prefix = tempfile::tempdir().expect("a folder");
        let lib = prefix.path().join("lib");
        fs_err::create_dir(&lib).expect("made");
        fs_err::write(lib.join("libz.so.1"), "").expect("written");
        let variables = Variables::from_pairs([("LD_LIBRARY_PATH", lib.display().to_string())]);
        assert_eq!(brought(&variables, prefix.path()), []);
    }
}
