//! Modules from this shell's variables or from the user's site-packages that shadow modules of an environment.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use path_clean::clean;

use super::{
    dependents::dependents,
    trial::{self, Trial},
};
use crate::{
    audit::Installed,
    context::Context,
    doctor::examined::ExaminedPrefix,
    files::{TemporaryFolder, layout},
    process::Variables,
};

const SCRIPT: &str = include_str!("python_path.py");

/// The maximum number of shadowed modules to import as a test.
const TRIED: usize = 5;

/// A module that Python finds outside the environment before the environment's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shadowed {
    /// The name of the module.
    pub(crate) module: String,
    /// The foreign file, which Python uses.
    pub(crate) theirs: PathBuf,
    /// The environment's file.
    pub(crate) ours: PathBuf,
    /// Why the import fails with the foreign file, if it works without it.
    pub(crate) broken: Option<String>,
}

/// A module of the environment that fails because a module that it needs is shadowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The name of the module.
    pub(crate) module: String,
    /// The shadowed module.
    pub(crate) needs: String,
    /// Why its import fails.
    pub(crate) why: String,
}

/// The shadowed modules, and their effects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shadowing {
    /// The shadowed modules.
    pub(crate) modules: Vec<Shadowed>,
    /// Other modules that fail because of them.
    pub(crate) broken: Vec<Broken>,
}

/// The effect of `PYTHONHOME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    /// The value of the variable.
    pub(crate) value: String,
    /// The prefix that Python then uses, or why it does not start.
    pub(crate) prefix: Result<PathBuf, String>,
    /// A statement that fails with the variable and works without it, and why.
    pub(crate) broken: Option<(String, String)>,
}

/// The effects of this shell's Python variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PythonPath {
    /// The effect of `PYTHONPATH`.
    pub(crate) by_path: Shadowing,
    /// The effect of `PYTHONHOME`.
    pub(crate) home: Option<Home>,
    /// The effect of the user's site-packages.
    pub(crate) by_user_site: Shadowing,
}

/// Inspects the variables and the user's site-packages, and tests them with the environment's Python.
pub(super) async fn inspect(
    ctx: &Context,
    examined: &ExaminedPrefix,
    installed: Option<&Installed>,
) -> std::io::Result<PythonPath> {
    let (variables, cwd) = (&ctx.settings.variables, &ctx.settings.cwd);
    let (by_path, home, by_user_site) = tokio::try_join!(
        async {
            let Some(value) = variables.get("PYTHONPATH") else {
                return Ok(Shadowing::default());
            };
            let entries = entries(value, cwd);
            // The trials start in another folder.
            let whole = std::env::join_paths(&entries).unwrap_or_else(|_| value.to_owned());
            let foreign = |folder: &PathBuf| folder.exists() && !folder.starts_with(&examined.prefix);
            let folders: Vec<PathBuf> = entries.into_iter().filter(foreign).collect();
            shadowed(ctx, examined, installed, &folders, &[("PYTHONPATH", Some(whole))]).await
        },
        home(ctx, examined),
        async {
            let Some((base, folder)) = user_site(variables, &ctx.settings.user_home, cwd, &examined.prefix) else {
                return Ok(Shadowing::default());
            };
            let more = [
                ("PYTHONNOUSERSITE", None),
                ("PYTHONUSERBASE", Some(base.into_os_string())),
            ];
            shadowed(ctx, examined, installed, &[folder], &more).await
        },
    )?;
    Ok(PythonPath {
        by_path,
        home,
        by_user_site,
    })
}

/// Returns the folders of `PYTHONPATH` as Python reads them: absolute, without a slash at the end. An empty entry is
/// the current folder. Like `os.path.abspath`, this resolves `..` in the text and does not follow links.
fn entries(value: &OsStr, cwd: &Path) -> Vec<PathBuf> {
    std::env::split_paths(value)
        .map(|entry| clean(cwd.join(entry)))
        .collect()
}

async fn shadowed(
    ctx: &Context,
    examined: &ExaminedPrefix,
    installed: Option<&Installed>,
    folders: &[PathBuf],
    more: &[(&str, Option<OsString>)],
) -> std::io::Result<Shadowing> {
    if folders.is_empty() {
        return Ok(Shadowing::default());
    }
    let turn = ctx.shared.probes.acquire().await;
    let work = TemporaryFolder::new(&ctx.settings.home)?;
    let script = work.path().join("matenv_python_path.py");
    fs_err::write(&script, SCRIPT)?;
    let ended = trial::job(ctx, examined, work.path(), more)
        .args([script.into_os_string()])
        .args(folders)
        .run()
        .await?;
    drop(turn);
    let mut found = Shadowing {
        modules: read(&ended.stdout_text()),
        broken: Vec::new(),
    };
    let names: Vec<&str> = found.modules.iter().map(|one| one.module.as_str()).collect();
    let dependents = installed.map_or_else(Vec::new, |installed| dependents(installed, &names));
    let mut modules: Vec<String> = names.iter().take(TRIED).map(|name| (*name).to_owned()).collect();
    modules.extend(dependents.iter().map(|one| one.module.clone()));
    if !ended.success() {
        // Python itself does not start: a module of the standard library is shadowed.
        modules.clear();
    } else if modules.is_empty() {
        return Ok(found);
    }
    let statements: Vec<String> = modules.iter().map(|module| format!("import {module}")).collect();
    let (with, without) = tokio::try_join!(
        Trial::run(ctx, examined, &statements, more),
        Trial::run(ctx, examined, &statements, &[])
    )?;
    for (statement, why) in with.broken_compared_to(&without) {
        let module = statement.trim_start_matches("import ");
        if let Some(one) = found.modules.iter_mut().find(|one| one.module == module) {
            one.broken = Some(why);
        } else if let Some(one) = dependents.iter().find(|one| one.module == module) {
            found.broken.push(Broken {
                module: one.module.clone(),
                needs: one.needs.clone(),
                why,
            });
        } else {
            found.modules.push(Shadowed {
                module: module.to_owned(),
                theirs: folders[0].clone(),
                ours: examined.python(),
                broken: Some(why),
            });
        }
    }
    Ok(found)
}

fn read(output: &str) -> Vec<Shadowed> {
    output
        .lines()
        .filter_map(|line| {
            let mut words = line.split('\t');
            if words.next()? != "shadowed" {
                return None;
            }
            Some(Shadowed {
                module: words.next()?.to_owned(),
                theirs: words.next()?.into(),
                ours: words.next()?.into(),
                broken: None,
            })
        })
        .collect()
}

async fn home(ctx: &Context, examined: &ExaminedPrefix) -> std::io::Result<Option<Home>> {
    let Some(value) = ctx.settings.variables.get("PYTHONHOME") else {
        return Ok(None);
    };
    let more = [("PYTHONHOME", Some(value.to_owned()))];
    // A virtual environment keeps its prefix, but uses the compiled modules of another Python.
    let statements = ["datetime", "ssl", "ctypes", "numpy"].map(|module| format!("import {module}"));
    let (with, without) = tokio::try_join!(
        Trial::run(ctx, examined, &statements, &more),
        Trial::run(ctx, examined, &statements, &[])
    )?;
    let broken = with.broken_compared_to(&without).into_iter().next();
    let Some(own) = without.prefix else { return Ok(None) };
    let prefix = match with.prefix {
        Some(prefix) if prefix == own && broken.is_none() => return Ok(None),
        Some(prefix) => Ok(prefix),
        None => Err(with.crashed.unwrap_or_else(|| "it does not start".to_owned())),
    };
    Ok(Some(Home {
        value: value.to_string_lossy().into_owned(),
        broken: broken.filter(|_| prefix.is_ok()),
        prefix,
    }))
}

/// Returns the user base folder (`PYTHONUSERBASE`) and its site-packages for the environment's Python. Returns `None`
/// if Python does not search there, or if the folder is empty.
fn user_site(variables: &Variables, user_home: &Path, cwd: &Path, prefix: &Path) -> Option<(PathBuf, PathBuf)> {
    if variables.get("PYTHONNOUSERSITE").is_some() {
        return None;
    }
    let site_packages = layout::site_packages_of(prefix)?;
    let base = variables.path("PYTHONUSERBASE").unwrap_or_else(|| {
        if cfg!(windows) {
            let roaming = variables.path("APPDATA").unwrap_or_else(|| user_home.to_owned());
            roaming.join("Python")
        } else {
            user_home.join(".local")
        }
    });
    let base = clean(cwd.join(base));
    let folder = if cfg!(windows) {
        // The folder is `Python313`, but the prefix does not show its minor version: the first existing folder is used.
        let entries = fs_err::read_dir(&base).ok()?.flatten();
        let mut folders = entries.map(|entry| entry.path().join("site-packages"));
        folders.find(|folder| folder.is_dir())?
    } else {
        base.join("lib")
            .join(site_packages.parent()?.file_name()?)
            .join("site-packages")
    };
    let has_entries = fs_err::read_dir(&folder).ok()?.flatten().next().is_some();
    has_entries.then_some((base, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_site_is_the_folder_that_python_searches() {
        let home = tempfile::tempdir().expect("a folder");
        let prefix = home.path().join("env");
        fs_err::create_dir_all(prefix.join("lib/python3.13/site-packages")).expect("made");
        let of =
            |variables: &Variables| user_site(variables, home.path(), home.path(), &prefix).map(|(_, folder)| folder);
        let folder = home.path().join(".local/lib/python3.13/site-packages");
        assert_eq!(of(&Variables::default()), None);
        fs_err::create_dir_all(&folder).expect("made");
        assert_eq!(of(&Variables::default()), None, "the folder is empty");
        fs_err::write(folder.join("numpy.py"), "").expect("written");
        if cfg!(unix) {
            assert_eq!(of(&Variables::default()), Some(folder));
        }
        assert_eq!(of(&Variables::from_pairs([("PYTHONNOUSERSITE", "1")])), None);
    }

    /// Regression: entries were compared as text with Python's paths, and searched for in another folder.
    #[cfg(unix)]
    #[test]
    fn entries_are_absolute_like_those_of_python() {
        let of = |value: &str| entries(OsStr::new(value), Path::new("/home/u/lab"));
        assert_eq!(of("/opt/tools/"), [Path::new("/opt/tools")]);
        assert_eq!(
            of("src:../other/./x//"),
            [Path::new("/home/u/lab/src"), Path::new("/home/u/other/x")]
        );
        assert_eq!(of("/a:"), [Path::new("/a"), Path::new("/home/u/lab")], "an empty entry");
    }

    #[test]
    fn lines_of_the_script_are_read_and_others_ignored() {
        let found = read("a banner\nprefix\t/e\nshadowed\tnumpy\t/h/numpy/__init__.py\t/e/numpy/__init__.py\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].module, "numpy");
    }
}
