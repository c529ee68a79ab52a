use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The behavior of a server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Lists each file with a wrong SHA-256.
    pub(crate) wrong_hash: bool,
    /// Sends no cache headers, as many proxies do.
    pub(crate) no_cache: bool,
    /// Sends the first bytes of each wheel and then nothing more.
    pub(crate) stalls: bool,
    /// Sends half of each wheel and closes the connection.
    pub(crate) cut: bool,
    /// Sends half of each wheel with the length of that half.
    pub(crate) short: bool,
    /// Lists wheels and metadata, and answers 404 for the wheels themselves.
    pub(crate) lacks_files: bool,
    /// Answers 403, like a proxy, for paths that end like this.
    pub(crate) refuses: Option<&'static str>,
    /// Answers 401 without this user and password, in base64.
    pub(crate) requires: Option<&'static str>,
    /// Answers 401 for paths that do not begin with `/t/TOKEN`.
    pub(crate) token: Option<&'static str>,
    /// Sends clients to this server for archives.
    pub(crate) redirects: Option<&'static str>,
    /// Answers the first requests for some paths as a server that has too much to do.
    pub(crate) busy: Option<Busy>,
    /// Redirects paths that end like this to themselves.
    pub(crate) loops: Option<&'static str>,
    /// Closes the connection after this many bytes of an archive.
    pub(crate) cut_after: Option<usize>,
    /// Sends half of each archive whose number is a multiple of this one.
    pub(crate) cuts_each: Option<usize>,
    /// Sends nothing more after this many bytes of the first archive that is larger.
    pub(crate) stalls_once_after: Option<usize>,
    /// Sends half of the pages at paths that end like this, and then nothing more.
    pub(crate) stalls_at: Option<&'static str>,
    /// Has a new version of each archive for every request.
    pub(crate) changes: bool,
    /// How the server answers a request for a part of an archive.
    pub(crate) ranges: Ranges,
}

/// A server that has too much to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Busy {
    /// The end of the paths.
    pub(crate) path: &'static str,
    /// Number of requests that are refused.
    pub(crate) times: usize,
    /// The status line without the version: `429 Too Many Requests`.
    pub(crate) status: &'static str,
    /// The value of `Retry-After`.
    pub(crate) retry_after: &'static str,
}

/// How a server answers a request for a part of an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// With that part.
    #[default]
    Sent,
    /// With the whole archive.
    Ignored,
    /// With another part.
    Wrong,
}

/// A request.
pub(super) struct Request<'a> {
    /// The path without escapes: `+`, not `%2B`.
    pub(super) path: &'a str,
    /// Whether the client accepts JSON (PEP 691).
    pub(super) json: bool,
}

/// A response.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) kind: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// The media type of wheels and conda packages.
pub(super) const ARCHIVE: &str = "application/zip";

/// The media type of PEP 691.
pub(super) const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// An HTTP server on a port of 127.0.0.1, until the test ends.
pub(super) struct Server {
    port: u16,
    log: Arc<Log>,
}

/// What a server was asked for and what it sent.
#[derive(Default)]
struct Log {
    requests: Mutex<Vec<String>>,
    heads: Mutex<Vec<String>>,
    refused: AtomicUsize,
    archives: AtomicUsize,
    stalled: AtomicBool,
    /// Bytes of archives.
    sent: AtomicUsize,
}

type Pages = dyn Fn(&Request<'_>) -> Option<Page> + Send + Sync;

impl Server {
    pub(super) fn answering(
        page: impl Fn(&Request<'_>) -> Option<Page> + Send + Sync + 'static,
        options: Options,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let page: Arc<Pages> = Arc::new(page);
        let log = Arc::new(Log::default());
        let server = Self {
            port,
            log: Arc::clone(&log),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (page, log) = (Arc::clone(&page), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &*page, &log, options));
            }
        });
        server
    }

    pub(super) fn root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the first line and all headers of every request so far.
    #[cfg(target_os = "linux")]
    pub(super) fn heads(&self) -> Vec<String> {
        self.log.heads.lock().unwrap().clone()
    }

    /// Returns the paths of all requests since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.log.requests.lock().unwrap())
    }

    /// Returns the number of bytes of archives that were sent since the last call.
    pub(super) fn sent(&self) -> usize {
        self.log.sent.swap(0, Ordering::Relaxed)
    }
}

/// The head of a request.
#[derive(Default)]
struct Head {
    method: String,
    path: String,
    json: bool,
    /// The first and the last byte, as text.
    range: Option<(String, String)>,
    /// The first line and all headers.
    text: String,
    if_range: Option<String>,
}

fn head(stream: impl Read) -> Option<Head> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split_whitespace();
    let mut head = Head {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().replace("%2B", "+").replace("%2b", "+"),
        ..Head::default()
    };
    head.text = first;
    for line in lines {
        let line = line.unwrap_or_default();
        head.text = format!("{}\n{line}", head.text);
        let line = line.to_ascii_lowercase();
        if line.trim().is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("range: bytes=") {
            head.range = bytes
                .trim()
                .split_once('-')
                .map(|(from, to)| (from.to_owned(), to.to_owned()));
        }
        if let Some(validator) = line.strip_prefix("if-range: ") {
            head.if_range = Some(validator.trim().to_owned());
        }
        head.json |= line.starts_with("accept:") && line.contains(JSON);
    }
    Some(head)
}

fn refuse(mut stream: TcpStream, status: &str, headers: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

/// Returns the status line and the headers with which the server answers instead of with a page.
fn fault(path: &str, log: &Log, options: &Options) -> Option<(&'static str, String)> {
    let asked = path.split('?').next().unwrap_or_default();
    if options.refuses.is_some_and(|end| asked.ends_with(end)) {
        return Some(("403 Forbidden", String::new()));
    }
    if options.loops.is_some_and(|end| asked.ends_with(end)) {
        return Some(("302 Found", format!("Location: {asked}?again\r\n")));
    }
    let busy = options.busy.filter(|busy| asked.ends_with(busy.path))?;
    let refused = log.refused.fetch_add(1, Ordering::Relaxed);
    (refused < busy.times).then(|| (busy.status, format!("Retry-After: {}\r\n", busy.retry_after)))
}

/// Returns whether the request has the credentials that the server requires. Removes the token from its path.
fn is_allowed(head: &mut Head, options: &Options) -> bool {
    let mut allowed = options
        .requires
        .is_none_or(|pair| head.text.contains(&format!("Basic {pair}")));
    if let Some(token) = options.token {
        let rest = head.path.strip_prefix(&format!("/t/{token}")).map(ToOwned::to_owned);
        allowed &= rest.is_some();
        head.path = rest.unwrap_or_default();
    }
    allowed
}

fn answer(mut stream: TcpStream, page: &Pages, log: &Log, options: Options) {
    let Some(mut head) = head(stream.try_clone().unwrap()) else {
        return;
    };
    log.requests.lock().unwrap().push(head.path.clone());
    log.heads.lock().unwrap().push(head.text.clone());
    if !is_allowed(&mut head, &options) {
        return refuse(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"lab\"\r\n");
    }
    if let Some((status, headers)) = fault(&head.path, log, &options) {
        return refuse(stream, status, &headers);
    }
    let request = Request {
        path: &head.path,
        json: head.json,
    };
    let page = page(&request).filter(|page| !(options.lacks_files && page.kind == ARCHIVE));
    let Some(mut page) = page else {
        return refuse(stream, "404 Not Found", "");
    };
    let is_archive = page.kind == ARCHIVE;
    if let Some(other) = options.redirects.filter(|_| is_archive) {
        return refuse(stream, "302 Found", &format!("Location: {other}{}\r\n", head.path));
    }
    if options.short && is_archive {
        page.bytes.truncate(page.bytes.len() / 2);
    }
    let number = if is_archive && head.method == "GET" {
        log.archives.fetch_add(1, Ordering::Relaxed) + 1
    } else {
        0
    };
    let etag = if options.changes {
        format!("\"{number}\"")
    } else {
        "\"one\"".to_owned()
    };
    let all = page.bytes.len();
    let (status, from, to) = part(&head, all, &etag, &options);
    let body = &page.bytes[from.min(to)..to];
    let mut headers = String::new();
    if status.starts_with("206") {
        let shown = from + usize::from(options.ranges == Ranges::Wrong);
        headers = format!("Content-Range: bytes {shown}-{}/{all}\r\n", to.saturating_sub(1));
    }
    if !options.no_cache {
        headers.push_str("Cache-Control: max-age=600\r\n");
    }
    if !options.no_cache || options.changes {
        headers.push_str("ETag: ");
        headers.push_str(&etag);
        headers.push_str("\r\n");
    }
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\n{headers}Connection: close\r\n\r\n",
        page.kind,
        body.len()
    );
    if head.method == "HEAD" {
        return;
    }
    if is_archive {
        send_archive(stream, body, number, log, &options);
    } else if options.stalls_at.is_some_and(|end| head.path.ends_with(end)) {
        let _ = stream.write_all(&body[..body.len() / 2]);
        std::thread::sleep(Duration::from_mins(2));
    } else {
        let _ = stream.write_all(body);
    }
}

/// Returns the status, and the first and the last byte (exclusive) to send.
fn part(head: &Head, all: usize, etag: &str, options: &Options) -> (&'static str, usize, usize) {
    let is_current = head.if_range.as_deref().is_none_or(|known| known == etag);
    let range = head
        .range
        .as_ref()
        .filter(|_| is_current && options.ranges != Ranges::Ignored);
    match range {
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
    }
}

fn send_archive(mut stream: TcpStream, body: &[u8], number: usize, log: &Log, options: &Options) {
    let is_cut = options.cut || options.cuts_each.is_some_and(|each| number.is_multiple_of(each));
    // A request for the end of a wheel is answered.
    let stalls_once = options
        .stalls_once_after
        .filter(|after| body.len() > *after && !log.stalled.swap(true, Ordering::Relaxed));
    let stalls_after = match stalls_once {
        Some(after) => Some(after),
        None => options.stalls.then_some(64 * 1024),
    };
    let sent = stalls_after
        .or(options.cut_after)
        .unwrap_or(if is_cut { body.len() / 2 } else { body.len() })
        .min(body.len());
    let _ = stream.write_all(&body[..sent]);
    let _ = stream.flush();
    log.sent.fetch_add(sent, Ordering::Relaxed);
    if stalls_after.is_some() {
        std::thread::sleep(Duration::from_mins(2));
    }
}
