//! Downloads of large files that continue where an earlier attempt or an earlier run stopped.
//!
//! Input: a URL, and the SHA-256 and size from a lock. Output: a complete file whose SHA-256 is the locked one.
//!
//! ```text
//! MATENV_HOME/downloads/<sha256>.part   the bytes so far
//! MATENV_HOME/downloads/<sha256>.json   the validators of the server's file, to notice that it was replaced
//! MATENV_HOME/downloads/<sha256>.whl    the complete file, until the installer has taken it; also .conda, .tar.bz2
//! MATENV_HOME/downloads/<sha256>.lock   locked by the process that uses the files above
//! ```

mod partial;
mod stale;

pub(crate) use stale::{STALE_AFTER, remove_stale};

use std::{
    fs::TryLockError,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use fs_err::tokio as fs;
use rattler_digest::{Sha256, compute_file_digest};
use reqwest::{Response, StatusCode, header};
use url::Url;

use partial::{Partial, Validators, range, unsatisfied};

use super::{
    Client, innermost,
    retry::{Delay, LONGEST_WAIT, asked_to_wait, backoff},
};
use crate::input::{self, Input};

/// An attempt that brings at least this many bytes counts as progress: the count of failures begins again.
const PROGRESS: u64 = 1024 * 1024;
/// Number of attempts without progress before the download fails.
const ATTEMPTS: u32 = 4;
/// Number of waits that a busy source may ask for without progress in between.
const WAITS: u32 = 8;
/// The interval at which a waiting process tries to take a lock.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The reason why a file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The source answered with an HTTP error.
    #[error("HTTP status {0}")]
    Status(u16),
    /// The source does not answer, or the connection is cut again and again.
    #[error("{0}")]
    NoAnswer(String),
    /// The source serves a file of another size.
    #[error("size mismatch: expected {expected} bytes, the source sends {found}")]
    Size {
        /// The size in the lock, in bytes.
        expected: u64,
        /// The size of the source's file, in bytes.
        found: u64,
    },
    /// The complete file has another SHA-256.
    #[error("hash mismatch: expected {expected}, computed {found}")]
    Hash {
        /// The SHA-256 in the lock.
        expected: String,
        /// The SHA-256 of the downloaded file.
        found: String,
    },
    /// The file could not be written.
    #[error("failed to write the download")]
    Io(#[from] io::Error),
}

/// The file to download.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    /// Its URL, with credentials if it needs any.
    pub(crate) url: Url,
    /// Name of the source that it belongs to, for messages.
    pub(crate) source: String,
    /// Its size in bytes, if known.
    pub(crate) size: Option<u64>,
}

/// The files of one download. No other process uses them while this value exists.
#[derive(Debug)]
pub(crate) struct Download {
    folder: PathBuf,
    sha256: String,
    /// The ending of the complete file's name, such as `whl`.
    ending: &'static str,
    /// Whether another process used the files first.
    pub(crate) waited: bool,
    // The operating system releases the lock when the file is closed.
    _lock: fs_err::File,
}

/// The result of one attempt that did not bring the rest of the file.
enum Stopped {
    /// Another attempt may help.
    Retry {
        because: DownloadError,
        delay: Option<Delay>,
    },
    /// Another attempt does not help.
    Fatal(DownloadError),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Fatal(error.into())
    }
}

impl Download {
    /// Takes the files of the download with this SHA-256 (64 hex digits), and waits while another process uses them.
    pub(crate) async fn open(folder: &Path, sha256: &str, ending: &'static str) -> io::Result<Self> {
        fs::create_dir_all(folder).await?;
        let lock = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(format!("{sha256}.lock")))?;
        let mut waited = false;
        // Without locks two processes may spoil each other's file. Its hash then differs, and it starts again.
        while let Err(TryLockError::WouldBlock) = lock.file().try_lock() {
            waited = true;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(Self {
            folder: folder.to_owned(),
            sha256: sha256.to_owned(),
            ending,
            waited,
            _lock: lock,
        })
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.sha256))
    }

    /// Returns the path of the complete file.
    pub(crate) fn complete(&self) -> PathBuf {
        self.path(self.ending)
    }

    /// Downloads the rest of the file, and checks its size and SHA-256. Calls `progress` with the number of bytes that
    /// are there.
    pub(crate) async fn run(
        &self,
        client: &Client,
        remote: &Remote,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<PathBuf, DownloadError> {
        let complete = self.complete();
        if let Ok(metadata) = fs::metadata(&complete).await {
            // An earlier run downloaded it. A power failure or another program may have changed it since.
            if self.is_intact(&complete).await {
                progress(metadata.len());
                return Ok(complete);
            }
            fs::remove_file(&complete).await?;
        }
        let mut partial = Partial::open(&self.path("part")).await?;
        let (mut failures, mut waits) = (0, 0);
        // A server that ignores ranges sends the same bytes again, which is no progress.
        let mut best = partial.at;
        let mut started_again = false;
        loop {
            let stopped = match self.attempt(client, remote, &mut partial, progress).await {
                Ok(()) => match self.finish(&mut partial).await? {
                    Some(found) if partial.joined && !started_again => {
                        tracing::info!("the continued download has the hash {found}: starting it again");
                        started_again = true;
                        partial.restart().await?;
                        continue;
                    }
                    Some(found) => {
                        self.remove().await;
                        let expected = self.sha256.clone();
                        return Err(DownloadError::Hash { expected, found });
                    }
                    None => return Ok(complete),
                },
                Err(stopped) => stopped,
            };
            partial.flush().await?;
            let (because, delay) = match stopped {
                Stopped::Fatal(error) => {
                    if matches!(error, DownloadError::Size { .. }) {
                        self.remove().await;
                    }
                    return Err(error);
                }
                Stopped::Retry { because, delay } => (because, delay),
            };
            if partial.at >= best + PROGRESS {
                (failures, waits, best) = (0, 0, partial.at);
            }
            let pause = match delay {
                Some(Delay::Asked(pause)) if pause <= LONGEST_WAIT && waits < WAITS => {
                    waits += 1;
                    pause
                }
                _ if failures + 1 < ATTEMPTS => {
                    failures += 1;
                    backoff(failures - 1)
                }
                _ => return Err(because),
            };
            let cut = matches!(because, DownloadError::NoAnswer(_)).then_some(Delay::Cut);
            if let Some(delay) = delay.or(cut) {
                client.delayed(&remote.url, Some(&remote.source), delay);
            } else {
                tracing::debug!("{}: {because}: trying again", self.sha256);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Requests the rest of the file and appends it.
    async fn attempt(
        &self,
        client: &Client,
        remote: &Remote,
        partial: &mut Partial,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Stopped> {
        if remote.size.is_some_and(|size| partial.at > size) {
            partial.restart().await?;
        }
        if remote.size == Some(partial.at) {
            return Ok(());
        }
        // A server that compresses a response counts other bytes.
        let mut request = client.once().get(remote.url.as_str());
        request = request.header(header::ACCEPT_ENCODING, "identity");
        let validators = self.validators();
        if partial.at > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", partial.at));
            if let Some(validator) = validators.if_range() {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        let mut response = request.send().await.map_err(|error| match &error {
            error if error.is_redirect() => Stopped::Fatal(DownloadError::NoAnswer(innermost(error))),
            error => unanswered(error, error.is_timeout()),
        })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if range(&response).is_some_and(|(from, _)| from == partial.at) => {
                partial.joined = true;
            }
            // The server's file changed, or the server does not send parts of files: begin again.
            StatusCode::OK => partial.restart().await?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if partial.at > 0 => {
                if remote.size.is_none() && unsatisfied(&response) == Some(partial.at) {
                    return Ok(());
                }
                partial.restart().await?;
                return Err(Stopped::Retry {
                    because: DownloadError::Status(response.status().as_u16()),
                    delay: None,
                });
            }
            _ => return Err(refused(&response)),
        }
        check_size(remote, &response)?;
        if partial.at == 0 {
            self.write_validators(&Validators::of(&response)).await?;
        }
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|error| unanswered(&error, error.is_timeout()))?;
            let Some(chunk) = chunk else { break };
            if let Some(expected) = remote.size
                && partial.at + chunk.len() as u64 > expected
            {
                let found = partial.at + chunk.len() as u64;
                return Err(Stopped::Fatal(DownloadError::Size { expected, found }));
            }
            partial.append(&chunk).await?;
            progress(partial.at);
        }
        partial.flush().await?;
        match remote.size {
            Some(expected) if partial.at < expected => Err(Stopped::Retry {
                because: DownloadError::Size {
                    expected,
                    found: partial.at,
                },
                delay: None,
            }),
            _ => Ok(()),
        }
    }

    /// Gives the complete file its final name. Returns the SHA-256 of the file if it is not the expected one.
    async fn is_intact(&self, complete: &Path) -> bool {
        let file = complete.to_owned();
        let digest = tokio::task::spawn_blocking(move || compute_file_digest::<Sha256>(&file)).await;
        digest.is_ok_and(|digest| digest.is_ok_and(|digest| hex::encode(digest) == self.sha256))
    }

    async fn finish(&self, partial: &mut Partial) -> io::Result<Option<String>> {
        let found = partial.digest();
        if found != self.sha256 {
            return Ok(Some(found));
        }
        fs::rename(self.path("part"), self.complete()).await?;
        let _ = fs::remove_file(self.path("json")).await;
        Ok(None)
    }

    fn validators(&self) -> Validators {
        let text = input::read_text(&self.path("json"), Input::Record).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn write_validators(&self, validators: &Validators) -> io::Result<()> {
        let text = serde_json::to_string(validators).map_err(io::Error::other)?;
        fs::write(self.path("json"), text).await
    }

    /// Removes all files of the download but the lock.
    pub(crate) async fn remove(&self) {
        for ending in ["part", "json", self.ending] {
            // A file that stays is removed when it is stale.
            let _ = fs::remove_file(self.path(ending)).await;
        }
    }
}

/// Compares the size that the server announces with the locked one.
fn check_size(remote: &Remote, response: &Response) -> Result<(), Stopped> {
    let announced = match range(response) {
        Some((_, total)) => total,
        None => response.content_length(),
    };
    match (remote.size, announced) {
        (Some(expected), Some(found)) if expected != found => {
            Err(Stopped::Fatal(DownloadError::Size { expected, found }))
        }
        _ => Ok(()),
    }
}

fn unanswered(error: &(dyn std::error::Error + 'static), is_timeout: bool) -> Stopped {
    let because = DownloadError::NoAnswer(innermost(error));
    let delay = is_timeout.then_some(Delay::Stalled);
    Stopped::Retry { because, delay }
}

/// Returns the error of a response with an HTTP error status.
fn refused(response: &Response) -> Stopped {
    let status = response.status();
    let because = DownloadError::Status(status.as_u16());
    let is_transient =
        status.is_server_error() || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    if is_transient {
        let delay = asked_to_wait(response).map(Delay::Asked);
        Stopped::Retry { because, delay }
    } else {
        Stopped::Fatal(because)
    }
}
