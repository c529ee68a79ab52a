//! Qt plugin folders in this shell's variables, for an environment that contains its own Qt.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::trial::Trial;
use crate::{context::Context, doctor::examined::ExaminedPrefix, files::layout};

/// Variables that name folders of Qt plugins.
const VARIABLES: [&str; 2] = ["QT_QPA_PLATFORM_PLUGIN_PATH", "QT_PLUGIN_PATH"];

/// Python bindings whose wheels contain Qt.
pub(crate) const BINDINGS: [&str; 4] = ["PySide6", "PyQt6", "PyQt5", "PySide2"];

/// A folder with plugins of another Qt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plugins {
    /// The variable that names it.
    pub(crate) variable: &'static str,
    /// The path of the folder.
    pub(crate) folder: PathBuf,
    /// The Qt binding of the environment.
    pub(crate) binding: &'static str,
    /// Files in the folder that the environment's Qt really loaded.
    pub(crate) loaded: Vec<PathBuf>,
    /// Why no window can open with the variable, if it can without it.
    pub(crate) broken: Option<String>,
}

/// Returns the Qt binding of an environment.
pub(crate) fn binding(prefix: &Path) -> Option<&'static str> {
    let site_packages = layout::site_packages_of(prefix)?;
    BINDINGS.into_iter().find(|name| site_packages.join(name).is_dir())
}

/// Inspects the variables, and starts the environment's Qt with and without them, without a display.
pub(super) async fn inspect(ctx: &Context, examined: &ExaminedPrefix) -> std::io::Result<Vec<Plugins>> {
    let Some(binding) = binding(&examined.prefix) else {
        return Ok(Vec::new());
    };
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let inside = real(&examined.prefix);
    let statement = format!("from {binding}.QtGui import QGuiApplication; app = QGuiApplication([])");
    let mut found = Vec::new();
    for variable in VARIABLES {
        let Some(value) = ctx.settings.variables.get(variable) else {
            continue;
        };
        let foreign = std::env::split_paths(value).find(|folder| folder.is_dir() && !real(folder).starts_with(&inside));
        let Some(folder) = foreign else { continue };
        let no_screen = ("QT_QPA_PLATFORM", Some(OsString::from("offscreen")));
        let with = [no_screen.clone(), (variable, Some(value.to_owned()))];
        let without = [no_screen];
        let (with, without) = tokio::try_join!(
            Trial::run(ctx, examined, std::slice::from_ref(&statement), &with),
            Trial::run(ctx, examined, std::slice::from_ref(&statement), &without)
        )?;
        let theirs = real(&folder);
        found.push(Plugins {
            variable,
            folder,
            binding,
            loaded: with
                .mapped
                .iter()
                .filter(|file| file.starts_with(&theirs))
                .cloned()
                .collect(),
            broken: with.broken_compared_to(&without).into_iter().next().map(|(_, why)| why),
        });
    }
    Ok(found)
}
