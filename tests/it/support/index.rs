use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::Wheel;

/// How an index behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Lists this SHA-256 instead of each file's own.
    pub(crate) wrong_hash: bool,
    /// Sends no cache headers, as many proxies do.
    pub(crate) no_cache: bool,
    /// Sends the first bytes of each wheel and then nothing more.
    pub(crate) stalls: bool,
    /// Sends half of each wheel and closes the connection.
    pub(crate) cut: bool,
    /// Sends half of each wheel as if that were all.
    pub(crate) short: bool,
    /// Lists wheels and metadata, and answers 404 for the wheels themselves.
    pub(crate) lacks_files: bool,
}

/// A PEP 503 index with PEP 658 metadata on 127.0.0.1, served until the test ends.
pub(crate) struct Index {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Index {
    pub(crate) fn serve(wheels: &[Wheel], options: Options) -> Self {
        let pages = pages(wheels, options);
        Self::answering(move |path| pages.get(path).cloned(), options)
    }

    /// The files of a folder as they are at each request.
    pub(crate) fn files(folder: &Path) -> Self {
        Self::files_with(folder, Options::default())
    }

    /// [`Self::files`], behaving badly for archives.
    pub(crate) fn files_with(folder: &Path, options: Options) -> Self {
        let folder = folder.to_owned();
        let page = move |path: &str| {
            let bytes = fs_err::read(folder.join(path.trim_start_matches('/'))).ok()?;
            let archive = Path::new(path).extension().is_some_and(|ending| ending == "conda");
            let kind = if archive { ARCHIVE } else { "application/octet-stream" };
            Some(Page { kind, bytes })
        };
        // They change from one request to the next.
        let options = Options {
            no_cache: true,
            ..options
        };
        Self::answering(page, options)
    }

    fn answering(page: impl Fn(&str) -> Option<Page> + Send + Sync + 'static, options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let page: Arc<Pages> = Arc::new(page);
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (page, log) = (Arc::clone(&page), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &*page, &log, options));
            }
        });
        Self { port, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/simple", self.root())
    }

    pub(crate) fn root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The paths that were asked for since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

type Pages = dyn Fn(&str) -> Option<Page> + Send + Sync;

#[derive(Clone)]
struct Page {
    kind: &'static str,
    bytes: Vec<u8>,
}

fn pages(wheels: &[Wheel], options: Options) -> BTreeMap<String, Page> {
    let mut pages = BTreeMap::new();
    let mut lists: BTreeMap<&str, String> = BTreeMap::new();
    for wheel in wheels {
        let file = wheel.file_name();
        let sha256 = if options.wrong_hash {
            "0".repeat(64)
        } else {
            wheel.sha256()
        };
        let line = format!("<a href=\"/files/{file}#sha256={sha256}\" data-core-metadata=\"true\">{file}</a><br>\n");
        lists.entry(wheel.name()).or_default().push_str(&line);
        let bytes = |kind, bytes| Page { kind, bytes };
        pages.insert(format!("/files/{file}"), bytes(ARCHIVE, wheel.bytes()));
        let metadata = wheel.metadata().into_bytes();
        pages.insert(format!("/files/{file}.metadata"), bytes("text/plain", metadata));
    }
    for (name, list) in lists {
        let page = format!("<!DOCTYPE html><html><body>\n{list}</body></html>\n");
        pages.insert(
            format!("/simple/{name}/"),
            Page {
                kind: "text/html",
                bytes: page.into_bytes(),
            },
        );
    }
    pages
}

/// What wheels and conda packages are sent as.
const ARCHIVE: &str = "application/zip";

fn answer(mut stream: TcpStream, page: &Pages, log: &Mutex<Vec<String>>, options: Options) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).is_err() {
        return;
    }
    let mut range = None;
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => {
                if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                    range = bytes
                        .trim()
                        .split_once('-')
                        .map(|(from, to)| (from.to_owned(), to.to_owned()));
                }
            }
        }
    }
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("").to_owned());
    log.lock().unwrap().push(path.replace("%2B", "+"));
    let path = path.replace("%2B", "+");
    let caching = if options.no_cache {
        ""
    } else {
        "Cache-Control: max-age=600\r\nETag: \"one\"\r\n"
    };
    let page = page(&path).filter(|page| !(options.lacks_files && page.kind == ARCHIVE));
    let Some(mut page) = page else {
        let _ = write!(
            stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        return;
    };
    if options.short && page.kind == ARCHIVE {
        page.bytes.truncate(page.bytes.len() / 2);
    }
    let all = page.bytes.len();
    let (status, from, to) = match range {
        Some((from, to)) if !from.is_empty() => (
            "206 Partial Content",
            from.parse().unwrap_or(0),
            to.parse::<usize>().map_or(all, |to| (to + 1).min(all)),
        ),
        Some((_, last)) => (
            "206 Partial Content",
            all - last.parse::<usize>().unwrap_or(all).min(all),
            all,
        ),
        None => ("200 OK", 0, all),
    };
    let body = &page.bytes[from.min(to)..to];
    let ranged = if status.starts_with("206") {
        format!("Content-Range: bytes {from}-{}/{all}\r\n", to.saturating_sub(1))
    } else {
        String::new()
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\n{ranged}{caching}Connection: close\r\n\r\n",
        page.kind,
        body.len()
    );
    if method == "HEAD" {
        return;
    }
    if options.stalls && page.kind == ARCHIVE {
        let _ = stream.write_all(&body[..body.len().min(64 * 1024)]);
        let _ = stream.flush();
        std::thread::sleep(Duration::from_mins(2));
        return;
    }
    let sent = if options.cut && page.kind == ARCHIVE {
        body.len() / 2
    } else {
        body.len()
    };
    let _ = stream.write_all(&body[..sent]);
}
