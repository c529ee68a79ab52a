use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
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
    requests: Arc<Mutex<Vec<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

type Pages = dyn Fn(&Request<'_>) -> Option<Page> + Send + Sync;

impl Server {
    pub(super) fn answering(
        page: impl Fn(&Request<'_>) -> Option<Page> + Send + Sync + 'static,
        options: Options,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let page: Arc<Pages> = Arc::new(page);
        let log = Arc::clone(&requests);
        let heads = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (page, log, heads) = (Arc::clone(&page), Arc::clone(&log), Arc::clone(&all));
                std::thread::spawn(move || answer(stream, &*page, &log, &heads, options));
            }
        });
        Self { port, requests, heads }
    }

    pub(super) fn root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the first line and all headers of every request so far.
    #[cfg(target_os = "linux")]
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Returns the paths of all requests since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
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
        head.json |= line.starts_with("accept:") && line.contains(JSON);
    }
    Some(head)
}

fn answer(mut stream: TcpStream, page: &Pages, log: &Mutex<Vec<String>>, heads: &Mutex<Vec<String>>, options: Options) {
    let Some(mut head) = head(stream.try_clone().unwrap()) else {
        return;
    };
    log.lock().unwrap().push(head.path.clone());
    heads.lock().unwrap().push(head.text.clone());
    if !is_allowed(&mut head, options) {
        end(&stream, "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"lab\"");
        return;
    }
    let caching = if options.no_cache {
        ""
    } else {
        "Cache-Control: max-age=600\r\nETag: \"one\"\r\n"
    };
    if options.refuses.is_some_and(|end| head.path.ends_with(end)) {
        end(&stream, "403 Forbidden");
        return;
    }
    let request = Request {
        path: &head.path,
        json: head.json,
    };
    let page = page(&request).filter(|page| !(options.lacks_files && page.kind == ARCHIVE));
    let Some(mut page) = page else {
        end(&stream, "404 Not Found");
        return;
    };
    if let Some(other) = options.redirects.filter(|_| page.kind == ARCHIVE) {
        end(&stream, &format!("302 Found\r\nLocation: {other}{}", head.path));
        return;
    }
    if options.short && page.kind == ARCHIVE {
        page.bytes.truncate(page.bytes.len() / 2);
    }
    let all = page.bytes.len();
    let (status, from, to) = match head.range {
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
    if head.method == "HEAD" {
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

/// Sends a status without a body. Headers may follow the status.
fn end(mut stream: &TcpStream, status: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

/// Checks the credentials of a request, and removes the token from its path.
fn is_allowed(head: &mut Head, options: Options) -> bool {
    let has_user = options
        .requires
        .is_none_or(|pair| head.text.contains(&format!("Basic {pair}")));
    let Some(token) = options.token else { return has_user };
    let rest = head.path.strip_prefix(&format!("/t/{token}")).map(ToOwned::to_owned);
    let has_token = rest.is_some();
    head.path = rest.unwrap_or_default();
    has_user && has_token
}
