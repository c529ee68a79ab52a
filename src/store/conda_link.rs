//! The conda link: the link by which conda, the host program and people find an environment by name.
//!
//! Input: a generation and the settings. Output: the files that conda needs inside the prefix ([`write_conda_files`]) and one
//! link in `~/.conda/envs` ([`create_conda_link`]). This module never changes `environments.txt` and `.condarc`, which belong
//! to the user, nor anything else that is not a link of matenv.

use std::path::{Path, PathBuf};

use super::{
    Folder, Generation, StoreError, activate, conda_folders,
    link::{self as links, LinkState},
    names_in,
};
use crate::{
    context::settings::Settings,
    files::layout,
    finding::{Code, Finding, Scope, Severity},
    names::{EnvName, install_arguments},
    store::write_protection,
};

/// The state of the conda link after [`create_conda_link`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CondaLink {
    /// The link was created.
    Created(PathBuf),
    /// conda already finds the environment at this path.
    Kept(PathBuf),
    /// Something else has the name, so no link was created.
    NameTaken(Box<Finding>),
    /// The link exists, but another of conda's folders also has an environment of that name.
    Shadowed {
        /// The conda link.
        link_path: PathBuf,
        /// A warning that says which environment conda uses.
        finding: Box<Finding>,
    },
}

/// Returns the path of the conda link.
#[must_use]
pub fn link(user_home: &Path, env: &EnvName) -> PathBuf {
    user_home.join(".conda").join("envs").join(env.as_str())
}

/// Writes the files that conda needs into the generation, before its link moves. The last ones are the files that make
/// conda, pip and uv refuse to change it.
pub fn write_conda_files(settings: &Settings, prefix: &Path, env: &EnvName) -> Result<(), StoreError> {
    let meta = prefix.join("conda-meta");
    fs_err::create_dir_all(&meta).map_err(StoreError::Write)?;
    readable_by_all(&meta)?;
    let links = [link(&settings.user_home, env), envs_link(&settings.home, env)];
    activate::write(prefix, &links).map_err(StoreError::Write)?;
    // conda accepts a folder as an environment if this file exists, even if it is empty.
    fs_err::write(meta.join("history"), "").map_err(StoreError::Write)?;
    write_protection::write(prefix, env).map_err(StoreError::Write)
}

/// Makes rattler's records readable by all users. By default only the owner may read them, and another user's conda
/// fails.
#[cfg(unix)]
fn readable_by_all(meta: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs_err::read_dir(meta).map_err(StoreError::Read)? {
        let path = entry.map_err(StoreError::Read)?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let mode = std::fs::Permissions::from_mode(crate::files::modes::of_new(0o644));
            fs_err::set_permissions(&path, mode).map_err(StoreError::Write)?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn readable_by_all(_meta: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// Creates the conda link if it is missing. Leaves anything else that has the name alone, and reports it.
pub fn create_conda_link(settings: &Settings, manifest: &EnvName, env: &EnvName) -> Result<CondaLink, StoreError> {
    let failed = |source| StoreError::CondaLink {
        env: env.clone(),
        source,
    };
    let target = envs_link(&settings.home, env);
    let link_path = link(&settings.user_home, env);
    let namesakes = Namesakes::find(settings, env, &link_path, &target);
    let at = links::inspect(&link_path).map_err(failed)?;
    let opened = match &at {
        LinkState::Link(found) if leads_to(found, &target) => CondaLink::Kept(link_path),
        LinkState::Link(found) if is_stale(found, &settings.home, env) => {
            links::remove(&link_path)
                .and_then(|()| links::make(&target, &link_path))
                .map_err(failed)?;
            CondaLink::Created(link_path)
        }
        LinkState::Nothing => {
            if let Some(other) = namesakes.foreign.first() {
                return Ok(CondaLink::NameTaken(Box::new(
                    taken_elsewhere(env, &other.path).with_remedy(rename_commands(manifest, env, &other.path)),
                )));
            }
            if let Some(ours) = namesakes.ours {
                return Ok(CondaLink::Kept(ours));
            }
            if let Some(folder) = link_path.parent() {
                fs_err::create_dir_all(folder).map_err(failed)?;
            }
            links::make(&target, &link_path).map_err(failed)?;
            CondaLink::Created(link_path)
        }
        LinkState::Link(_) | LinkState::NotALink => {
            return Ok(CondaLink::NameTaken(Box::new(
                taken_here(env, &link_path, &at).with_remedy(rename_commands(manifest, env, &link_path)),
            )));
        }
    };
    Ok(match (opened, namesakes.foreign.first()) {
        (CondaLink::Created(link_path) | CondaLink::Kept(link_path), Some(other)) => CondaLink::Shadowed {
            finding: Box::new(shadowed(env, &link_path, other).with_remedy(rename_commands(
                manifest,
                env,
                &other.path,
            ))),
            link_path,
        },
        (opened, _) => opened,
    })
}

/// Checks the conda link of an installed environment without changing it, and returns the problem if there is one.
pub fn inspect_conda_link(
    settings: &Settings,
    manifest: &EnvName,
    env: &EnvName,
) -> Result<Option<Finding>, StoreError> {
    let failed = |source| StoreError::CondaLink {
        env: env.clone(),
        source,
    };
    let target = envs_link(&settings.home, env);
    let link_path = link(&settings.user_home, env);
    let namesakes = Namesakes::find(settings, env, &link_path, &target);
    let at = links::inspect(&link_path).map_err(failed)?;
    let other = namesakes.foreign.first();
    Ok(match (&at, other) {
        (LinkState::Link(found), _) if is_of_gone_home(found, &settings.home, env) => Some(
            warning(
                format!("the link by which conda finds `{env}` points to an old location of matenv's folder"),
                [format!(
                    "{} is a link to {}, which does not exist",
                    link_path.display(),
                    found.display()
                )],
            )
            .with_remedy(format!("matenv install {}", install_arguments(manifest, env))),
        ),
        (LinkState::Link(found), _) if !leads_to(found, &target) && !is_ours(found, &settings.home, env) => {
            Some(taken_here(env, &link_path, &at).with_remedy(rename_commands(manifest, env, &link_path)))
        }
        (LinkState::NotALink, _) => {
            Some(taken_here(env, &link_path, &at).with_remedy(rename_commands(manifest, env, &link_path)))
        }
        (LinkState::Link(_), Some(other)) => {
            Some(shadowed(env, &link_path, other).with_remedy(rename_commands(manifest, env, &other.path)))
        }
        (LinkState::Nothing, Some(other)) => {
            Some(taken_elsewhere(env, &other.path).with_remedy(rename_commands(manifest, env, &other.path)))
        }
        (LinkState::Nothing, None) if namesakes.ours.is_none() => Some(
            warning(
                format!("the link by which conda finds `{env}` is missing"),
                [format!("{} does not exist", link_path.display())],
            )
            // The command only creates the link again.
            .with_remedy(format!("matenv install {}", install_arguments(manifest, env))),
        ),
        (LinkState::Link(_) | LinkState::Nothing, None) => None,
    })
}

/// Removes the conda link if matenv created it. `~/.conda` stays, because it belongs to conda.
pub(super) fn remove_conda_link(home: &Path, user_home: &Path, env: &EnvName) -> Result<Option<PathBuf>, StoreError> {
    let failed = |source| StoreError::CondaLink {
        env: env.clone(),
        source,
    };
    let link_path = link(user_home, env);
    match links::inspect(&link_path).map_err(failed)? {
        LinkState::Link(found) if leads_to(&found, &envs_link(home, env)) || is_ours(&found, home, env) => {
            links::remove(&link_path).map_err(failed)?;
            Ok(Some(link_path))
        }
        LinkState::Link(_) | LinkState::Nothing | LinkState::NotALink => Ok(None),
    }
}

fn envs_link(home: &Path, env: &EnvName) -> PathBuf {
    home.join("envs").join(env.as_str())
}

/// Returns whether `found` is `target`, even if written differently (a home folder behind a link, `..`).
fn leads_to(found: &Path, target: &Path) -> bool {
    let folder_of = |path: &Path| path.parent().and_then(|folder| fs_err::canonicalize(folder).ok());
    found == target
        || (found.file_name() == target.file_name()
            && folder_of(found).is_some_and(|folder| Some(folder) == folder_of(target)))
}

/// Returns whether `found` is the target of a matenv link that has to be replaced.
fn is_stale(found: &Path, home: &Path, env: &EnvName) -> bool {
    is_ours(found, home, env) || is_of_gone_home(found, home, env)
}

/// Returns whether `found` is the link of `env` in a `MATENV_HOME` that was moved. The proof is a generation in the new
/// folder whose record names the old one. A folder on a disk that is not mounted has no such generation here.
fn is_of_gone_home(found: &Path, home: &Path, env: &EnvName) -> bool {
    let gone = found
        .parent()
        .filter(|envs| envs.ends_with("envs"))
        .and_then(Path::parent);
    let Some(gone) = gone.filter(|_| found.ends_with(env.as_str())) else {
        return false;
    };
    // A folder that cannot be checked may exist.
    if !matches!(gone.try_exists(), Ok(false)) {
        return false;
    }
    let store = home.join("store");
    let was_created_there = |name: &String| {
        let folder = Folder::named(name, env, &store);
        let generation = folder.and_then(|folder| Generation::read(folder.prefix).ok().flatten());
        let prefix = generation.and_then(|generation| original_prefix(&generation));
        prefix.is_some_and(|prefix| prefix.parent().and_then(Path::parent) == Some(gone))
    };
    names_in(&store).unwrap_or_default().iter().any(was_created_there)
}

/// Returns the prefix in which a generation was built. Records of older versions lack it, but their certificate has it.
fn original_prefix(generation: &Generation) -> Option<PathBuf> {
    let in_certificate = || {
        let file = layout::records(&generation.prefix).join("certificate.json");
        let certificate: serde_json::Value = serde_json::from_slice(&fs_err::read(file).ok()?).ok()?;
        certificate["prefix"].as_str().map(PathBuf::from)
    };
    generation.record.prefix.clone().or_else(in_certificate)
}

/// Returns whether `found` is a generation of `env`, so that the conda link bypasses the link in `envs`.
fn is_ours(found: &Path, home: &Path, env: &EnvName) -> bool {
    let store = home.join("store");
    found.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
        Folder::named(name, env, &store).is_some_and(|generation| leads_to(found, &generation.prefix))
    })
}

/// Environments of the same name in conda's other folders.
struct Namesakes {
    /// matenv's own environment, if the user configured conda to search matenv's folder.
    ours: Option<PathBuf>,
    /// Environments that matenv did not create.
    foreign: Vec<Namesake>,
}

struct Namesake {
    path: PathBuf,
    asked_first: bool,
}

impl Namesakes {
    fn find(settings: &Settings, env: &EnvName, link_path: &Path, target: &Path) -> Self {
        let real = |path: &Path| fs_err::canonicalize(path).ok();
        let mut found = Self {
            ours: None,
            foreign: Vec::new(),
        };
        for folder in conda_folders::all(settings) {
            let path = folder.path.join(env.as_str());
            if leads_to(&path, link_path) || !path.join("conda-meta").is_dir() {
                continue;
            }
            if real(&path) == real(target) {
                found.ours.get_or_insert(path);
            } else {
                found.foreign.push(Namesake {
                    path,
                    asked_first: folder.asked_first,
                });
            }
        }
        found
    }
}

fn taken_here(env: &EnvName, link_path: &Path, at: &LinkState) -> Finding {
    let what = match at {
        LinkState::Link(target) => format!("is a link to {}", target.display()),
        LinkState::Nothing | LinkState::NotALink => "was not created by matenv".to_owned(),
    };
    warning(
        format!(
            "the name `{env}` already belongs to {}, so conda does not find this environment",
            link_path.display()
        ),
        [format!("{} {what}", link_path.display())],
    )
}

fn taken_elsewhere(env: &EnvName, other: &Path) -> Finding {
    warning(
        format!(
            "the name `{env}` already belongs to {}, so conda does not find this environment",
            other.display()
        ),
        [other.display().to_string()],
    )
}

fn shadowed(env: &EnvName, link_path: &Path, other: &Namesake) -> Finding {
    let winner = if other.asked_first { &other.path } else { link_path };
    warning(
        format!(
            "conda finds two environments named `{env}`; `conda run -n {env}` uses {}",
            winner.display()
        ),
        [link_path.display().to_string(), other.path.display().to_string()],
    )
}

fn warning(message: String, evidence: impl IntoIterator<Item = String>) -> Finding {
    Finding::new(Code::CondaNameTaken, Severity::Warning, Scope::Host, message).with_evidence(evidence)
}

/// Returns the remedy: rename the new environment or the existing one.
fn rename_commands(manifest: &EnvName, env: &EnvName, other: &Path) -> String {
    let theirs = if other.join("conda-meta").is_dir() {
        format!("conda rename -p \"{}\" {env}-old", other.display())
    } else {
        format!("move {} away", other.display())
    };
    format!(
        "matenv install {manifest} --name {env}-matenv   or   {theirs}, then matenv install {}",
        install_arguments(manifest, env)
    )
}
