//! A server of a conda channel and a wheel index on 127.0.0.1. It can answer some of its requests wrongly.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Problem, wheel::Wheel};

/// The fault of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends after half of the body.
    Cut,
    /// Half of the body, then two seconds of silence, then the end of the connection.
    Stall,
    /// The connection is reset before the answer.
    Reset,
    /// Half of the body, with the length of that half.
    Short,
    /// A body with changed bytes.
    Changed,
    /// 429, with a `Retry-After` of one second.
    TooMany,
    /// 500.
    Broken,
    /// 403, like a proxy.
    Forbidden,
    /// A redirect to the same path.
    Loop,
    /// The page of an index lists wrong hashes. Only pages with hashes are changed.
    WrongHashes,
    /// Bytes that are not HTTP.
    Garbage,
}

/// All faults.
pub(crate) const FAULTS: [Fault; 11] = [
    Fault::Cut,
    Fault::Stall,
    Fault::Reset,
    Fault::Short,
    Fault::Changed,
    Fault::TooMany,
    Fault::Broken,
    Fault::Forbidden,
    Fault::Loop,
    Fault::WrongHashes,
    Fault::Garbage,
];

/// The answers that go wrong: `count` of them from the answer number `from`, counted from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) fault: Fault,
    pub(crate) from: usize,
    pub(crate) count: usize,
}

#[derive(Default)]
struct State {
    /// The number of requests since the last call of [`Server::set`].
    requests: usize,
    faults: Option<Faults>,
}

/// The server. It ends with the process.
pub(crate) struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

type Pages = BTreeMap<String, Vec<u8>>;

impl Server {
    /// Serves `channel` below `/conda` and `wheels` below `/simple`.
    pub(crate) fn start(channel: &Path, wheels: &[Wheel]) -> Result<Self, Problem> {
        let mut pages = Pages::new();
        add_folder(&mut pages, channel, "/conda")?;
        add_wheels(&mut pages, wheels);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State::default()));
        let (pages, shared) = (Arc::new(pages), Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, state) = (Arc::clone(&pages), Arc::clone(&shared));
                // A client that ends early is part of the test.
                std::thread::spawn(move || answer(&stream, &pages, &state).ok());
            }
        });
        Ok(Self { port, state })
    }

    pub(crate) fn root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets the faults of the next requests. Returns the number of requests since the last call.
    pub(crate) fn set(&self, faults: Option<Faults>) -> usize {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.faults = faults;
        std::mem::take(&mut state.requests)
    }
}

fn add_folder(pages: &mut Pages, folder: &Path, path: &str) -> Result<(), Problem> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let below = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add_folder(pages, &entry.path(), &below)?;
        } else {
            pages.insert(below, fs_err::read(entry.path())?);
        }
    }
    Ok(())
}

fn add_wheels(pages: &mut Pages, wheels: &[Wheel]) {
    for wheel in wheels {
        let (name, hash) = (wheel.file_name(), wheel.sha256());
        let line = format!("<a href=\"/files/{name}#sha256={hash}\">{name}</a>\n");
        let page = pages.entry(format!("/simple/{}/", wheel.name())).or_default();
        page.extend(line.into_bytes());
        pages.insert(format!("/files/{name}"), wheel.bytes());
    }
}

/// The parts of a request that the answer depends on.
#[derive(Default)]
struct Request {
    head: bool,
    path: String,
    /// The first byte of a range, and the last one.
    range: Option<(String, String)>,
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split_whitespace();
    let mut request = Request {
        head: words.next() == Some("HEAD"),
        path: words.next()?.to_owned(),
        range: None,
    };
    for line in lines {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some((from, to)) = line
            .strip_prefix("range: bytes=")
            .and_then(|bytes| bytes.trim().split_once('-'))
        {
            request.range = Some((from.to_owned(), to.to_owned()));
        }
    }
    Some(request)
}

fn answer(mut stream: &TcpStream, pages: &Pages, state: &Mutex<State>) -> std::io::Result<()> {
    let fault = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.requests;
        state.requests += 1;
        let strikes = |faults: &Faults| number >= faults.from && number - faults.from < faults.count;
        state.faults.filter(strikes).map(|faults| faults.fault)
    };
    if fault == Some(Fault::Reset) {
        // Closing a socket whose data was not read resets the connection.
        return stream.read_exact(&mut [0]);
    }
    let Some(request) = read_request(stream) else {
        return Ok(());
    };
    let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    match fault {
        Some(Fault::Garbage) => return stream.write_all(b"\0\xff\xfe what is this?\r\n\r\n"),
        Some(Fault::TooMany) => {
            return write!(stream, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n{end}");
        }
        Some(Fault::Broken) => return write!(stream, "HTTP/1.1 500 Internal Server Error\r\n{end}"),
        Some(Fault::Forbidden) => return write!(stream, "HTTP/1.1 403 Forbidden\r\n{end}"),
        Some(Fault::Loop) => {
            return write!(stream, "HTTP/1.1 302 Found\r\nLocation: {}\r\n{end}", request.path);
        }
        _ => {}
    }
    let Some(page) = pages.get(&request.path) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\n{end}");
    };
    let kind = if request.path.ends_with('/') {
        "text/html"
    } else {
        "application/octet-stream"
    };
    let all = page.len();
    let (status, from, to) = match &request.range {
        Some((from, to)) if !from.is_empty() => {
            let to = to.parse::<usize>().map_or(all, |to| (to + 1).min(all));
            ("206 Partial Content", from.parse().unwrap_or(0).min(to), to)
        }
        Some((_, last)) => {
            let last = last.parse::<usize>().unwrap_or(all).min(all);
            ("206 Partial Content", all - last, all)
        }
        None => ("200 OK", 0, all),
    };
    let mut body = page[from..to].to_vec();
    let mut sent = body.len();
    match fault {
        Some(Fault::Cut | Fault::Stall) => sent /= 2,
        Some(Fault::Short) => {
            sent /= 2;
            body.truncate(sent);
        }
        Some(Fault::Changed) => body.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x20),
        Some(Fault::WrongHashes) if kind == "text/html" => {
            body = String::from_utf8_lossy(&body).replace("sha256=", "sha256=0000").into();
            sent = body.len();
        }
        _ => {}
    }
    let range = if request.range.is_some() {
        format!("Content-Range: bytes {from}-{}/{all}\r\n", to.saturating_sub(1))
    } else {
        String::new()
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\n{range}Connection: close\r\n\r\n",
        body.len()
    )?;
    if request.head {
        return Ok(());
    }
    stream.write_all(&body[..sent])?;
    if fault == Some(Fault::Stall) {
        stream.flush()?;
        std::thread::sleep(Duration::from_secs(2));
    }
    Ok(())
}
