//! Libraries that variables of this shell put before the environment's own libraries.
//!
//! A library in a folder of `LD_LIBRARY_PATH` matters only if a file of the environment needs a library with that name,
//! and only if the loader chooses it: `DT_RPATH` and already loaded libraries come first. So names are compared first.
//! Then a trial run with the variable and one without it show the real effect.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::trial::Trial;
use crate::{binary::Dynamic, context::Context, doctor::examined::ExaminedPrefix, files::layout, process::Variables};

/// Variables that add library folders to every program.
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

/// Packages whose import loads important libraries, and the module to import.
const TELLING: [(&str, &str); 7] = [
    ("torch", "torch"),
    ("onnxruntime", "onnxruntime"),
    ("cv2", "cv2"),
    ("numpy", "numpy"),
    ("PySide6", "PySide6.QtWidgets"),
    ("PyQt6", "PyQt6.QtWidgets"),
    ("PyQt5", "PyQt5.QtWidgets"),
];

/// The library that ONNX Runtime opens when a program selects CUDA, and the trial that does the same.
const CUDA_PROVIDER: &str = "onnxruntime/capi/libonnxruntime_providers_cuda.so";
const LOAD_CUDA_PROVIDER: &str = "load onnxruntime's CUDA provider";

/// The maximum number of modules that a trial imports.
const TRIED: usize = 10;

/// A library from outside the prefix with the same name as a library that the environment needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namesake {
    /// The variable that adds it.
    pub(crate) variable: &'static str,
    /// The path of the library.
    pub(crate) file: PathBuf,
    /// The name that the loader uses.
    pub(crate) name: String,
    /// The environment's own library; `None` if the environment uses the system's.
    pub(crate) ours: Option<PathBuf>,
    /// Files of the environment that need a library with this name.
    pub(crate) asked_by: Vec<PathBuf>,
    /// `true` if a process of the environment really loaded it.
    pub(crate) taken: bool,
}

/// The effects of this shell's library variables on an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Injection {
    /// The libraries with a name that the environment uses.
    pub(crate) namesakes: Vec<Namesake>,
    /// Statements that fail with the variables and succeed without them, each with the reason.
    pub(crate) broken: Vec<(String, String)>,
}

/// Inspects the variables, and tests their effects in trial runs.
pub(super) async fn inspect(ctx: &Context, examined: &ExaminedPrefix) -> std::io::Result<Injection> {
    let variables = &with_absolute_folders(&ctx.settings.variables, &ctx.settings.cwd);
    let injected = injected(variables, &examined.prefix);
    if injected.is_empty() {
        return Ok(Injection::default());
    }
    let wanted = {
        let (prefix, python) = (examined.prefix.clone(), examined.python());
        // This opens thousands of files.
        tokio::task::spawn_blocking(move || Wanted::read(&prefix, &python))
            .await
            .map_err(std::io::Error::other)?
    };
    let mut namesakes = wanted.namesakes(injected);
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
        Trial::run(ctx, examined, &statements, &with),
        Trial::run(ctx, examined, &statements, &[])
    )?;
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for namesake in &mut namesakes {
        let file = real(&namesake.file);
        namesake.taken = with.mapped.contains(&file) && !without.mapped.contains(&file);
    }
    Ok(Injection {
        broken: with.broken_compared_to(&without),
        namesakes,
    })
}

/// Returns the variables with absolute folders. An empty entry means the current folder, but a trial runs in another
/// one.
fn with_absolute_folders(variables: &Variables, cwd: &Path) -> Variables {
    let searched = SEARCHED.iter().filter_map(|name| {
        let folders = std::env::split_paths(variables.get(name)?).map(|folder| cwd.join(folder));
        // A folder with the separator in its name looks like two folders.
        Some((*name, std::env::join_paths(folders).ok()?))
    });
    let preloaded = variables.get(PRELOADED).map(|value| (PRELOADED, value.to_owned()));
    Variables::from_pairs(searched.chain(preloaded))
}

/// A library that a variable adds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Injected {
    variable: &'static str,
    file: PathBuf,
    name: String,
}

/// Returns the libraries that the variables add from outside the prefix, the first one of each name.
fn injected(variables: &Variables, prefix: &Path) -> Vec<Injected> {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let inside = real(prefix);
    let mut injected = Vec::new();
    for entry in words(variables, PRELOADED, &[':', ' ', ';']) {
        let file = PathBuf::from(&entry);
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // An entry without a folder is searched for like any other library, so only its own name counts.
        if file.is_file() && !real(&file).starts_with(&inside) {
            let soname = Dynamic::read(&file).ok().and_then(|dynamic| dynamic.soname);
            injected.push(Injected {
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
            injected.extend(names.into_iter().map(|name| Injected {
                variable,
                file: folder.join(&name),
                name,
            }));
        }
    }
    let mut seen = BTreeSet::new();
    injected.retain(|one| seen.insert(one.name.clone()));
    injected
}

fn words(variables: &Variables, name: &str, separators: &[char]) -> Vec<String> {
    let text = variables.text(name).unwrap_or_default();
    let words = text.split(separators).filter(|word| !word.is_empty());
    words.map(ToOwned::to_owned).collect()
}

fn is_library(name: &str) -> bool {
    let macos = Path::new(name).extension().is_some_and(|ending| ending == "dylib");
    let linux = name.contains(".so.") || Path::new(name).extension().is_some_and(|ending| ending == "so");
    if cfg!(target_os = "macos") { macos } else { linux }
}

/// The libraries that an environment's files need, and those that the environment contains.
#[derive(Debug, Default)]
struct Wanted {
    site_packages: Option<PathBuf>,
    /// The files that need each library name.
    asked: BTreeMap<String, Vec<PathBuf>>,
    /// The environment's own file for each library name.
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
            // The standard library of a virtual environment is in the prefix of its base Python.
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

    fn namesakes(&self, injected: Vec<Injected>) -> Vec<Namesake> {
        let counts = |one: &Injected| self.asked.contains_key(&one.name) || self.owned.contains_key(&one.name);
        injected
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

    /// Returns the imports that load files which need the namesakes.
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
            // These also load libraries from separate folders, such as NVIDIA's.
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

    /// Returns the module whose import loads a file.
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
        // `numpy.libs` belongs to numpy. Nothing imports the `_test` modules of the standard library.
        let importable =
            module.chars().all(is_word) && !module.starts_with("_test") && !module.starts_with("_ctypes_test");
        importable.then_some(module)
    }
}

/// Returns the prefix of the base Python of a virtual environment.
fn base_of(prefix: &Path) -> Option<PathBuf> {
    let home = layout::pyvenv_value(prefix, &["home"])?;
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
    fn relative_folders_start_at_the_current_folder() {
        let said = Variables::from_pairs([
            ("LD_LIBRARY_PATH", "/opt/lib::libs"),
            ("LD_PRELOAD", "libx.so"),
            ("HOME", "/h"),
        ]);
        let whole = with_absolute_folders(&said, Path::new("/work"));
        if cfg!(target_os = "linux") {
            assert_eq!(whole.text("LD_LIBRARY_PATH"), Some("/opt/lib:/work/:/work/libs"));
            assert_eq!((whole.text("LD_PRELOAD"), whole.text("HOME")), (Some("libx.so"), None));
        }
    }

    #[test]
    fn only_needed_names_count() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["libz.so.1", "libother.so.2", "readme.txt"] {
            fs_err::write(folder.path().join(name), "").expect("written");
        }
        let path = format!(":{}:/nowhere", folder.path().display());
        let variables = Variables::from_pairs([("LD_LIBRARY_PATH", path.as_str()), ("LD_PRELOAD", "libnot-there.so")]);
        let injected = injected(&variables, Path::new("/e"));
        if cfg!(target_os = "linux") {
            assert_eq!(injected.len(), 2);
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
        let namesakes = wanted.namesakes(injected);
        if cfg!(target_os = "linux") {
            assert_eq!(namesakes.len(), 1);
            assert_eq!(
                wanted.statements(&namesakes),
                ["import zlib"],
                "numpy itself is not installed"
            );
        }
    }

    #[test]
    fn a_library_of_the_environment_itself_is_not_a_namesake() {
        let prefix = tempfile::tempdir().expect("a folder");
        let lib = prefix.path().join("lib");
        fs_err::create_dir(&lib).expect("made");
        fs_err::write(lib.join("libz.so.1"), "").expect("written");
        let variables = Variables::from_pairs([("LD_LIBRARY_PATH", lib.display().to_string())]);
        assert_eq!(injected(&variables, prefix.path()), []);
    }
}
