use std::{
    error::Error,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rattler::install::{ExternalSymlinkPolicy, Installer, InstallerError, Reporter, Transaction};
use rattler_conda_types::{PrefixRecord, RepoDataRecord};
use url::Url;

use super::{CondaError, channel};
use crate::{
    context::{
        Context,
        event::{Events, Stage, Unit},
    },
    finding::{Code, Finding, Scope, Severity},
    names::causes::chain,
};

/// The result of [`link`].
#[derive(Debug, Clone)]
pub struct Linked {
    /// Findings about post-link scripts that were not run.
    pub findings: Vec<Finding>,
    /// Number of linked packages.
    pub packages: usize,
    /// Number of linked files.
    pub files: u64,
}

/// Links `records` into the empty folder `prefix`, which must not be moved afterwards.
pub async fn link(ctx: &Context, prefix: &Path, records: &[RepoDataRecord]) -> Result<Linked, CondaError> {
    let reached: Vec<RepoDataRecord> = records.iter().map(|record| through_mirror(ctx, record)).collect();
    let requested = Vec::new();
    Installer::new()
        .with_download_client(ctx.client.lazy())
        .with_package_cache(channel::package_cache(ctx))
        .with_installed_packages(Vec::new())
        .with_requested_specs(requested)
        .with_execute_link_scripts(false)
        // The host's Python is a link to an interpreter outside the prefix.
        .with_external_symlink_policy(ExternalSymlinkPolicy::Allow)
        .with_reporter(Progress::new(ctx.events.clone()))
        .install(prefix, reached)
        .await
        .map_err(|error| failed(prefix, &ctx.settings.rattler_cache, error))?;
    let linked = PrefixRecord::collect_from_prefix::<PrefixRecord>(prefix).map_err(CondaError::Io)?;
    let files = linked.iter().map(|record| record.files.len() as u64).sum();
    Ok(Linked {
        findings: linked.iter().filter_map(post_link_not_run).collect(),
        packages: linked.len(),
        files,
    })
}

fn through_mirror(ctx: &Context, record: &RepoDataRecord) -> RepoDataRecord {
    let mut record = record.clone();
    if let Ok(url) = ctx.settings.sources.mirrored(record.url.as_str()).parse::<Url>() {
        record.url = url;
    }
    record
}

fn post_link_not_run(record: &PrefixRecord) -> Option<Finding> {
    let name = record.repodata_record.package_record.name.as_normalized();
    let script = record.files.iter().find(|file| {
        file.file_name()
            .and_then(|file| file.to_str())
            .is_some_and(|file| file == format!(".{name}-post-link.sh") || file == format!(".{name}-post-link.bat"))
    })?;
    Some(
        Finding::new(
            Code::PostLinkNotRun,
            Severity::Warning,
            Scope::Environment,
            format!("the conda package `{name}` has a post-link script, which matenv does not run"),
        )
        .with_evidence([script.display().to_string()]),
    )
}

/// Turns rattler's error into one that shows what to fix: the archive, the network or the disk.
fn failed(prefix: &Path, cache: &Path, error: InstallerError) -> CondaError {
    match error {
        InstallerError::FailedToFetch(package, source) => {
            let text = chain(&source).to_lowercase();
            let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
            if is_disk_error(&source) {
                CondaError::Cache {
                    folder: cache.to_owned(),
                    source: Box::new(source),
                }
            } else if says(&CONNECTION_BROKEN) {
                CondaError::Fetch {
                    package,
                    source: Box::new(source),
                }
            } else if says(&DAMAGED) {
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
        InstallerError::FailedToAcquireCacheLock(source) => CondaError::Cache {
            folder: cache.to_owned(),
            source: Box::new(source),
        },
        other => CondaError::Link {
            prefix: prefix.to_owned(),
            source: Box::new(other),
        },
    }
}

/// Error texts for a connection that broke during a download. The archive on the server may be intact.
const CONNECTION_BROKEN: [&str; 4] = [
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

/// Returns whether `error` or one of its sources is a disk error: full, over quota, read-only or no permission.
pub(super) fn is_disk_error(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(
                io.kind(),
                StorageFull | QuotaExceeded | PermissionDenied | ReadOnlyFilesystem
            )
        {
            return true;
        }
        at = error.source();
    }
    false
}

/// Reports rattler's progress as events, with the bytes of all downloads together.
struct Progress {
    events: Events,
    names: Mutex<Vec<String>>,
    /// Downloaded bytes and size of each download. If the size is unknown, it is the same as the downloaded bytes.
    downloads: Mutex<Vec<(u64, u64)>>,
    total: AtomicU64,
}

impl Progress {
    fn new(events: Events) -> Self {
        Self {
            events,
            names: Mutex::default(),
            downloads: Mutex::default(),
            total: AtomicU64::new(0),
        }
    }
}

impl Reporter for Progress {
    fn on_transaction_start(&self, transaction: &Transaction<PrefixRecord, RepoDataRecord>) {
        let sizes = transaction.operations.iter().filter_map(|operation| {
            operation
                .record_to_install()
                .and_then(|record| record.package_record.size)
        });
        self.total.store(sizes.sum(), Ordering::Relaxed);
    }
    fn on_transaction_operation_start(&self, _operation: usize) {}
    fn on_populate_cache_start(&self, _operation: usize, record: &RepoDataRecord) -> usize {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.push(record.package_record.name.as_normalized().to_owned());
        names.len() - 1
    }
    fn on_validate_start(&self, cache_entry: usize) -> usize {
        cache_entry
    }
    fn on_validate_complete(&self, _validate_idx: usize) {}
    fn on_download_start(&self, _cache_entry: usize) -> usize {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        downloads.push((0, 0));
        downloads.len() - 1
    }
    fn on_download_progress(&self, download_idx: usize, progress: u64, total: Option<u64>) {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(download) = downloads.get_mut(download_idx) {
            *download = (progress, total.unwrap_or(progress));
        }
        let done = downloads.iter().map(|(done, _)| done).sum();
        let total = self.total.load(Ordering::Relaxed).max(done);
        self.events
            .progress(Stage::Link, done, Some(total), Unit::Bytes, "conda packages");
    }
    fn on_download_completed(&self, _download_idx: usize) {}
    fn on_populate_cache_complete(&self, _cache_entry: usize) {}
    fn on_unlink_start(&self, operation: usize, _record: &PrefixRecord) -> usize {
        operation
    }
    fn on_unlink_complete(&self, _index: usize) {}
    fn on_link_start(&self, operation: usize, _record: &RepoDataRecord) -> usize {
        operation
    }
    fn on_link_complete(&self, _index: usize) {}
    fn on_transaction_operation_complete(&self, _operation: usize) {}
    fn on_transaction_complete(&self) {}
    fn on_post_link_start(&self, _package_name: &str, _script_path: &str) -> usize {
        0
    }
    fn on_post_link_complete(&self, _index: usize, _success: bool) {}
    fn on_pre_unlink_start(&self, _package_name: &str, _script_path: &str) -> usize {
        0
    }
    fn on_pre_unlink_complete(&self, _index: usize, _success: bool) {}
}
