//! A server on 127.0.0.1 that gives local files to a child process that takes only URLs.
//!
//! uv stores a wheel that it downloads from an index in its cache, and finds it again there. A wheel in a folder is
//! stored in another way, and downloaded again by the next installation.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use fs_err::tokio as fs;
use rattler_digest::{Sha256, compute_bytes_digest};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::Url;

/// The longest request that is read, in bytes.
const LONGEST_REQUEST: u64 = 64 * 1024;

/// Serves files until it is dropped. Their URLs cannot be guessed, so other users of this machine cannot read them.
#[derive(Debug)]
pub(crate) struct FileServer {
    root: Url,
    secret: String,
    files: Files,
    // Dropping it ends the server.
    _tasks: JoinSet<()>,
}

/// The files by path.
type Files = Arc<Mutex<BTreeMap<String, PathBuf>>>;

impl FileServer {
    /// Starts a server without files.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let root = Url::parse(&format!("http://{}/", listener.local_addr()?)).map_err(io::Error::other)?;
        let files = Files::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&files)));
        Ok(Self {
            root,
            secret: secret(),
            files,
            _tasks: tasks,
        })
    }

    /// Adds a file and returns its URL, which ends in `name`.
    pub(crate) fn add(&self, name: &str, path: PathBuf) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend([self.secret.as_str(), name]);
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(url.path().to_owned(), path);
        url
    }
}

/// Returns 32 random hex digits. The standard library seeds its hashers from the operating system.
fn secret() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let random: Vec<u8> = (0..4_u8)
        .flat_map(|part| RandomState::new().hash_one(part).to_le_bytes())
        .collect();
    hex::encode(&compute_bytes_digest::<Sha256>(&random)[..16])
}

async fn accept(listener: TcpListener, files: Files) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let files = Arc::clone(&files);
        connections.spawn(async move {
            if let Err(error) = answer(stream, &files).await {
                tracing::debug!("failed to serve a file: {error}");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers one request and closes the connection.
async fn answer(mut stream: TcpStream, files: &Files) -> io::Result<()> {
    let (method, path) = {
        let mut lines = BufReader::new(tokio::io::AsyncReadExt::take(&mut stream, LONGEST_REQUEST)).lines();
        let first = lines.next_line().await?.unwrap_or_default();
        while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
        let mut words = first.split_ascii_whitespace().map(ToOwned::to_owned);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    };
    let file = files.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
    let Some(file) = file.filter(|_| ["GET", "HEAD"].contains(&method.as_str())) else {
        let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes()).await;
    };
    send(&mut stream, &file, method == "HEAD").await?;
    stream.shutdown().await
}

async fn send(stream: &mut TcpStream, path: &Path, only_head: bool) -> io::Result<()> {
    let mut file = fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    // A wheel never changes. uv's cache keeps this header with the wheel, like the one of an index.
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\
         Cache-Control: max-age=365000000, immutable, public\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    if !only_head {
        tokio::io::copy_buf(&mut BufReader::with_capacity(1024 * 1024, &mut file), stream).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_added_files_are_served_and_only_under_their_secret_url() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let path = folder.path().join("file");
        fs_err::write(&path, "content").expect("written");
        let server = FileServer::start().await.expect("started");
        let url = server.add("demo-1.0+cpu.whl", path);
        assert!(url.as_str().ends_with("/demo-1.0+cpu.whl"), "{url}");
        let get = async |url: Url| reqwest::get(url).await.expect("an answer");
        assert_eq!(get(url.clone()).await.text().await.expect("text"), "content");
        for path in ["/demo-1.0+cpu.whl", "/x/demo-1.0+cpu.whl", "/", "/etc/passwd"] {
            assert_eq!(get(url.join(path).expect("a URL")).await.status(), 404, "{path}");
        }
        drop(server);
        assert!(reqwest::get(url).await.is_err());
    }
}
