//! Large conda archives: a cut or stalled download continues where it stopped, also in the next run.
//!
//! rattler extracts a small archive while it downloads it, and starts from the beginning after each cut.

use std::{path::Path, sync::Arc};

use rattler_cache::package_cache::{CacheMetadata, CacheReporter, PackageCache, PackageCacheError};
use rattler_conda_types::{
    RepoDataRecord,
    package::{CondaArchiveType, DistArchiveType},
};
use rattler_digest::Sha256Hash;
use rattler_package_streaming::{ExtractError, tokio::fs::extract};

use super::{
    archive::{self, ArchiveError},
    fetch::Progress,
    link::is_disk_error,
};
use crate::{
    context::{Context, sources::SourceName},
    net::{Client, Download, DownloadError, Remote, file_path},
    packages::downloads,
};

/// Archives from this size on are downloaded to a file first, in bytes.
const LARGE: u64 = 8 * 1024 * 1024;

/// The reason why a large archive is not in the cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum LargeError {
    /// The download failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The archive could not be extracted.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The archive was refused before it was extracted.
    #[error(transparent)]
    Refused(#[from] ArchiveError),
}

/// Brings a large archive into `cache`. Returns `None` if the archive is small, or of unknown size or hash.
pub(super) async fn fetch(
    ctx: &Context,
    cache: &PackageCache,
    progress: &Arc<Progress>,
    record: &RepoDataRecord,
) -> Option<Result<CacheMetadata, PackageCacheError>> {
    // A file of this machine needs no download.
    if file_path(&record.url).is_some() {
        return None;
    }
    let size = record.package_record.size.filter(|size| *size >= LARGE)?;
    let sha256 = hex::encode(record.package_record.sha256?);
    let ending = match record.identifier.archive_type {
        DistArchiveType::Conda(CondaArchiveType::Conda) => "conda",
        DistArchiveType::Conda(CondaArchiveType::TarBz2) => "tar.bz2",
        DistArchiveType::Wheel(_) => return None,
    };
    let archive = Arc::new(Archive {
        client: ctx.client.clone(),
        remote: Remote {
            url: record.url.clone(),
            source: SourceName::CondaForge.to_string(),
            size: Some(size),
        },
        progress: Arc::clone(progress),
        record: record.clone(),
    });
    let folder = downloads(&ctx.settings);
    let reporter: Arc<dyn CacheReporter> = progress.clone();
    let bring = move |destination: std::path::PathBuf| {
        let (archive, folder, sha256) = (Arc::clone(&archive), folder.clone(), sha256.clone());
        async move { archive.bring(&folder, &sha256, ending, &destination).await.map(Some) }
    };
    Some(cache.get_or_fetch(&record.package_record, bring, Some(reporter)).await)
}

struct Archive {
    record: RepoDataRecord,
    client: Client,
    remote: Remote,
    progress: Arc<Progress>,
}

impl Archive {
    /// Downloads the archive and extracts it into `destination`. Returns its SHA-256.
    async fn bring(
        &self,
        folder: &Path,
        sha256: &str,
        ending: &'static str,
        destination: &Path,
    ) -> Result<Sha256Hash, LargeError> {
        let download = Download::open(folder, sha256, ending)
            .await
            .map_err(DownloadError::Io)?;
        let index = self.progress.on_download_start();
        let report = |bytes| self.progress.on_download_progress(index, bytes, self.remote.size);
        let path = download.run(&self.client, &self.remote, &report).await?;
        self.progress.on_download_completed(index);
        let (record, archive) = (self.record.clone(), path.clone());
        let checked = tokio::task::spawn_blocking(move || archive::limit_unpacked_size(&record, &archive))
            .await
            .map_err(|error| ArchiveError::from(std::io::Error::from(error)))?;
        if let Err(error) = checked {
            download.remove().await;
            return Err(error.into());
        }
        let extracted = extract(&path, destination).await;
        // A damaged archive will not be better the next time, but a full disk may be.
        if !extracted.as_ref().is_err_and(|error| is_disk_error(error)) {
            download.remove().await;
        }
        Ok(extracted?.sha256)
    }
}
