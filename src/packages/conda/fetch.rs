//! Downloads and extracts conda packages into the package cache, and checks them there.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use futures::future::try_join_all;
use rattler::install::PythonInfo;
use rattler_cache::package_cache::{
    CacheKey, CacheMetadata, CacheReporter, PackageCache, PackageCacheError, PackageCacheLayerError,
};
use rattler_conda_types::{RepoDataRecord, package::DistArchiveType, subdir::Subdir};
use rattler_networking::retry_policies::{DoNotRetryPolicy, RetryDecision, RetryPolicy as _, default_retry_policy};
use rattler_package_streaming::ExtractError;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{
    CondaError,
    archive::{self, ArchiveError},
    host_python,
    large::{self, LargeError},
    link::is_disk_error,
    package_check::{self, CasePair, Inspected, Problem, Target, UnsafePackage},
};
use crate::{
    context::{
        Context,
        event::{Events, Stage, Unit},
    },
    files,
    names::causes::chain,
    packages::path_rules::printable,
};

/// Brings each of `records` into `cache` and checks them all, so that they may be linked into `prefix`.
pub(super) async fn fetch_and_check(
    ctx: &Context,
    cache: &PackageCache,
    prefix: &Path,
    records: &[RepoDataRecord],
) -> Result<(), CondaError> {
    check_hashes(ctx, records)?;
    // No other process may replace a package between its download and its check.
    let locked = cache.acquire_global_lock().await;
    let _alone = locked.map_err(|source| CondaError::Cache {
        folder: ctx.settings.rattler_cache.clone(),
        source: Box::new(source),
    })?;
    let progress = Progress::new(ctx.events.clone(), records);
    let folders = try_join_all(records.iter().map(|record| fetch(ctx, cache, &progress, record))).await?;
    let packages: Vec<Extracted> = records
        .iter()
        .zip(folders)
        .map(|(record, folder)| Extracted {
            may_link_outside: host_python::is_packed_here(ctx, record),
            record: record.clone(),
            folder,
        })
        .collect();
    let target = target(prefix, records)?;
    let checked = tokio::task::spawn_blocking(move || check(&packages, &target)).await;
    let pairs = checked.map_err(|error| CondaError::Io(error.into()))??;
    if let Some(CasePair(one, other)) = pairs.first() {
        // Packages for Linux contain such pairs on purpose: those of ncurses are the names of terminals.
        tracing::info!(
            "{} pairs of files differ only by case, such as `{one}` and `{other}`",
            pairs.len()
        );
    }
    Ok(())
}

/// Checks that the channel lists a hash of each package. With `--allow-unhashed`, a missing hash is a warning.
pub(crate) fn check_hashes(ctx: &Context, records: &[RepoDataRecord]) -> Result<(), CondaError> {
    for record in records {
        package_check::check_record(record, ctx.settings.allow_unhashed)?;
    }
    let names: Vec<String> = unhashed(records).map(|name| format!("`{}`", printable(name))).collect();
    if !names.is_empty() {
        ctx.events.warn(format!(
            "the channel lists no hash of {}, so a changed archive would not be noticed",
            names.join(", ")
        ));
    }
    Ok(())
}

/// Returns the names of the packages of which the channel lists no hash.
pub(crate) fn unhashed(records: &[RepoDataRecord]) -> impl Iterator<Item = &str> {
    let records = records.iter().filter(|record| !package_check::has_hash(record));
    records.map(|record| record.package_record.name.as_normalized())
}

/// A package in the cache.
struct Extracted {
    record: RepoDataRecord,
    folder: PathBuf,
    may_link_outside: bool,
}

fn check(packages: &[Extracted], target: &Target) -> Result<Vec<CasePair>, UnsafePackage> {
    let started = Instant::now();
    let inspected: Vec<Inspected> = packages
        .par_iter()
        .map(|package| {
            let Extracted { record, folder, .. } = package;
            package_check::inspect(record, folder, target, package.may_link_outside).inspect_err(|_| {
                // Other programs use this cache as well, and the next run may find an intact archive.
                if let Err(error) = fs_err::remove_dir_all(folder) {
                    tracing::warn!("failed to remove an unsafe package from the cache: {error}");
                }
            })
        })
        .collect::<Result<_, _>>()?;
    let pairs = package_check::compare(&inspected, target)?;
    tracing::debug!("checked {} conda packages in {:?}", packages.len(), started.elapsed());
    Ok(pairs)
}

fn target(prefix: &Path, records: &[RepoDataRecord]) -> Result<Target, CondaError> {
    let python = records
        .iter()
        .map(|record| &record.package_record)
        .find(|record| record.name.as_normalized() == "python");
    let python = Subdir::current()
        .zip(python)
        .map(|(platform, record)| PythonInfo::from_python_record(record, platform))
        .transpose()
        .map_err(|source| CondaError::Link {
            prefix: prefix.to_owned(),
            source: Box::new(source),
        })?;
    Ok(Target {
        windows: cfg!(windows),
        folds_case: files::folds_case(prefix).map_err(CondaError::Io)?,
        python,
    })
}

async fn fetch(
    ctx: &Context,
    cache: &PackageCache,
    progress: &Arc<Progress>,
    record: &RepoDataRecord,
) -> Result<PathBuf, CondaError> {
    let fetched = fetch_once_or_again(ctx, cache, progress, record).await;
    match fetched {
        Ok(package) => Ok(package.path().to_owned()),
        Err(error) => Err(match unsafe_package(record, &error) {
            Some(unsafe_package) => unsafe_package.into(),
            None => failed(&record.identifier.to_string(), &ctx.settings.rattler_cache, error),
        }),
    }
}

async fn fetch_once_or_again(
    ctx: &Context,
    cache: &PackageCache,
    progress: &Arc<Progress>,
    record: &RepoDataRecord,
) -> Result<CacheMetadata, PackageCacheError> {
    if let Some(fetched) = large::fetch(ctx, cache, progress, record).await {
        return fetched;
    }
    let started = SystemTime::now();
    let mut tries = 0;
    // rattler's own retries also repeat the download of an archive that it refused to extract.
    loop {
        let reporter: Arc<dyn CacheReporter> = progress.clone();
        let (url, client) = (record.url.clone(), ctx.client.lazy());
        let fetched = match record.identifier.archive_type {
            DistArchiveType::Conda(_) => {
                let (client, record) = (ctx.client.clone(), Arc::new(record.clone()));
                let (key, home) = (CacheKey::from(&record.package_record), ctx.settings.home.clone());
                let shown = Arc::clone(&reporter);
                let archive = move |destination| {
                    let (client, record) = (client.clone(), Arc::clone(&record));
                    archive::fetch(client, record, home.clone(), Arc::clone(&shown), destination)
                };
                cache.get_or_fetch(key, archive, Some(reporter)).await
            }
            DistArchiveType::Wheel(_) => {
                let retry = DoNotRetryPolicy;
                cache
                    .get_or_fetch_wheel_from_url_with_retry(
                        &record.package_record,
                        url,
                        client,
                        retry,
                        Some(reporter),
                        None,
                    )
                    .await
            }
        };
        let error = match fetched {
            Ok(package) => return Ok(package),
            Err(error) => error,
        };
        tries += 1;
        let may_help =
            extract_error(&error).is_some_and(ExtractError::should_retry) && unsafe_package(record, &error).is_none();
        match default_retry_policy().should_retry(started, tries) {
            RetryDecision::Retry { execute_after } if may_help => {
                tracing::warn!("failed to download {}: {}", record.identifier, chain(&error));
                ctx.events
                    .warn(format!("the download of {} failed: trying again", record.identifier));
                let pause = execute_after.duration_since(SystemTime::now()).unwrap_or_default();
                tokio::time::sleep(pause).await;
            }
            _ => return Err(error),
        }
    }
}

fn archive_error(error: &PackageCacheError) -> Option<&ArchiveError> {
    let PackageCacheError::LayerError(layer) = error else {
        return None;
    };
    match layer.downcast_ref::<PackageCacheLayerError>()? {
        PackageCacheLayerError::FetchError(error) => {
            let large = || match error.downcast_ref()? {
                LargeError::Refused(error) => Some(error),
                LargeError::Download(_) | LargeError::Extract(_) => None,
            };
            error.downcast_ref::<ArchiveError>().or_else(large)
        }
        _ => None,
    }
}

fn extract_error(error: &PackageCacheError) -> Option<&ExtractError> {
    if let Some(error) = archive_error(error) {
        return match error {
            ArchiveError::Extract(error) => Some(error),
            _ => None,
        };
    }
    let PackageCacheError::LayerError(layer) = error else {
        return None;
    };
    match layer.downcast_ref::<PackageCacheLayerError>()? {
        PackageCacheLayerError::FetchError(error) => {
            let large = || match error.downcast_ref()? {
                LargeError::Extract(error) => Some(error),
                LargeError::Download(_) | LargeError::Refused(_) => None,
            };
            error.downcast_ref::<ExtractError>().or_else(large)
        }
        _ => None,
    }
}

/// Returns the problem of a package that rattler itself refused to put into the cache.
fn unsafe_package(record: &RepoDataRecord, error: &PackageCacheError) -> Option<UnsafePackage> {
    if matches!(error, PackageCacheError::UnsafeCacheKey(_)) {
        return Some(UnsafePackage::whole(record, Problem::Name));
    }
    if let Some(ArchiveError::Unsafe(error)) = archive_error(error) {
        return Some((**error).clone());
    }
    let ExtractError::IoError(io) = extract_error(error)? else {
        return None;
    };
    let text = io.to_string();
    let (path, because) = text.strip_prefix("failed to unpack `")?.split_once("`: ")?;
    let leaves = ["outside of destination", "escapes the destination"]
        .iter()
        .any(|phrase| because.contains(phrase));
    // An entry below a file, or below a link without a target.
    let is_tangled = matches!(
        io.kind(),
        ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    );
    (leaves || is_tangled).then(|| UnsafePackage {
        path: Some(printable(path)),
        ..UnsafePackage::whole(
            record,
            Problem::Unpack {
                because: printable(without_cache(because)),
            },
        )
    })
}

/// Returns rattler's text without the temporary folder in its cache.
fn without_cache(because: &str) -> &str {
    let ends = [": /", " when "].iter().filter_map(|end| because.find(end)).min();
    &because[..ends.unwrap_or(because.len())]
}

/// Turns rattler's error into one that shows what to fix: the archive, the network or the disk.
pub(super) fn failed(package: &str, cache: &Path, source: PackageCacheError) -> CondaError {
    let package = package.to_owned();
    let text = chain(&source).to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if is_disk_error(&source) {
        CondaError::Cache {
            folder: cache.to_owned(),
            source: Box::new(source),
        }
    } else if !says(&CONNECTION_BROKEN) && says(&DAMAGED) {
        CondaError::Damaged {
            package,
            source: Box::new(source),
        }
    } else {
        CondaError::Fetch {
            package,
            source: Box::new(source),
        }
    }
}

/// Error texts for a request that failed, or for a connection that broke during a download. The archive on the server
/// may be intact.
const CONNECTION_BROKEN: [&str; 8] = [
    "error sending request",
    "error following redirect",
    "http status",
    "operation timed out",
    "error decoding response body",
    "error reading a body from connection",
    "end of file before message length",
    "connection reset",
];

/// Error texts for an archive that was downloaded completely but is damaged. A truncated archive can end within a
/// header, an entry or a frame, each with its own error text.
const DAMAGED: [&str; 12] = [
    "hash mismatch",
    "checksum",
    "sha256",
    "md5",
    "size mismatch",
    "failed to extract",
    "unexpected eof",
    "failed to fill whole buffer",
    "may have been truncated",
    "zip",
    "zstd",
    "archive",
];

/// Reports the progress of all downloads together as events.
pub(super) struct Progress {
    events: Events,
    /// Downloaded bytes and size of each download. If the size is unknown, it is the same as the downloaded bytes.
    downloads: Mutex<Vec<(u64, u64)>>,
    total: u64,
}

impl Progress {
    fn new(events: Events, records: &[RepoDataRecord]) -> Arc<Self> {
        let sizes = records.iter().filter_map(|record| record.package_record.size);
        Arc::new(Self {
            events,
            downloads: Mutex::default(),
            total: sizes.fold(0, u64::saturating_add),
        })
    }
}

impl CacheReporter for Progress {
    fn on_validate_start(&self) -> usize {
        0
    }
    fn on_validate_complete(&self, _index: usize) {}
    fn on_download_start(&self) -> usize {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        downloads.push((0, 0));
        downloads.len() - 1
    }
    fn on_download_progress(&self, index: usize, progress: u64, total: Option<u64>) {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(download) = downloads.get_mut(index) {
            *download = (progress, total.unwrap_or(progress));
        }
        let done = downloads.iter().map(|(done, _)| done).sum();
        let total = self.total.max(done);
        self.events
            .progress(Stage::Link, done, Some(total), Unit::Bytes, "conda packages");
    }
    fn on_download_completed(&self, _index: usize) {}
}
