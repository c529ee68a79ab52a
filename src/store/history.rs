//! The history of an environment: one line of JSON for each change that matenv made to it.
//!
//! `state/ENV.history` is only ever appended to. Each line is one [`Event`]. A line that was cut by a crash, or that a
//! newer version wrote in another form, is skipped, and the next event starts on a new line. The file stays when the
//! environment is removed, so that people can see who removed it.

use std::{
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Folder, Generation, Store, StoreError, durable};
use crate::{
    files,
    input::{self, Input},
    lock::PackageChange,
    names::EnvName,
};

/// A change that matenv made to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The time (RFC 3339).
    pub at: String,
    /// The name of the user; `None` if it is unknown.
    #[serde(default)]
    pub who: Option<String>,
    /// The kind of the change.
    pub action: Action,
    /// The generation that became the current one; `None` if the environment was removed.
    #[serde(default)]
    pub generation: Option<GenerationId>,
    /// The generation that was the current one before, if there was one.
    #[serde(default)]
    pub before: Option<GenerationId>,
    /// Generations that were removed with this change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<GenerationId>,
    /// The packages in which a new generation differs from the one before; `None` if there was none or it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changes: Option<Vec<PackageChange>>,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A new generation was installed.
    Install,
    /// A new generation was built from the lock of the current one.
    Repair,
    /// An earlier generation became the current one again.
    Rollback,
    /// Old generations were removed to free disk space.
    Clean,
    /// The environment was removed with all its generations.
    Remove,
    /// A change that this version does not know.
    #[serde(other)]
    Other,
}

impl Action {
    /// Returns the word in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Repair => "repair",
            Self::Rollback => "rollback",
            Self::Clean => "clean",
            Self::Remove => "remove",
            Self::Other => "other",
        }
    }
}

/// The number and the folder name of a generation. After an environment was removed, numbers start again at 1, but
/// folder names differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationId {
    /// The number.
    pub number: u64,
    /// The name of its folder in the store, such as `sleap-3.0f4a21`.
    pub folder: String,
}

impl GenerationId {
    /// Returns the id of the generation at `prefix`.
    #[must_use]
    pub fn new(number: u64, prefix: &Path) -> Self {
        let folder = prefix.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { number, folder }
    }

    /// Returns the id of the generation of `env` in the folder `prefix`, or `None` if its name is another one's.
    #[must_use]
    pub fn of_folder(env: &EnvName, prefix: &Path) -> Option<Self> {
        let name = prefix.file_name()?.to_str()?;
        let folder = Folder::named(name, env, prefix.parent()?)?;
        Some(Self::new(folder.number, prefix))
    }

    /// Returns whether the generation's folder is `prefix`.
    #[must_use]
    pub fn is_at(&self, prefix: &Path) -> bool {
        prefix.file_name().is_some_and(|name| name == self.folder.as_str())
    }
}

impl From<&Generation> for GenerationId {
    fn from(generation: &Generation) -> Self {
        Self::new(generation.number, &generation.prefix)
    }
}

impl Event {
    /// Creates an event that happens now.
    #[must_use]
    pub fn now(action: Action, who: Option<String>) -> Self {
        Self {
            at: jiff::Timestamp::now().to_string(),
            who,
            action,
            generation: None,
            before: None,
            removed: Vec::new(),
            changes: None,
        }
    }
}

impl Store {
    /// Returns the events of an environment, oldest first. Skips lines that are not valid events.
    pub fn events(&self, env: &EnvName) -> Result<Vec<Event>, StoreError> {
        let path = self.history_file(env);
        let Some(bytes) = files::if_exists(input::read(&path, Input::Record)).map_err(StoreError::Read)? else {
            return Ok(Vec::new());
        };
        let mut events = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(event) => events.push(event),
                Err(error) => tracing::debug!("skipped a line of {}: {error}", path.display()),
            }
        }
        Ok(events)
    }

    /// Adds an event to the history of an environment. The environment must be locked.
    pub fn add_event(&self, env: &EnvName, event: &Event) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(event).map_err(|error| StoreError::Write(error.into()))?;
        line.push(b'\n');
        let path = self.history_file(env);
        let mut append = || -> std::io::Result<()> {
            fs_err::create_dir_all(self.state())?;
            let is_new = !path.exists();
            let mut file = fs_err::OpenOptions::new()
                .create(true)
                .read(true)
                .append(true)
                .open(&path)?;
            if file.seek(SeekFrom::End(0))? > 0 {
                file.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                file.read_exact(&mut last)?;
                // A crash cut the last line. It stays invalid, and this event gets a line of its own.
                if last != [b'\n'] {
                    line.insert(0, b'\n');
                }
            }
            file.write_all(&line)?;
            file.sync_all()?;
            if is_new {
                durable::sync_folder(&self.state())
            } else {
                Ok(())
            }
        };
        append().map_err(StoreError::Write)
    }

    fn history_file(&self, env: &EnvName) -> PathBuf {
        self.state().join(format!("{env}.history"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        context::settings::{GlobalOptions, Settings},
        process::Variables,
    };

    fn store(home: &Path) -> Store {
        let variables = Variables::from_pairs([("HOME", home.as_os_str().to_owned())]);
        let settings = Settings::resolve(GlobalOptions::default(), variables, home).expect("settings");
        Store::open(&settings).expect("a store")
    }

    fn event(number: u64) -> Event {
        Event {
            generation: Some(GenerationId::new(number, Path::new("/store/sleap-1.0f4a21"))),
            ..Event::now(Action::Install, Some("anna".to_owned()))
        }
    }

    #[test]
    fn a_line_that_a_crash_cut_is_skipped_at_every_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, env) = (store(folder.path()), "sleap".parse().expect("a name"));
        assert_eq!(store.events(&env).expect("read"), []);
        let events = [event(1), event(2), event(3)];
        store.add_event(&env, &events[0]).expect("added");
        let path = store.history_file(&env);
        let first = fs_err::read(&path).expect("read");
        store.add_event(&env, &events[1]).expect("added");
        let whole = fs_err::read(&path).expect("read");
        for length in first.len()..=whole.len() {
            fs_err::write(&path, &whole[..length]).expect("written");
            // The last line is complete without its line end too.
            let kept = if length + 1 < whole.len() { 1 } else { 2 };
            assert_eq!(store.events(&env).expect("read"), events[..kept], "{length}");
            store.add_event(&env, &events[2]).expect("added");
            let expected = [&events[..kept], &events[2..]].concat();
            assert_eq!(store.events(&env).expect("read"), expected, "{length}");
        }
    }

    #[test]
    fn lines_of_other_versions_and_damaged_ones_are_skipped() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, env) = (store(folder.path()), "sleap".parse().expect("a name"));
        store.add_event(&env, &event(1)).expect("added");
        let path = store.history_file(&env);
        let mut bytes = fs_err::read(&path).expect("read");
        bytes.extend(b"[1]\n\xff\xfe\n\0\0\0\0\n{\"at\":\"t\",\"action\":\"teleport\",\"more\":1}\n");
        fs_err::write(&path, bytes).expect("written");
        let events = store.events(&env).expect("read");
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].action, Action::Other);
    }
}
