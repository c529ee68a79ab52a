//! The store: generations, the links to them, and the conda links.
//!
//! Input: a prefix that was proven. Output: the current [`Generation`] of an environment. A generation stays where it
//! was built and is never moved. Renaming one link makes it the current one. Other modules write the contents of a
//! prefix. The store writes only the files for conda and the files that make other programs refuse to change it.
//!
//! ```text
//! MATENV_HOME/store/sleap-3.0f4a21/             one generation: environment, number, stamp
//! MATENV_HOME/envs/sleap                        the link to the current one
//! MATENV_HOME/src/x-anylabeling/                clones of its program, created by `--source`
//! MATENV_HOME/state/sleap.lock                  locked by the matenv process that changes the environment
//! MATENV_HOME/state/sleap.lease                 the same on a file system that cannot lock files
//! MATENV_HOME/state/src-x-anylabeling.lock      locked by the matenv process that uses the clones
//! MATENV_HOME/state/sleap.history               one line of JSON for each change of the environment
//! MATENV_HOME/state/logs/sleap.log              the output of the program at its last launch
//! MATENV_HOME/state/sleap-3.0f4a21.unfinished   exists while that generation is being built
//! MATENV_HOME/state/sleap-3.0f4a21.pinned       exists while that generation is pinned
//! MATENV_HOME/state/sleap.removing              exists while the environment is being removed
//! ~/.conda/envs/sleap                           the conda link: a link to envs/sleap
//! ```

mod activate;
mod clean;
mod conda_folders;
pub mod drift;
mod durable;
mod error;
mod folder;
mod freed;
mod generation;
mod history;
mod in_use;
mod janitor;
mod lease;
mod link;
mod lock;
mod lost;
mod own_size;
mod pin;
pub mod program_settings;
mod readable;
mod remove;
mod roll_back;
mod size;
mod staged;

pub use clean::{CleanRequest, Cleaned, KEPT};
pub use conda_folders::CondaInstallation;
pub use error::StoreError;
pub use generation::{Generation, GenerationRecord, Known};
pub use history::{Action, Event, GenerationId};
pub use lock::EnvLock;
pub(crate) use lock::is_unsupported;
pub use lost::Lost;
pub use readable::RecordFile;
pub use remove::Removed;
pub use roll_back::{Kept, proven_before};
pub use size::Size;
pub use staged::Staged;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    context::{
        event::Events,
        settings::{DEFAULT_HOME, Settings},
    },
    files::layout,
    names::EnvName,
    store::drift::Fingerprint,
};
use folder::{Folder, names_in};
use link::LinkState;

/// The longest prefix that conda packages allow, in bytes.
const MAX_PREFIX_LENGTH: usize = 255;

/// The generations, links and state in `MATENV_HOME`.
#[derive(Debug, Clone)]
pub struct Store {
    home: PathBuf,
    user_home: PathBuf,
    lock_wait: Option<Duration>,
}

impl Store {
    /// Returns the store for these settings. Folders are created when they are needed.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        Ok(Self {
            home: settings.home.clone(),
            user_home: settings.user_home.clone(),
            lock_wait: settings.lock_wait,
        })
    }

    /// Returns the path of the link to the current generation.
    #[must_use]
    pub fn link(&self, env: &EnvName) -> PathBuf {
        self.home.join("envs").join(env.as_str())
    }

    /// Returns the log file of a launched program's output.
    #[must_use]
    pub fn log(&self, env: &EnvName) -> PathBuf {
        self.state().join("logs").join(format!("{env}.log"))
    }

    /// Returns the log file for a user who may not write to the store, in the user's own default home.
    #[must_use]
    pub fn own_log(&self, env: &EnvName) -> PathBuf {
        let state = self.user_home.join(DEFAULT_HOME).join("state");
        state.join("logs").join(format!("{env}.log"))
    }

    /// Locks the environment, so that only one process changes it. A second process prints a note and waits, as long
    /// as the settings allow.
    pub async fn lock(&self, events: &Events, env: &EnvName) -> Result<EnvLock, StoreError> {
        EnvLock::acquire(&self.state(), events, env.as_str(), self.lock_wait).await
    }

    /// Returns the folder of the clones of a manifest's program.
    #[must_use]
    pub fn source(&self, manifest: &EnvName) -> PathBuf {
        self.home.join("src").join(manifest.as_str())
    }

    /// Locks the clones of a manifest's program until a generation that uses them is finished.
    pub async fn lock_source(&self, events: &Events, manifest: &EnvName) -> Result<EnvLock, StoreError> {
        EnvLock::acquire(&self.state(), events, &format!("src-{manifest}"), self.lock_wait).await
    }

    /// Returns the current generation, or `None` if its record is missing or damaged (see [`Store::lost`]).
    pub fn current(&self, env: &EnvName) -> Result<Option<Generation>, StoreError> {
        match self.current_prefix(env)?.map_or(Ok(None), Generation::read) {
            Err(StoreError::Damaged { .. }) => Ok(None),
            read => read,
        }
    }

    /// Returns every finished generation of an environment, oldest first. Skips damaged ones with a warning.
    pub fn generations(&self, env: &EnvName) -> Result<Vec<Generation>, StoreError> {
        let mut found = Vec::new();
        for folder in self.folders(env)? {
            if self.mark(&folder.prefix).exists() {
                continue;
            }
            match Generation::read(folder.prefix) {
                Ok(generation) => found.extend(generation),
                Err(error @ StoreError::Damaged { .. }) => tracing::warn!("{error}"),
                Err(error) => return Err(error),
            }
        }
        found.sort_by_key(|generation| generation.number);
        Ok(found)
    }

    /// Returns the current generation of every environment, by name. Skips damaged ones.
    pub fn list(&self) -> Result<Vec<Generation>, StoreError> {
        let mut names: Vec<EnvName> = names_in(&self.home.join("envs"))?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        names.sort();
        let mut found = Vec::new();
        for env in names {
            match self.current(&env) {
                Ok(generation) => found.extend(generation),
                // The other environments are not affected.
                Err(error) => tracing::warn!("{error}"),
            }
        }
        Ok(found)
    }

    /// Creates a folder for a new generation and removes the remains of crashed runs. The environment must be locked.
    pub fn stage(&self, env: &EnvName) -> Result<Staged, StoreError> {
        fs_err::create_dir_all(self.store()).map_err(StoreError::Write)?;
        fs_err::create_dir_all(self.state()).map_err(StoreError::Write)?;
        self.sweep(env)?;
        let last = self.folders(env)?.iter().map(|folder| folder.number).max();
        let number = last.unwrap_or(0) + 1;
        let stamp = jiff::Timestamp::now().as_millisecond() & 0xff_ffff;
        let prefix = self.store().join(format!("{env}-{number}.{stamp:06x}"));
        let length = prefix.as_os_str().len();
        if length > MAX_PREFIX_LENGTH {
            return Err(StoreError::TooLong {
                prefix,
                length,
                room: MAX_PREFIX_LENGTH,
            });
        }
        let mark = self.mark(&prefix);
        fs_err::write(&mark, "").map_err(StoreError::Write)?;
        let staged = Staged::new(env.clone(), number, prefix, mark);
        fs_err::create_dir(&staged.prefix).map_err(StoreError::Write)?;
        Ok(staged)
    }

    /// Makes a staged generation the current one.
    ///
    /// A power failure at any moment leaves either the old or the new generation: the files are on the disk before the
    /// record, and the record before the link. After the link is replaced nothing fails, because the new generation is
    /// the current one then.
    pub fn commit(&self, staged: Staged, record: &GenerationRecord) -> Result<Generation, StoreError> {
        match self.make_current(&staged, record) {
            Ok(record) => Ok(Generation {
                env: staged.env.clone(),
                number: staged.number,
                prefix: staged.finish(),
                record,
            }),
            Err(error) => {
                staged.remove();
                Err(error)
            }
        }
    }

    fn make_current(&self, staged: &Staged, record: &GenerationRecord) -> Result<GenerationRecord, StoreError> {
        let link = self.link(&staged.env);
        if let LinkState::NotALink = link::inspect(&link).map_err(StoreError::Read)? {
            return Err(StoreError::NotALink { path: link });
        }
        let replaced = self.current_prefix(&staged.env)?;
        let replaced = replaced.as_deref().and_then(Path::file_name);
        let record = GenerationRecord {
            env: staged.env.clone(),
            number: staged.number,
            prefix: Some(staged.prefix.clone()),
            replaced: replaced.map(|name| name.to_string_lossy().into_owned()),
            digests: readable::digests(&staged.prefix),
            ..record.clone()
        };
        // Without a fingerprint, later changes cannot be detected. That is no reason to discard a good generation.
        if let Err(error) = Fingerprint::take(&staged.prefix).and_then(|taken| match taken {
            Some(fingerprint) => fingerprint.write(&staged.prefix),
            None => Ok(()),
        }) {
            tracing::warn!("changes in {} will not be detected: {error}", staged.prefix.display());
        }
        let links = self.home.join("envs");
        let prepare = || -> std::io::Result<()> {
            fs_err::create_dir_all(&links)?;
            fs_err::create_dir_all(layout::records(&staged.prefix))?;
            durable::sync_tree(&staged.prefix)?;
            durable::sync_folder(&self.store())?;
            durable::sync_folder(&self.home)
        };
        prepare().map_err(StoreError::Write)?;
        record.write(&staged.prefix)?;
        link::replace(&staged.prefix, &link).map_err(StoreError::Write)?;
        Ok(record)
    }

    /// Returns the number and the folder of the generation that the link points to, even if it is missing or damaged.
    pub fn current_id(&self, env: &EnvName) -> Result<Option<GenerationId>, StoreError> {
        let prefix = self.current_prefix(env)?;
        Ok(prefix.and_then(|prefix| GenerationId::of_folder(env, &prefix)))
    }

    /// Returns the target of the link of `env` if it is in the store.
    fn current_prefix(&self, env: &EnvName) -> Result<Option<PathBuf>, StoreError> {
        let link = self.link(env);
        match link::inspect(&link).map_err(StoreError::Read)? {
            LinkState::Link(target) => {
                let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                Ok(Folder::named(name, env, &self.store()).map(|folder| folder.prefix))
            }
            LinkState::Nothing => Ok(None),
            LinkState::NotALink => Err(StoreError::NotALink { path: link }),
        }
    }

    /// Returns every folder of the store that belongs to `env`, finished or not, oldest first.
    fn folders(&self, env: &EnvName) -> Result<Vec<Folder>, StoreError> {
        let store = self.store();
        let mut folders: Vec<Folder> = names_in(&store)?
            .iter()
            .filter_map(|name| Folder::named(name, env, &store))
            .collect();
        folders.sort_by_key(|folder| folder.number);
        Ok(folders)
    }

    fn store(&self) -> PathBuf {
        self.home.join("store")
    }

    fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    /// Returns the marker file that exists while the generation at `prefix` is being built.
    fn mark(&self, prefix: &Path) -> PathBuf {
        let name = prefix.file_name().unwrap_or_default().to_string_lossy();
        self.state().join(format!("{name}{}", janitor::UNFINISHED))
    }
}

/// Returns the path of the previous log.
#[must_use]
pub fn previous_log(log: &Path) -> PathBuf {
    log.with_added_extension("1")
}

// The tests start POSIX shells and programs of `/bin`.
pub mod conda_link;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod write_protection;
