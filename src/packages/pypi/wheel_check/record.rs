//! Checks wheels after uv installed them: those whose archive could not be read before, because it is only in uv's
//! cache or the server sends no parts of files.

use std::path::{Path, PathBuf};

use super::{
    UnsafeWheel,
    rules::{check_command, check_record, commands},
};
use crate::{files::layout, lock::LockedWheel, names::requirement::same_package};

/// Checks the metadata of the installed `wheels`. Reads no other file, and runs nothing.
pub(in super::super) fn check_installed(prefix: &Path, wheels: &[LockedWheel]) -> Result<(), UnsafeWheel> {
    let Some(folder) = layout::site_packages_of(prefix) else {
        return Ok(());
    };
    let infos: Vec<PathBuf> = fs_err::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    for wheel in wheels {
        let is_of_wheel = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let name = name.strip_suffix(".dist-info").and_then(|stem| stem.split('-').next());
            name.is_some_and(|name| same_package(name, &wheel.name))
        };
        let Some(info) = infos.iter().find(is_of_wheel) else {
            continue;
        };
        let text = |name: &str| fs_err::read_to_string(info.join(name)).unwrap_or_default();
        check_record(wheel, &text("RECORD"))?;
        for command in commands(&text("entry_points.txt")) {
            check_command(wheel, command, cfg!(windows))?;
        }
    }
    Ok(())
}
