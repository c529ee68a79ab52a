//! Wheels in uv's cache whose files were changed after they were unpacked.
//!
//! uv unpacks each wheel into its own folder, `archive-v*/ID`, and links the files from there into environments. The
//! hashes of the files are in the RECORD of the wheel's `.dist-info`. If a file is changed in place in one
//! environment, the file in the cache changes too, and every new environment gets the change. The RECORD itself is
//! copied, not linked, so such a change does not affect it. (For conda packages, rattler checks the cached files
//! before it links them, and drops a changed package. If one changed between the check and the link, the second attempt
//! finds it.)
//!
//! Some wheels are published with a wrong RECORD, so they look changed. This is known once such a wheel was
//! downloaded again, and it is then recorded under the wheel's hash. Until then the wheel is refused offline.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pep440_rs::Version;
use rattler_digest::{Sha256, compute_file_digest};
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    audit::Published,
    context::Context,
    files::write_whole,
    input::{self, Input},
    lock::{LockedWheel, PackageKind},
    names::requirement::normalized,
    packages::pypi::{PypiError, Uv, environment},
    process::Job,
};

/// Time limit for `uv cache clean`. Another uv may lock the cache while it installs.
const LIMIT: Duration = Duration::from_mins(5);

/// A wheel in uv's cache with files that do not match its RECORD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Altered {
    /// Always a wheel.
    pub kind: PackageKind,
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// The folder in the cache.
    pub folder: PathBuf,
    /// The files that differ or are missing, relative to the folder.
    pub files: Vec<PathBuf>,
}

/// Removes the packages among `wheels` that have changed files in uv's cache, and returns them. `uv cache clean`
/// also removes the other versions of a package.
///
/// # Errors
/// uv failed to remove a package, or `--offline` is set and the package could not be downloaded again. In that case
/// the cache stays as it is.
pub(crate) async fn remove_altered(ctx: &Context, uv: &Uv, wheels: &[LockedWheel]) -> Result<Vec<Altered>, PypiError> {
    let (cache, wheels) = (ctx.settings.uv_cache.clone(), wheels.to_vec());
    let found = tokio::task::spawn_blocking(move || altered(&cache, &wheels))
        .await
        .map_err(|error| PypiError::Io(error.into()))?;
    if !found.is_empty() {
        remove(ctx, uv, &found).await?;
    }
    Ok(found)
}

/// Returns the unpacked wheels in `cache` that are among `wheels` and have changed files. Reads every file of these
/// wheels. A missing cache counts as empty.
fn altered(cache: &Path, wheels: &[LockedWheel]) -> Vec<Altered> {
    let is_wanted = |archive: &Archive| {
        wheels
            .iter()
            .any(|wheel| normalized_name(&wheel.name) == archive.name && same_version(&wheel.version, &archive.version))
    };
    archives(cache)
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

/// An unpacked wheel.
struct Archive {
    folder: PathBuf,
    /// The wheel's `.dist-info` folder.
    info: PathBuf,
    name: String,
    version: String,
}

/// Returns every unpacked wheel in a cache. Skips wheels that disappear in the meantime.
fn archives(cache: &Path) -> impl Iterator<Item = Archive> + use<> {
    children(cache)
        .filter(|bucket| file_name(bucket).starts_with("archive-v"))
        .flat_map(|bucket| children(&bucket))
        .filter_map(|folder| {
            children(&folder).find_map(|info| {
                let (name, version) = file_name(&info).strip_suffix(".dist-info")?.split_once('-')?;
                Some(Archive {
                    name: normalized_name(name),
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

/// Returns the files of an unpacked wheel that differ from its RECORD or are missing. Returns the RECORD itself if it
/// is missing or invalid.
fn files(archive: &Archive) -> Vec<PathBuf> {
    let record = archive.info.join("RECORD");
    let relative = || {
        let folder = record.strip_prefix(&archive.folder);
        vec![folder.unwrap_or(&record).to_owned()]
    };
    let Ok(bytes) = input::read(&record, Input::FileList) else {
        return relative();
    };
    let rows: Result<Vec<csv::StringRecord>, _> = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes.as_slice())
        .records()
        .collect();
    // Every wheel has files.
    let Some(rows) = rows.ok().filter(|rows| !rows.is_empty()) else {
        return relative();
    };
    rows.par_iter()
        .filter_map(|row| {
            let path = Path::new(row.get(0)?);
            // A path that leads out of the folder is not a file of this wheel.
            let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
            let (hash, size) = (row.get(1).unwrap_or_default(), row.get(2).unwrap_or_default());
            (inside && differs(&archive.folder.join(path), hash, size)).then(|| path.to_owned())
        })
        .collect()
}

/// Returns whether the file at `path` differs from its row in RECORD: `sha256=…` and a size, which may both be empty.
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

async fn remove(ctx: &Context, uv: &Uv, altered: &[Altered]) -> Result<(), PypiError> {
    let names: BTreeSet<&str> = altered.iter().map(|one| one.name.as_str()).collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let (packages, cache) = (quoted.join(", "), &ctx.settings.uv_cache);
    if ctx.settings.offline {
        return Err(PypiError::AlteredOffline {
            packages,
            folder: cache.clone(),
        });
    }
    ctx.events.note(format!(
        "uv's cache contains changed files of {packages}: downloading them again"
    ));
    let kept = |text: String| PypiError::AlteredKept {
        packages: packages.clone(),
        folder: cache.clone(),
        text,
    };
    let ended = Job::new(&uv.path, environment::for_uv(&ctx.settings, cache))
        // The cache folder is set by a variable. No other configuration matters here.
        .args(["cache", "clean", "--no-config"])
        .args(&names)
        .limit(LIMIT)
        .run()
        .await
        .map_err(|error| kept(error.to_string()))?;
    if ended.success() {
        return Ok(());
    }
    let last = ended.stderr.lines().rev().find(|line| !line.trim().is_empty());
    Err(kept(last.map_or_else(|| ended.how(), |line| line.trim().to_owned())))
}

/// Returns the files for which the own record of the package with this SHA-256 is known to be wrong. If the note cannot
/// be read, the package is installed once more.
pub(crate) fn known_record_errors(ctx: &Context, sha256: &str) -> Vec<Published> {
    let text = input::read_text(&note(ctx, sha256), Input::Record).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Records the `files` for which the package's own record is wrong, and keeps the entries of environments with another
/// Python. Without this note the package is installed twice the next time.
pub(crate) fn save_record_errors(ctx: &Context, sha256: &str, files: &[Published]) {
    let mut known = known_record_errors(ctx, sha256);
    known.retain(|one| files.iter().all(|file| file.path != one.path));
    known.extend_from_slice(files);
    let note = note(ctx, sha256);
    let write = || -> std::io::Result<()> {
        note.parent().map_or(Ok(()), fs_err::create_dir_all)?;
        write_whole(&note, serde_json::to_string_pretty(&known)?)
    };
    if let Err(error) = write() {
        tracing::debug!("{error}");
    }
}

fn note(ctx: &Context, sha256: &str) -> PathBuf {
    // A lock may be written by hand: make sure that nothing in it leads out of the folder.
    let hash: String = sha256.chars().filter(char::is_ascii_hexdigit).collect();
    ctx.settings.home.join("state").join("published-so").join(hash)
}

/// Returns the normalized package name: the folder of a wheel is called `antlr4_python3_runtime`, for example.
pub(crate) fn normalized_name(name: &str) -> String {
    normalized(name).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lock::fixtures, packages::pypi::record_row};

    struct Cache {
        folder: tempfile::TempDir,
    }

    impl Cache {
        fn new() -> Self {
            let cache = Self {
                folder: tempfile::tempdir().expect("a temp folder"),
            };
            for (id, version) in [("one", "1.0"), ("two", "2.0")] {
                cache.write(&format!("archive-v0/{id}/demo_app/__init__.py"), "code");
                let row = record_row("demo_app/__init__.py", b"code");
                let info = format!("demo_app-{version}.dist-info");
                let record = format!("{row}../../outside,,1\n{info}/RECORD,,\n");
                cache.write(&format!("archive-v0/{id}/{info}/RECORD"), &record);
            }
            cache
        }

        fn wheel(&self) -> PathBuf {
            self.folder.path().join("archive-v0/one")
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.folder.path().join(path);
            fs_err::create_dir_all(path.parent().expect("below the folder")).expect("created");
            fs_err::write(path, text).expect("written");
        }

        /// Returns the changed wheels with this name in version 1.0.
        fn altered(&self, name: &str) -> Vec<Altered> {
            altered(self.folder.path(), &[fixtures::wheel(name, "1.0")])
        }
    }

    #[test]
    fn healthy_and_missing_caches_contain_no_changed_files() {
        let cache = Cache::new();
        assert_eq!(cache.altered("demo-app"), []);
        fs_err::remove_dir_all(cache.folder.path()).expect("removed");
        assert_eq!(cache.altered("demo-app"), []);
    }

    #[test]
    fn changed_and_missing_files_are_listed() {
        for text in [Some("edoc"), Some("longer"), Some(""), None] {
            let cache = Cache::new();
            let file = cache.wheel().join("demo_app/__init__.py");
            match text {
                Some(text) => fs_err::write(file, text).expect("written"),
                None => fs_err::remove_file(file).expect("removed"),
            }
            let found = cache.altered("demo_app");
            assert_eq!(found.len(), 1, "{text:?}");
            assert_eq!((found[0].kind, found[0].version.as_str()), (PackageKind::Pypi, "1.0"));
            assert_eq!(found[0].files, [PathBuf::from("demo_app/__init__.py")]);
            assert_eq!(found[0].folder, cache.wheel());
            assert_eq!(cache.altered("tool"), [], "it was not requested");
        }
    }

    #[test]
    fn a_wheel_with_an_empty_record_or_without_one_counts_as_changed() {
        let cache = Cache::new();
        let record = cache.wheel().join("demo_app-1.0.dist-info/RECORD");
        fs_err::write(&record, "").expect("written");
        let found = cache.altered("demo-app");
        assert_eq!(found[0].files, [Path::new("demo_app-1.0.dist-info/RECORD")]);
        fs_err::remove_file(record).expect("removed");
        assert_eq!(cache.altered("demo-app"), found);
    }

    #[test]
    fn another_version_in_the_cache_is_ignored() {
        let cache = Cache::new();
        cache.write("archive-v0/two/demo_app/__init__.py", "changed");
        assert_eq!(cache.altered("demo-app"), []);
    }
}
