use std::{error::Error, path::Path};

use rattler::install::{ExternalSymlinkPolicy, Installer, InstallerError};
use rattler_conda_types::{PrefixRecord, RepoDataRecord};
use url::Url;

use super::{CondaError, channel, fetch};
use crate::{
    context::Context,
    finding::{Code, Finding, Scope, Severity},
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

/// Links `records` into the empty folder `prefix`, which must not be moved afterwards. Every package is downloaded and
/// checked before the first file is linked.
pub async fn link(ctx: &Context, prefix: &Path, records: &[RepoDataRecord]) -> Result<Linked, CondaError> {
    let reached: Vec<RepoDataRecord> = records.iter().map(|record| through_mirror(ctx, record)).collect();
    let cache = channel::package_cache(ctx);
    fetch::fetch_and_check(ctx, &cache, prefix, &reached).await?;
    let requested = Vec::new();
    Installer::new()
        .with_download_client(ctx.client.lazy())
        .with_package_cache(cache)
        .with_installed_packages(Vec::new())
        .with_requested_specs(requested)
        .with_execute_link_scripts(false)
        // The host's Python is a link to an interpreter outside the prefix. The links of all others were checked.
        .with_external_symlink_policy(ExternalSymlinkPolicy::Allow)
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
        InstallerError::FailedToFetch(package, source) => fetch::failed(&package, cache, source),
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

/// Returns whether `error` or one of its sources is an error of this machine: a disk that is full, over quota,
/// read-only or broken, a missing permission, or too many open files.
pub(super) fn is_disk_error(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && (matches!(
                io.kind(),
                StorageFull | QuotaExceeded | PermissionDenied | ReadOnlyFilesystem
            ) || io.raw_os_error().is_some_and(|code| BROKEN.contains(&code)))
        {
            return true;
        }
        at = error.source();
    }
    false
}

/// Error numbers for which the standard library has no kind: EIO, ENFILE and EMFILE.
#[cfg(unix)]
const BROKEN: [i32; 3] = [
    rustix::io::Errno::IO.raw_os_error(),
    rustix::io::Errno::NFILE.raw_os_error(),
    rustix::io::Errno::MFILE.raw_os_error(),
];
/// Error numbers for which the standard library has no kind: `ERROR_TOO_MANY_OPEN_FILES` and `ERROR_IO_DEVICE`.
#[cfg(not(unix))]
const BROKEN: [i32; 2] = [4, 1117];

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: a disk that returns errors, and too many open files, were reported as a failed download.
    #[cfg(unix)]
    #[test]
    fn a_broken_disk_and_too_many_open_files_are_errors_of_this_machine() {
        use rustix::io::Errno;
        for (errno, expected) in [
            (Errno::IO, true),
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOSPC, true),
            (Errno::CONNRESET, false),
        ] {
            let error = CondaError::Io(errno.into());
            assert_eq!(is_disk_error(&error), expected, "{errno:?}");
        }
    }
}
