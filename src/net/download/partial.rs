//! The part of a file that was downloaded so far, and what a server says about the whole file.

use std::{io, path::Path};

use fs_err::tokio as fs;
use rattler_digest::{Sha256, digest::Digest as _};
use reqwest::{Response, header};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

/// The validators of the server's file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    schema: u32,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validators {
    pub(super) fn of(response: &Response) -> Self {
        let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        Self {
            schema: 1,
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
        }
    }

    /// Returns the value of `If-Range`. A weak `ETag` is not allowed there.
    pub(super) fn if_range(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong.or(self.last_modified.as_deref())
    }
}

/// The bytes so far.
pub(super) struct Partial {
    file: fs::File,
    hasher: Sha256,
    pub(super) at: u64,
    /// Whether a part of the bytes is from an earlier response.
    pub(super) joined: bool,
}

impl Partial {
    /// Opens the file, and computes the SHA-256 of the bytes that it contains.
    pub(super) async fn open(path: &Path) -> io::Result<Self> {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .await?;
        let (mut hasher, mut at) = (Sha256::default(), 0);
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            at += read as u64;
        }
        Ok(Self {
            file,
            hasher,
            at,
            joined: at > 0,
        })
    }

    /// Adds bytes at the end.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Drops all bytes.
    pub(super) async fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0).await?;
        self.file.rewind().await?;
        (self.hasher, self.at, self.joined) = (Sha256::default(), 0, false);
        Ok(())
    }

    /// Writes what is still in memory.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.file.flush().await
    }

    /// Returns the SHA-256 of all bytes.
    pub(super) fn digest(&self) -> String {
        hex::encode(self.hasher.clone().finalize())
    }
}

/// Returns the first byte and the size of the whole file from `Content-Range: bytes 100-199/200`.
pub(super) fn range(response: &Response) -> Option<(u64, Option<u64>)> {
    parse_range(response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?)
}

fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (bytes, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = bytes.split_once('-')?;
    Some((from.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Returns the size of the whole file from `Content-Range: bytes */200`, which answers a range behind the end.
pub(super) fn unsatisfied(response: &Response) -> Option<u64> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    text.trim().strip_prefix("bytes */")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_a_first_byte_is_no_range() {
        for (text, expected) in [
            ("bytes 100-199/200", Some((100, Some(200)))),
            ("bytes 100-199/*", Some((100, None))),
            ("bytes */200", None),
            ("100-199/200", None),
            ("bytes -1-2/3", None),
        ] {
            assert_eq!(parse_range(text), expected, "{text}");
        }
    }

    #[test]
    fn a_weak_etag_is_not_sent_back() {
        let validators = |etag: &str| Validators {
            etag: Some(etag.to_owned()),
            last_modified: Some("Sun, 29 Nov 2026 12:00:00 GMT".to_owned()),
            ..Validators::default()
        };
        assert_eq!(validators("\"a\"").if_range(), Some("\"a\""));
        assert_eq!(validators("W/\"a\"").if_range(), Some("Sun, 29 Nov 2026 12:00:00 GMT"));
    }

    #[tokio::test]
    async fn the_hash_covers_the_bytes_of_an_earlier_run() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let path = folder.path().join("a.part");
        fs_err::write(&path, "hello ").expect("written");
        let mut partial = Partial::open(&path).await.expect("opened");
        assert_eq!((partial.at, partial.joined), (6, true));
        partial.append(b"world").await.expect("written");
        partial.flush().await.expect("written");
        let whole = hex::encode(rattler_digest::compute_bytes_digest::<Sha256>(b"hello world"));
        assert_eq!(partial.digest(), whole);
        assert_eq!(fs_err::read(&path).expect("read"), b"hello world");
        partial.restart().await.expect("truncated");
        partial.append(b"x").await.expect("written");
        partial.flush().await.expect("written");
        assert_eq!(fs_err::read(&path).expect("read"), b"x");
    }
}
