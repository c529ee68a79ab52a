//! The conda door: how conda, the host program and people find an environment by name.
//!
//! In: a generation, and the settings. Out: what conda wants to see inside the prefix ([`furnish`]) and one link in
//! `~/.conda/envs` ([`open_door`]). Absent on purpose: `environments.txt` and `.condarc`, which belong to the user, and
//! anything that is not a link of ours, which is never touched.

use std::path::{Path, PathBuf};

use super::{StoreError, activate};
use crate::{
    doctor::{Code, Finding, Scope, Severity},
    names::EnvName,
    settings::Settings,
};

/// What became of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// The link is there now.
    Made(PathBuf),
    /// It was there, and is ours.
    Kept(PathBuf),
    /// Something else has the name, here or in a folder that conda asks first.
    Taken(Box<Finding>),
}

/// The link that conda finds.
#[must_use]
pub fn link(user_home: &Path, env: &EnvName) -> PathBuf {
    user_home.join(".conda").join("envs").join(env.as_str())
}

/// Put into the generation what conda wants to see: before its link moves, and the freezing last.
pub fn furnish(settings: &Settings, prefix: &Path, env: &EnvName) -> Result<(), StoreError> {
    let meta = prefix.join("conda-meta");
    fs_err::create_dir_all(&meta).map_err(StoreError::Write)?;
    readable_by_all(&meta)?;
    let links = [
        link(&settings.user_home, env),
        settings.home.join("envs").join(env.as_str()),
    ];
    activate::write(prefix, &links).map_err(StoreError::Write)?;
    // A regular file, even an empty one, makes a folder an environment for conda.
    fs_err::write(meta.join("history"), "").map_err(StoreError::Write)?;
    let message = format!("made by matenv; change it with: matenv install {env} --force");
    let frozen = serde_json::json!({ "message": message }).to_string();
    fs_err::write(meta.join("frozen"), frozen).map_err(StoreError::Write)
}

/// rattler writes its records for the owner alone, and then another user's conda stops at them.
#[cfg(unix)]
fn readable_by_all(meta: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs_err::read_dir(meta).map_err(StoreError::Read)? {
        let path = entry.map_err(StoreError::Read)?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).map_err(StoreError::Write)?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn readable_by_all(_meta: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// Make the link that conda finds, once. What already has the name is left alone and told.
pub fn open_door(settings: &Settings, env: &EnvName) -> Result<Door, StoreError> {
    let target = settings.home.join("envs").join(env.as_str());
    let door = link(&settings.user_home, env);
    let opened = match whose(&door, &target) {
        Whose::Ours => Door::Kept(door.clone()),
        Whose::Nobodys => {
            if let Some(folder) = door.parent() {
                fs_err::create_dir_all(folder).map_err(StoreError::Write)?;
            }
            make_link(&target, &door).map_err(StoreError::Write)?;
            Door::Made(door.clone())
        }
        Whose::AnothersLink | Whose::AnothersFolder => {
            return Ok(Door::Taken(Box::new(taken(env, &door, "it was not made by matenv"))));
        }
    };
    // conda asks these folders before or beside ours, so the name may mean something else there.
    for folder in other_folders(settings) {
        let other = folder.join(env.as_str());
        if other != door && other.join("conda-meta").is_dir() && !matches!(whose(&other, &target), Whose::Ours) {
            return Ok(Door::Taken(Box::new(taken(
                env,
                &other,
                "conda may ask that folder first",
            ))));
        }
    }
    Ok(opened)
}

/// Remove the link that conda finds, if it is ours.
pub(super) fn close(user_home: &Path, target: &Path, env: &EnvName) -> Result<Option<PathBuf>, StoreError> {
    let door = link(user_home, env);
    match whose(&door, target) {
        Whose::Ours => {
            fs_err::remove_file(&door).map_err(StoreError::Write)?;
            Ok(Some(door))
        }
        Whose::Nobodys | Whose::AnothersLink | Whose::AnothersFolder => Ok(None),
    }
}

enum Whose {
    Nobodys,
    Ours,
    AnothersLink,
    AnothersFolder,
}

fn whose(door: &Path, target: &Path) -> Whose {
    match fs_err::symlink_metadata(door) {
        Err(_) => Whose::Nobodys,
        Ok(metadata) if metadata.is_symlink() => match fs_err::read_link(door) {
            Ok(found) if found == target => Whose::Ours,
            _ => Whose::AnothersLink,
        },
        Ok(_) => Whose::AnothersFolder,
    }
}

#[cfg(unix)]
fn make_link(target: &Path, door: &Path) -> std::io::Result<()> {
    fs_err::os::unix::fs::symlink(target, door)
}

#[cfg(windows)]
fn make_link(target: &Path, door: &Path) -> std::io::Result<()> {
    fs_err::os::windows::fs::symlink_dir(target, door)
}

fn taken(env: &EnvName, path: &Path, why: &str) -> Finding {
    Finding::new(
        Code::CondaNameTaken,
        Severity::Warning,
        Scope::Host,
        format!("conda's name `{env}` already means {} ({why})", path.display()),
    )
    .with_evidence([path.display().to_string()])
    .with_remedy(format!(
        "matenv install {env} --name {env}-matenv   or   conda rename -n {env} {env}-old"
    ))
}

/// The environment folders of this user's condarc and of the usual base installations.
fn other_folders(settings: &Settings) -> Vec<PathBuf> {
    let home = &settings.user_home;
    let mut folders: Vec<PathBuf> = [".condarc", ".conda/condarc", ".conda/.condarc"]
        .iter()
        .filter_map(|name| fs_err::read_to_string(home.join(name)).ok())
        .flat_map(|text| envs_dirs(&text))
        .map(|folder| match folder.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(folder),
        })
        .collect();
    for base in ["miniforge3", "mambaforge", "miniconda3", "anaconda3"] {
        folders.push(home.join(base).join("envs"));
        folders.push(Path::new("/opt").join(base).join("envs"));
    }
    folders.push(PathBuf::from("/opt/conda/envs"));
    folders
}

/// `envs_dirs` of a condarc. A file that is no YAML names none: conda would refuse it, and that is its to say.
fn envs_dirs(text: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Condarc {
        #[serde(default, alias = "envs_path")]
        envs_dirs: Vec<String>,
    }
    serde_yaml::from_str::<Condarc>(text)
        .map(|condarc| condarc.envs_dirs)
        .unwrap_or_default()
}
