//! rattler's package cache: a folder for each package, `pkgs/NAME-VERSION-BUILD`, with the hashes of its files in
//! `info/paths.json`. The files of `info` are linked into no environment.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rattler_cache::{
    PACKAGE_CACHE_DIR,
    package_cache::PackageCache,
    validation::{ValidationMode, validate_package_directory_from_paths},
};
use rattler_conda_types::{
    RepoDataRecord,
    package::{PackageFile as _, PathsJson},
    utils::ensure_safe_path_component,
};
use rayon::prelude::*;

use super::{Altered, CachesError, normal};
use crate::{context::Context, report::PackageKind, settings::Settings};

pub(super) fn altered(settings: &Settings, records: &[RepoDataRecord], names: &BTreeSet<String>) -> Vec<Altered> {
    records
        .iter()
        .filter_map(|record| {
            let package = &record.package_record;
            let (name, version) = (package.name.as_normalized(), package.version.to_string());
            if !names.contains(&normal(name)) {
                return None;
            }
            let entry = format!("{name}-{version}-{}", package.build);
            // A lock is a file that somebody may have written: no name in it leads out of the cache.
            ensure_safe_path_component(&entry).ok()?;
            let folder = cache(settings).join(entry);
            let files = files(&folder);
            (!files.is_empty()).then(|| Altered {
                kind: PackageKind::Conda,
                name: name.to_owned(),
                version,
                folder,
                files,
            })
        })
        .collect()
}

fn cache(settings: &Settings) -> PathBuf {
    settings.rattler_cache.join(PACKAGE_CACHE_DIR)
}

/// The files of a cached package that differ from its list, or are missing.
fn files(folder: &Path) -> Vec<PathBuf> {
    if !folder.is_dir() {
        return Vec::new();
    }
    let paths =
        PathsJson::from_package_directory(folder).or_else(|_| PathsJson::from_deprecated_package_directory(folder));
    let Ok(PathsJson { paths, paths_version }) = paths else {
        return vec![PathsJson::package_path().to_owned()];
    };
    paths
        .into_par_iter()
        .filter_map(|entry| {
            let file = entry.relative_path.clone();
            // One file at a time: rattler's check of a whole package ends at the first that differs.
            let one = PathsJson {
                paths: vec![entry],
                paths_version,
            };
            validate_package_directory_from_paths(folder, &one, ValidationMode::Full)
                .is_err()
                .then_some(file)
        })
        .collect()
}

pub(super) async fn remove(ctx: &Context, altered: impl Iterator<Item = &Altered>) -> Result<(), CachesError> {
    let altered: Vec<_> = altered.collect();
    let Some(first) = altered.first() else {
        return Ok(());
    };
    let cache = cache(&ctx.settings);
    let failed = |one: &Altered, source: Box<dyn std::error::Error + Send + Sync>| CachesError::Conda {
        package: one.name.clone(),
        folder: cache.clone(),
        source,
    };
    // Others wait for this lock before they link from the cache or unpack into it.
    let _held = PackageCache::new(cache.clone())
        .acquire_global_lock()
        .await
        .map_err(|error| failed(first, Box::new(error)))?;
    for one in altered {
        take_away(&one.folder).map_err(|error| failed(one, Box::new(error)))?;
    }
    Ok(())
}

/// Under another name first: a crash then leaves no half package that looks whole. The file beside it that counts the
/// folder's revisions stays, so that programs that know this one see that the next is another.
fn take_away(folder: &Path) -> std::io::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let trash = tempfile::Builder::new()
        .prefix(&format!(".{name}"))
        .tempdir_in(folder.parent().unwrap_or(folder))?;
    match fs_err::rename(folder, trash.path().join("altered")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        // Another program was quicker, or it is in the trash.
        _ => trash.close(),
    }
}
