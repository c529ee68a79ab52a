//! Downloads the archive of a conda package, compares it with its record, limits its unpacked size, and extracts it.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rattler_cache::package_cache::CacheReporter;
use rattler_conda_types::{RepoDataRecord, package::PathsJson};
use rattler_digest::{Md5, Sha256, Sha256Hash, compute_file_digest};
use rattler_package_streaming::ExtractError;
use url::Url;

use super::package_check::{Problem, UnsafePackage};
use crate::{
    files::{TemporaryFolder, bytes},
    net::{Client, file_path},
    packages::unpacked_size::{self, Unpacked},
};

/// Bytes that a `.conda` package may unpack to in addition to the sizes in its own `info/paths.json`.
const UNDECLARED: u64 = 16 * 1024 * 1024;

/// The largest archive of a channel that lists no sizes, in bytes. The largest packages of conda-forge have 3 GB.
const LARGEST: u64 = 8 << 30;

/// Longest `info/paths.json` in bytes. Packages with 50,000 files have 15 MB.
const PATHS_LIMIT: u64 = 256 * 1024 * 1024;

/// An error while a package is brought into the cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// The archive could not be downloaded or extracted.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The archive has another hash than its record.
    #[error("hash mismatch: the channel lists {kind} {listed}, but the archive has {found}")]
    Hash {
        kind: &'static str,
        listed: String,
        found: String,
    },
    /// The archive has another size than its record.
    #[error("size mismatch: the channel lists {listed} bytes, but the archive has {found}")]
    Size { listed: u64, found: u64 },
    /// The server sends more than any archive has.
    #[error("the archive has more than {limit}, and the channel lists no size")]
    Endless {
        /// The limit, formatted.
        limit: String,
    },
    /// The URL of the record is that of a device, a pipe or a folder.
    #[error("the archive {} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The package was refused.
    #[error(transparent)]
    Unsafe(#[from] Box<UnsafePackage>),
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        ExtractError::IoError(error).into()
    }
}

/// Brings the package of `record` into `destination`. Returns the hash of its archive.
pub(super) async fn fetch(
    client: Client,
    record: Arc<RepoDataRecord>,
    home: PathBuf,
    reporter: Arc<dyn CacheReporter>,
    destination: PathBuf,
) -> Result<Option<Sha256Hash>, ArchiveError> {
    let (archive, _kept) = if let Some(path) = file_path(&record.url) {
        (path, None)
    } else {
        let folder = TemporaryFolder::new(&home)?;
        let archive = folder.path().join("archive");
        download(&client, &record.url, &archive, record.package_record.size, &*reporter).await?;
        (archive, Some(folder))
    };
    let (of_check, checked) = (Arc::clone(&record), archive.clone());
    tokio::task::spawn_blocking(move || check(&of_check, &checked))
        .await
        .map_err(io::Error::from)??;
    let is_conda = is_conda(&record);
    let extracted = if is_conda {
        rattler_package_streaming::tokio::fs::extract_conda(&archive, &destination).await?
    } else {
        rattler_package_streaming::tokio::fs::extract_tar_bz2(&archive, &destination).await?
    };
    Ok(Some(extracted.sha256))
}

fn is_conda(record: &RepoDataRecord) -> bool {
    Path::new(record.url.path())
        .extension()
        .is_some_and(|ending| ending == "conda")
}

async fn download(
    client: &Client,
    url: &Url,
    archive: &Path,
    size: Option<u64>,
    reporter: &dyn CacheReporter,
) -> Result<(), ArchiveError> {
    let request = client.lazy().client().get(url.clone()).send().await;
    let response = request.and_then(|response| response.error_for_status().map_err(Into::into));
    let mut response = response.map_err(ExtractError::from)?;
    let mut file = fs_err::File::create(archive)?;
    let index = reporter.on_download_start();
    let total = response.content_length().or(size);
    let mut done = 0;
    while let Some(chunk) = response.chunk().await.map_err(io::Error::other)? {
        done += chunk.len() as u64;
        if let Some(listed) = size.filter(|listed| done > *listed) {
            return Err(ArchiveError::Size { listed, found: done });
        }
        if done > LARGEST {
            return Err(ArchiveError::Endless { limit: bytes(LARGEST) });
        }
        file.write_all(&chunk)?;
        reporter.on_download_progress(index, done, total);
    }
    file.flush()?;
    reporter.on_download_completed(index);
    Ok(())
}

/// Compares the archive with its record, and limits its unpacked size.
fn check(record: &RepoDataRecord, archive: &Path) -> Result<(), ArchiveError> {
    // A pipe or a device could be read without end.
    let metadata = fs_err::metadata(archive)?;
    if !metadata.is_file() {
        return Err(ArchiveError::NotAFile(archive.to_owned()));
    }
    let (listed, found) = (&record.package_record, metadata.len());
    if let Some(listed) = listed.size.filter(|listed| *listed != found) {
        return Err(ArchiveError::Size { listed, found });
    }
    let differs = |kind, listed: &[u8], found: &[u8]| {
        let (listed, found) = (hex::encode(listed), hex::encode(found));
        Err(ArchiveError::Hash { kind, listed, found })
    };
    if let Some(listed) = listed.sha256 {
        let found = compute_file_digest::<Sha256>(archive)?;
        if found != listed {
            return differs("SHA-256", &listed, &found);
        }
    } else if let Some(listed) = listed.md5 {
        let found = compute_file_digest::<Md5>(archive)?;
        if found != listed {
            return differs("MD5", &listed, &found);
        }
    }
    limit_unpacked_size(record, archive)
}

/// Refuses an archive that unpacks to too much.
pub(super) fn limit_unpacked_size(record: &RepoDataRecord, archive: &Path) -> Result<(), ArchiveError> {
    let found = fs_err::metadata(archive)?.len();
    let limit = unpacked_size::limit(found);
    let counted = if is_conda(record) {
        count_conda(archive, limit)
    } else {
        let file = BufReader::new(File::open(archive)?);
        unpacked_size::count_tar(bzip2::read::MultiBzDecoder::new(file), limit).map(|counted| (counted, limit))
    };
    match counted {
        Ok((Unpacked::TooLarge, limit)) => Err(Box::new(UnsafePackage::whole(
            record,
            Problem::Bomb {
                limit: bytes(limit),
                size: bytes(found),
            },
        ))
        .into()),
        Ok((Unpacked::Bytes(_), _)) => Ok(()),
        // rattler reports a damaged archive when it extracts it.
        Err(error) => {
            tracing::debug!("failed to count the files of {}: {error}", record.identifier);
            Ok(())
        }
    }
}

/// Counts the bytes of a `.conda` archive in the way in which it is extracted. Returns the limit as well, which is the
/// size that the package itself declares.
fn count_conda(archive: &Path, limit: u64) -> io::Result<(Unpacked, u64)> {
    let limit = declared_size(archive, limit)?.map_or(limit, |declared| limit.min(declared + UNDECLARED));
    let mut reader = BufReader::new(File::open(archive)?);
    let mut total = 0;
    while let Some(file) = zip::read::read_zipfile_from_stream(&mut reader).map_err(io::Error::from)? {
        if !file.name().map_err(io::Error::from)?.ends_with(".tar.zst") {
            continue;
        }
        match unpacked_size::count_tar(zstd::Decoder::new(file)?, limit.saturating_sub(total))? {
            Unpacked::Bytes(bytes) => total += bytes,
            Unpacked::TooLarge => return Ok((Unpacked::TooLarge, limit)),
        }
    }
    Ok((Unpacked::Bytes(total), limit))
}

/// Returns the size of all files that `info/paths.json` declares, or `None` if it does not declare all of them.
fn declared_size(archive: &Path, limit: u64) -> io::Result<Option<u64>> {
    let mut zip = zip::ZipArchive::new(BufReader::new(File::open(archive)?)).map_err(io::Error::from)?;
    let is_info = |name: &String| name.starts_with("info-") && name.ends_with(".tar.zst");
    let names = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned()));
    let Some(name) = names.into_iter().find(is_info) else {
        return Ok(None);
    };
    let info = zip.by_name(&name).map_err(io::Error::from)?;
    let mut info = tar::Archive::new(zstd::Decoder::new(info)?.take(limit));
    for entry in info.entries()? {
        let entry = entry?;
        if *entry.path_bytes() != *b"info/paths.json" {
            continue;
        }
        let mut text = String::new();
        entry.take(PATHS_LIMIT).read_to_string(&mut text)?;
        let paths: PathsJson = serde_json::from_str(&text)?;
        let sizes = paths
            .paths
            .iter()
            .map(|path| Some(path.size_in_bytes? + unpacked_size::PER_FILE));
        return Ok(sizes.sum());
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use rattler_conda_types::RepoData;

    use super::*;
    use crate::{context::skip::skip, packages::conda::package_check};

    /// Real packages must not be refused.
    #[tokio::test]
    async fn the_packages_of_the_shared_channel_are_safe() {
        let channel = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/channel");
        if !channel.is_dir() {
            skip("../shared/channel is missing");
            return;
        }
        let mut checked = 0;
        for subdir in ["linux-64", "noarch"] {
            let folder = channel.join(subdir);
            let repodata = RepoData::from_path(folder.join("repodata.json")).expect("records");
            let url = Url::from_directory_path(fs_err::canonicalize(&folder).expect("a folder")).expect("a URL");
            for mut record in repodata.into_repo_data_records(&rattler_conda_types::Channel::from_url(url.clone())) {
                record.url = url.join(&record.identifier.to_string()).expect("a URL");
                let archive = file_path(&record.url).expect("a file");
                check(&record, &archive).unwrap_or_else(|error| panic!("{}: {error}", record.url));
                if is_conda(&record) {
                    let size = fs_err::metadata(&archive).expect("there").len();
                    let declared = declared_size(&archive, u64::MAX)
                        .expect("read")
                        .expect("all sizes are declared");
                    let (counted, limit) = count_conda(&archive, unpacked_size::limit(size)).expect("counted");
                    // Far from the limits, so that other real packages have room as well.
                    assert!(limit <= declared + UNDECLARED, "{}", record.url);
                    let Unpacked::Bytes(counted) = counted else {
                        panic!("{} is too large", record.url);
                    };
                    assert!(
                        counted <= declared + UNDECLARED / 4,
                        "{}: {counted} of {declared}",
                        record.url
                    );
                    assert!(counted <= size * 30 + UNDECLARED, "{}: {counted} of {size}", record.url);
                }
                let extracted = tempfile::tempdir().expect("a temp folder");
                let to = extracted.path();
                if is_conda(&record) {
                    rattler_package_streaming::tokio::fs::extract_conda(&archive, to).await
                } else {
                    rattler_package_streaming::tokio::fs::extract_tar_bz2(&archive, to).await
                }
                .expect("extracted");
                let target = package_check::Target {
                    windows: false,
                    folds_case: false,
                    python: None,
                };
                package_check::inspect(&record, to, &target, false).expect("safe");
                checked += 1;
            }
        }
        assert!(checked > 15, "only {checked} packages");
    }
}
