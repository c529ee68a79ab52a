//! uv's cache: each wheel unpacked in a folder of its own, `archive-v*/ID`, with the hashes of its files in the RECORD of
//! its `.dist-info`. uv copies the RECORD into environments, so a change in one does not reach it.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
    str::FromStr as _,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pep440_rs::Version;
use rattler_digest::{Sha256, compute_file_digest};
use rayon::prelude::*;

use super::{Altered, CachesError, normal};
use crate::{
    context::Context,
    lock::LockedWheel,
    process::Job,
    pypi::{self, Uv},
    report::PackageKind,
    settings::Settings,
};

/// An unpacked wheel.
struct Archive {
    folder: PathBuf,
    /// Its `.dist-info`.
    info: PathBuf,
    name: String,
    version: String,
}

pub(super) fn altered(settings: &Settings, wheels: &[LockedWheel], names: &BTreeSet<String>) -> Vec<Altered> {
    let wanted: Vec<&LockedWheel> = wheels
        .iter()
        .filter(|wheel| names.contains(&normal(&wheel.name)))
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let is_wanted = |archive: &Archive| {
        wanted
            .iter()
            .any(|wheel| normal(&wheel.name) == archive.name && same_version(&wheel.version, &archive.version))
    };
    archives(&settings.uv_cache)
        .filter(is_wanted)
        .filter_map(|archive| {
            let files = files(&archive);
            (!files.is_empty()).then_some(Altered {
                kind: PackageKind::Pypi,
                name: archive.name,
                version: archive.version,
                folder: archive.folder,
                files,
            })
        })
        .collect()
}

/// Every unpacked wheel of a cache. What vanishes while it is looked at is none.
fn archives(cache: &Path) -> impl Iterator<Item = Archive> + use<> {
    children(cache)
        .filter(|bucket| file_name(bucket).starts_with("archive-v"))
        .flat_map(|bucket| children(&bucket))
        .filter_map(|folder| {
            children(&folder).find_map(|info| {
                let (name, version) = file_name(&info).strip_suffix(".dist-info")?.split_once('-')?;
                Some(Archive {
                    name: normal(name),
                    version: version.to_owned(),
                    folder: folder.clone(),
                    info: info.clone(),
                })
            })
        })
}

fn children(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn same_version(one: &str, other: &str) -> bool {
    match (Version::from_str(one), Version::from_str(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// The files of an unpacked wheel that differ from its RECORD, or are missing; the RECORD itself where it says nothing.
fn files(archive: &Archive) -> Vec<PathBuf> {
    let record = archive.info.join("RECORD");
    let relative = || {
        let folder = record.strip_prefix(&archive.folder);
        vec![folder.unwrap_or(&record).to_owned()]
    };
    let Ok(bytes) = fs_err::read(&record) else {
        return relative();
    };
    let rows: Result<Vec<csv::StringRecord>, _> = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes.as_slice())
        .records()
        .collect();
    let Ok(rows) = rows else {
        return relative();
    };
    rows.par_iter()
        .filter_map(|row| {
            let path = Path::new(row.get(0)?);
            // Names that lead out of the folder are none of this wheel's files.
            let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
            let (hash, size) = (row.get(1).unwrap_or_default(), row.get(2).unwrap_or_default());
            (inside && differs(&archive.folder.join(path), hash, size)).then(|| path.to_owned())
        })
        .collect()
}

/// Whether the file at `path` is not what its row says: `sha256=…` and a size, either of which may be empty.
fn differs(path: &Path, hash: &str, size: &str) -> bool {
    let Ok(metadata) = fs_err::metadata(path) else {
        return true;
    };
    if size.parse().is_ok_and(|size: u64| size != metadata.len()) {
        return true;
    }
    let Some(expected) = hash.strip_prefix("sha256=") else {
        return false;
    };
    compute_file_digest::<Sha256>(path).map_or(true, |found| {
        URL_SAFE_NO_PAD.encode(found) != expected.trim_end_matches('=')
    })
}

pub(super) async fn remove(ctx: &Context, uv: &Uv, altered: impl Iterator<Item = &Altered>) -> Result<(), CachesError> {
    let names: BTreeSet<&str> = altered.map(|one| one.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let cache = &ctx.settings.uv_cache;
    let failed = |text: String| CachesError::Wheels {
        packages: names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
        folder: cache.clone(),
        text,
    };
    let ended = Job::new(&uv.path, pypi::environment::for_uv(&ctx.settings, cache))
        // Where the cache is stands in a variable; what else is configured does not matter.
        .args(["cache", "clean", "--no-config"])
        .args(&names)
        .run()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if ended.success() {
        Ok(())
    } else {
        let last = ended.stderr.lines().rev().find(|line| !line.trim().is_empty());
        Err(failed(last.map_or_else(|| ended.how(), |line| line.trim().to_owned())))
    }
}
