//! Menu entries: an icon to click for people who do not use a terminal.
//!
//! Input: a manifest with a launch command, and the environment's name. Output: the files of a [`MenuEntry`] in the folders
//! of this operating system's menu. Each system has its own writer. All of them compile on every system, so that one
//! machine tests all three. This module does not start the program: a click runs `matenv launch ENV`.

mod linux;
mod macos;
mod windows;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    context::{Context, settings::Settings},
    files,
    manifest::Manifest,
    names::EnvName,
};

/// matenv's icon as scalable graphics.
const ICON_SVG: &str = include_str!("../../../assets/icons/matenv.svg");
/// The same icon with 256 x 256 pixels, rendered from `assets/icons/matenv.svg`.
const ICON_PNG: &[u8] = include_bytes!("../../../assets/icons/matenv.png");

/// A menu entry of an environment, and the command of a click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MenuEntry {
    /// The environment.
    pub env: EnvName,
    /// The text next to the icon.
    pub name: String,
    /// A description in one sentence.
    pub comment: String,
    /// The absolute path of the program to start.
    pub program: String,
    /// The arguments of the program.
    pub arguments: Vec<String>,
    /// Variables to set, because the desktop session does not have those of this shell.
    pub variables: BTreeMap<String, String>,
}

/// Errors of creating or removing a menu entry.
#[derive(Debug, thiserror::Error)]
pub enum MenuError {
    /// A path for the entry is not Unicode. Exit 1.
    #[error("invalid path for a menu entry, because it is not Unicode: {}", .0.display())]
    NotText(PathBuf),
    /// The path of the running program is unknown. Exit 1.
    #[error("failed to find the path of matenv itself")]
    Program(#[source] std::io::Error),
    /// A file could not be written. Exit 1.
    #[error("failed to write the menu entry")]
    Write(#[source] std::io::Error),
    /// A file could not be removed. Exit 1.
    #[error("failed to remove the menu entry")]
    Remove(#[source] std::io::Error),
}

/// The folders of a system's menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Menu {
    /// The menu of freedesktop.org.
    Linux {
        /// `$XDG_DATA_HOME`.
        data_home: PathBuf,
    },
    /// The Start menu.
    Windows {
        /// The folder of the Start menu's own entries.
        programs: PathBuf,
        /// The folder of the scripts that the entries start.
        scripts: PathBuf,
    },
    /// The Launchpad.
    Macos {
        /// The folder of the user's own applications.
        applications: PathBuf,
    },
}

/// One file of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MenuFile {
    path: PathBuf,
    bytes: Vec<u8>,
    executable: bool,
}

/// Adds `env`, created from `manifest`, to this system's menu. A manifest without a program causes a note, not an
/// error.
pub(crate) fn add_entry(ctx: &Context, manifest: &Manifest, env: &EnvName) -> Result<Vec<PathBuf>, MenuError> {
    if manifest.launch.is_none() {
        ctx.events
            .note(format!("{env} has no program to launch, so it has no menu entry"));
        return Ok(Vec::new());
    }
    let program = std::env::current_exe().map_err(MenuError::Program)?;
    // `uvx matenv` runs from there, and `uv cache clean` removes it.
    if program.starts_with(&ctx.settings.uv_cache) {
        ctx.events.warn(format!(
            "the menu entry starts {}, which is in uv's cache: install matenv permanently (`uv tool install`), then run the command with --menu again",
            program.display()
        ));
    }
    let entry = MenuEntry::new(&ctx.settings, manifest, env, &program)?;
    let written = Menu::from_settings(&ctx.settings).write(&entry)?;
    if let Some(first) = written.first() {
        ctx.events.note(format!("{env} is in the menu: {}", first.display()));
    }
    Ok(written)
}

impl MenuEntry {
    /// Returns the entry of `env`, created from `manifest`. It starts the matenv at `program`.
    pub(crate) fn new(
        settings: &Settings,
        manifest: &Manifest,
        env: &EnvName,
        program: &Path,
    ) -> Result<Self, MenuError> {
        let mut variables = BTreeMap::new();
        // A desktop session does not read the shell's startup files, which set it.
        if settings.home != settings.user_home.join(".matenv") {
            variables.insert("MATENV_HOME".to_owned(), text(&settings.home)?);
        }
        Ok(Self {
            env: env.clone(),
            name: env.to_string(),
            comment: manifest.description.clone(),
            program: text(program)?,
            arguments: vec!["launch".to_owned(), env.to_string()],
            variables,
        })
    }
}

impl Menu {
    /// Returns the menu of the operating system that matenv was built for.
    #[must_use]
    pub(crate) fn from_settings(settings: &Settings) -> Self {
        let (home, variables) = (&settings.user_home, &settings.variables);
        if cfg!(windows) {
            let roaming = variables
                .path("APPDATA")
                .unwrap_or_else(|| home.join("AppData").join("Roaming"));
            Self::Windows {
                programs: roaming
                    .join("Microsoft")
                    .join("Windows")
                    .join("Start Menu")
                    .join("Programs"),
                scripts: settings.home.join("menu"),
            }
        } else if cfg!(target_os = "macos") {
            Self::Macos {
                applications: home.join("Applications"),
            }
        } else {
            Self::Linux {
                data_home: variables
                    .path("XDG_DATA_HOME")
                    .filter(|path| path.is_absolute())
                    .unwrap_or_else(|| home.join(".local").join("share")),
            }
        }
    }

    /// Writes an entry, and replaces an existing one. Returns its files; the first is the one that the menu shows.
    pub(crate) fn write(&self, entry: &MenuEntry) -> Result<Vec<PathBuf>, MenuError> {
        let mut written = Vec::new();
        for file in self.files(entry)? {
            file.write().map_err(MenuError::Write)?;
            written.push(file.path);
        }
        Ok(written)
    }

    /// Removes an environment's entry, if it has one. Returns the removed files.
    pub(crate) fn remove(&self, env: &EnvName) -> Result<Vec<PathBuf>, MenuError> {
        let mut removed = Vec::new();
        for path in self.paths(env) {
            if files::remove_if_exists(&path).map_err(MenuError::Remove)? {
                removed.push(path);
            }
        }
        for folder in self.folders(env) {
            // This fails if the folder does not exist or contains other files.
            let _ = fs_err::remove_dir(folder);
        }
        Ok(removed)
    }

    fn files(&self, entry: &MenuEntry) -> Result<Vec<MenuFile>, MenuError> {
        Ok(match self {
            Self::Linux { data_home } => linux::files(entry, data_home),
            Self::Windows { programs, scripts } => windows::files(entry, programs, scripts)?,
            Self::Macos { applications } => macos::files(entry, applications),
        })
    }

    fn paths(&self, env: &EnvName) -> Vec<PathBuf> {
        match self {
            Self::Linux { data_home } => linux::paths(env, data_home).into(),
            Self::Windows { programs, scripts } => windows::paths(env, programs, scripts).into(),
            Self::Macos { applications } => macos::paths(env, applications).into(),
        }
    }

    /// Returns the folders that exist only for entries, the innermost first.
    fn folders(&self, env: &EnvName) -> Vec<PathBuf> {
        match self {
            Self::Linux { .. } => Vec::new(),
            Self::Windows { programs, scripts } => vec![programs.join("matenv"), scripts.clone()],
            Self::Macos { applications } => macos::folders(env, applications).into(),
        }
    }
}

impl MenuFile {
    fn new(path: PathBuf, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            path,
            bytes: bytes.into(),
            executable: false,
        }
    }

    fn write(&self) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        if self.executable {
            files::write_program(&self.path, &self.bytes)
        } else {
            files::write_whole(&self.path, &self.bytes)
        }
    }
}

fn text(path: &Path) -> Result<String, MenuError> {
    path.to_str()
        .map(ToOwned::to_owned)
        .ok_or_else(|| MenuError::NotText(path.to_owned()))
}

#[cfg(test)]
mod tests;
