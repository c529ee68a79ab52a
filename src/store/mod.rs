//! Store: generations, the links to them, and the conda door.
//!
//! In: a prefix that was proven. Out: the current [`Generation`] of an environment. A generation lies where it was
//! built and is never moved; it becomes the current one by one rename of a link. Absent on purpose: what is inside a
//! prefix, which is the other rooms' business but for the conda door's own files.

mod activate;
pub mod door;
mod error;
mod in_use;
pub mod layout;
mod lock;
pub mod run;

pub use error::StoreError;
pub use lock::EnvLock;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    event::Events,
    names::{EnvName, ProfileName},
    settings::Settings,
};

const RECORD: &str = "generation.json";

/// Generations, links and state below `MATENV_HOME`.
#[derive(Debug, Clone)]
pub struct Store {
    home: PathBuf,
    user_home: PathBuf,
}

/// What is written down of a generation (`share/matenv/generation.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// Version of the form.
    pub schema: u32,
    /// The environment.
    pub env: EnvName,
    /// Its manifest.
    pub manifest: EnvName,
    /// The accelerator level.
    pub profile: ProfileName,
    /// Counts from 1 for each environment.
    pub number: u64,
    /// What it was made from, see [`Plan::fingerprint`](crate::plan::Plan::fingerprint).
    pub plan_fingerprint: String,
    /// When, RFC 3339.
    pub created: String,
    /// Whether audit, probes and benchmark ran.
    pub proven: bool,
    /// Whether they found nothing that blocks.
    pub ok: bool,
}

/// One installed prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The environment.
    pub env: EnvName,
    /// Counts from 1.
    pub number: u64,
    /// Its folder.
    pub prefix: PathBuf,
    /// What is written down of it.
    pub record: GenerationRecord,
}

/// A generation that is being built; dropping it before [`Store::commit`] removes it.
#[derive(Debug)]
pub struct Staged {
    /// Its folder, where it will stay.
    pub prefix: PathBuf,
    /// Its number.
    pub number: u64,
    env: EnvName,
    finished: bool,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The generations' folders.
    pub generations: Vec<PathBuf>,
    /// The conda door, if it was ours.
    pub door: Option<PathBuf>,
}

impl Store {
    /// The store of these settings; nothing is created before it is needed.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        Ok(Self {
            home: settings.home.clone(),
            user_home: settings.user_home.clone(),
        })
    }

    /// The link to the current generation.
    #[must_use]
    pub fn link(&self, env: &EnvName) -> PathBuf {
        self.home.join("envs").join(env.as_str())
    }

    fn folder(&self) -> PathBuf {
        self.home.join("store")
    }

    /// Hold the environment: one installation at a time. A second one waits, and says so.
    pub async fn lock(&self, events: &Events, env: &EnvName) -> Result<EnvLock, StoreError> {
        EnvLock::acquire(&self.home.join("state"), events, env).await
    }

    /// The current generation.
    pub fn current(&self, env: &EnvName) -> Result<Option<Generation>, StoreError> {
        let link = self.link(env);
        match fs_err::read_link(&link) {
            Ok(target) => {
                let prefix = link.parent().unwrap_or(&self.home).join(target);
                let prefix = fs_err::canonicalize(&prefix).unwrap_or(prefix);
                read(&prefix)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Read(error)),
        }
    }

    /// Every finished generation of an environment, the oldest first.
    pub fn generations(&self, env: &EnvName) -> Result<Vec<Generation>, StoreError> {
        let mut found = Vec::new();
        for prefix in self.prefixes(env)? {
            if let Some(generation) = read(&prefix)? {
                found.push(generation);
            }
        }
        found.sort_by_key(|generation| generation.number);
        Ok(found)
    }

    /// Every folder of the store that belongs to `env`, finished or not.
    fn prefixes(&self, env: &EnvName) -> Result<Vec<PathBuf>, StoreError> {
        let start = format!("{env}-");
        let entries = match fs_err::read_dir(self.folder()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::Read(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(StoreError::Read)?;
            let name = entry.file_name();
            // `sleap-gpu-…` is no generation of `sleap`: what follows the name is `NUMBER.STAMP`.
            let ours = name
                .to_str()
                .and_then(|name| name.strip_prefix(&start))
                .is_some_and(is_id);
            if ours {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    /// The current generation of every environment, by name.
    pub fn list(&self) -> Result<Vec<Generation>, StoreError> {
        let entries = match fs_err::read_dir(self.home.join("envs")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::Read(error)),
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(StoreError::Read)?.file_name();
            names.extend(name.to_str().and_then(|name| name.parse::<EnvName>().ok()));
        }
        let mut found = Vec::new();
        for env in names {
            found.extend(self.current(&env)?);
        }
        Ok(found)
    }

    /// A folder for a new generation. What a crashed run left is removed first; the environment must be held.
    pub fn stage(&self, env: &EnvName) -> Result<Staged, StoreError> {
        let folder = self.folder();
        fs_err::create_dir_all(&folder).map_err(StoreError::Write)?;
        let mut number = 0;
        for prefix in self.prefixes(env)? {
            match read(&prefix)? {
                Some(generation) => number = number.max(generation.number),
                None => fs_err::remove_dir_all(&prefix).map_err(StoreError::Write)?,
            }
        }
        number += 1;
        let stamp = jiff::Timestamp::now().as_millisecond() & 0xff_ffff;
        let prefix = folder.join(format!("{env}-{number}.{stamp:06x}"));
        fs_err::create_dir(&prefix).map_err(StoreError::Write)?;
        Ok(Staged {
            prefix,
            number,
            env: env.clone(),
            finished: false,
        })
    }

    /// Make a staged generation the current one.
    pub fn commit(&self, mut staged: Staged, record: &GenerationRecord) -> Result<Generation, StoreError> {
        let records = layout::records(&staged.prefix);
        fs_err::create_dir_all(&records).map_err(StoreError::Write)?;
        let text = serde_json::to_string_pretty(record).map_err(|error| StoreError::Write(error.into()))?;
        let file = records.join(RECORD);
        fs_err::write(&file, text).map_err(StoreError::Write)?;
        // What says that the generation is whole must be on the disk before the link is.
        fs_err::File::open(&file)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::Write)?;
        let link = self.link(&staged.env);
        if let Some(folder) = link.parent() {
            fs_err::create_dir_all(folder).map_err(StoreError::Write)?;
        }
        replace_link(&link, &staged.prefix).map_err(StoreError::Write)?;
        staged.finished = true;
        Ok(Generation {
            env: staged.env.clone(),
            number: staged.number,
            prefix: staged.prefix.clone(),
            record: record.clone(),
        })
    }

    /// Remove old generations: the current one, the one before it and those that a process uses stay.
    pub fn prune(&self, env: &EnvName) -> Result<Vec<PathBuf>, StoreError> {
        let Some(current) = self.current(env)? else {
            return Ok(Vec::new());
        };
        let mut older: Vec<Generation> = self.generations(env)?;
        older.retain(|generation| generation.number < current.number);
        older.pop();
        if older.is_empty() {
            return Ok(Vec::new());
        }
        let used = in_use::by_processes(&self.folder());
        let mut removed = Vec::new();
        for generation in older {
            if !used.iter().any(|path| path.starts_with(&generation.prefix)) {
                fs_err::remove_dir_all(&generation.prefix).map_err(StoreError::Write)?;
                removed.push(generation.prefix);
            }
        }
        Ok(removed)
    }

    /// Remove an environment: its conda door if it is ours, its link, its generations.
    pub fn remove(&self, env: &EnvName) -> Result<Removed, StoreError> {
        let prefixes = self.prefixes(env)?;
        let used = in_use::by_processes(&self.folder());
        if let Some(path) = used
            .iter()
            .find(|path| prefixes.iter().any(|prefix| path.starts_with(prefix)))
        {
            return Err(StoreError::InUse {
                env: env.clone(),
                path: path.clone(),
            });
        }
        let door = door::close(&self.user_home, &self.link(env), env)?;
        match fs_err::remove_file(self.link(env)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::Write(error)),
        }
        for prefix in &prefixes {
            fs_err::remove_dir_all(prefix).map_err(StoreError::Write)?;
        }
        Ok(Removed {
            generations: prefixes,
            door,
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // Threads may still link files into it: under another name they write beside it, and it is no environment.
        let trash = self.prefix.with_file_name(format!(".removed-{}", std::process::id()));
        let gone = if fs_err::rename(&self.prefix, &trash).is_ok() {
            fs_err::remove_dir_all(&trash)
        } else {
            fs_err::remove_dir_all(&self.prefix)
        };
        if let Err(error) = gone {
            tracing::warn!("an unfinished generation is left to the next run: {error}");
        }
    }
}

/// `3.0f4a21`: number and stamp.
fn is_id(text: &str) -> bool {
    text.split_once('.').is_some_and(|(number, stamp)| {
        number.parse::<u64>().is_ok() && stamp.len() == 6 && stamp.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The generation at `prefix`; `None` if it is not finished.
fn read(prefix: &Path) -> Result<Option<Generation>, StoreError> {
    let path = layout::records(prefix).join(RECORD);
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::Read(error)),
    };
    let record: GenerationRecord =
        serde_json::from_str(&text).map_err(|source| StoreError::Damaged { path, source })?;
    Ok(Some(Generation {
        env: record.env.clone(),
        number: record.number,
        prefix: prefix.to_owned(),
        record,
    }))
}

/// Put a link to `target` in the place of `link`, in one step that a reader sees whole.
#[cfg(unix)]
fn replace_link(link: &Path, target: &Path) -> std::io::Result<()> {
    let temporary = link.with_file_name(format!(
        ".{}.{}",
        link.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    match fs_err::remove_file(&temporary) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs_err::os::unix::fs::symlink(target, &temporary)?;
    fs_err::rename(&temporary, link)
}

/// Junctions cannot be renamed over each other; the environment is held, so nothing else switches meanwhile.
#[cfg(windows)]
fn replace_link(link: &Path, target: &Path) -> std::io::Result<()> {
    match fs_err::remove_dir(link) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs_err::os::windows::fs::symlink_dir(target, link)
}

#[cfg(test)]
mod tests;
