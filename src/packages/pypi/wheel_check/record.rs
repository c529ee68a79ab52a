//! Checks wheels after uv installed them: those whose archive could not be read before, because it is only in uv's
//! cache or the server sends no parts of files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rattler_conda_types::PrefixRecord;

use super::{
    UnsafeWheel, WheelProblem,
    rules::{check_command, check_data, commands, is_outside, rows},
};
use crate::{
    files::layout,
    input::{self, Input},
    lock::LockedWheel,
    names::requirement::same_package,
    packages::path_rules::PathRules,
};

/// Checks where the files of the installed `wheels` are, and their commands. Reads only metadata, and runs nothing.
pub(in super::super) fn check_installed(prefix: &Path, wheels: &[LockedWheel]) -> Result<(), UnsafeWheel> {
    let Some(folder) = layout::site_packages_of(prefix).filter(|_| !wheels.is_empty()) else {
        return Ok(());
    };
    let site_packages = folder.strip_prefix(prefix).unwrap_or(&folder);
    let site_packages = site_packages.to_string_lossy().replace('\\', "/");
    let infos: Vec<PathBuf> = fs_err::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    let mut conda = None;
    for wheel in wheels {
        let is_of_wheel = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let name = name.strip_suffix(".dist-info").and_then(|stem| stem.split('-').next());
            name.is_some_and(|name| same_package(name, &wheel.name))
        };
        let Some(info) = infos.iter().find(is_of_wheel) else {
            continue;
        };
        let text = |name: &str| input::read_text(&info.join(name), Input::Metadata).unwrap_or_default();
        for command in commands(&text("entry_points.txt")) {
            check_command(wheel, command, cfg!(windows))?;
        }
        for row in rows(&text("RECORD")) {
            let refuse = |problem: WheelProblem| Err(UnsafeWheel::at(wheel, &row, problem));
            if is_outside(&row) {
                return refuse(WheelProblem::RecordOutside);
            }
            let path = below_prefix(&site_packages, &row);
            let in_folder = path
                .strip_prefix(&site_packages)
                .and_then(|rest| rest.strip_prefix('/'));
            if in_folder.is_some_and(|rest| rest.contains('/')) {
                continue;
            }
            if in_folder.is_none() {
                let rules = PathRules { windows: cfg!(windows) };
                if let Err(problem) = rules.check(&path) {
                    return refuse(problem.into());
                }
                check_data(wheel, &path, &path)?;
            }
            let conda = conda.get_or_insert_with(|| files_of_conda(prefix));
            if let Some(package) = conda.get(&path) {
                let package = package.clone();
                return Err(UnsafeWheel::at(wheel, &path, WheelProblem::Clobbers { package }));
            }
        }
    }
    Ok(())
}

/// Returns `row`, which is relative to `site-packages`, relative to the prefix.
fn below_prefix(site_packages: &str, row: &str) -> String {
    let mut names: Vec<&str> = site_packages.split('/').collect();
    for name in row.split(['/', '\\']) {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Returns the files of the conda packages, with the package of each.
fn files_of_conda(prefix: &Path) -> BTreeMap<String, String> {
    let records = PrefixRecord::collect_from_prefix::<PrefixRecord>(prefix).unwrap_or_default();
    let mut files = BTreeMap::new();
    for record in records {
        let package = record.repodata_record.identifier.to_string();
        for file in record.files {
            files.insert(file.to_string_lossy().replace('\\', "/"), package.clone());
        }
    }
    files
}
