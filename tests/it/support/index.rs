use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use rattler_digest::{Sha256, compute_bytes_digest};
use serde_json::{Value, json};

use super::{
    Options, Sdist, Wheel,
    server::{ARCHIVE, JSON, Page, Request, Server},
};

/// A file of an index, and how the index lists it.
#[derive(Debug, Clone)]
pub(crate) struct File {
    project: String,
    name: String,
    bytes: Vec<u8>,
    metadata: Option<String>,
    sha256: Option<String>,
}

impl File {
    fn new(project: &str, name: String, bytes: Vec<u8>, metadata: Option<String>) -> Self {
        let sha256 = hex::encode(compute_bytes_digest::<Sha256>(&bytes));
        Self {
            project: project.to_owned(),
            name,
            bytes,
            metadata,
            sha256: Some(sha256),
        }
    }

    /// Lists the file without a hash.
    pub(crate) fn without_hash(mut self) -> Self {
        self.sha256 = None;
        self
    }

    /// Lists the file with a wrong hash.
    pub(crate) fn with_wrong_hash(mut self) -> Self {
        self.sha256 = Some("0".repeat(64));
        self
    }

    /// Lists the file without a metadata file (PEP 658), so that a client reads the metadata from the file itself.
    pub(crate) fn without_metadata(mut self) -> Self {
        self.metadata = None;
        self
    }
}

impl From<Wheel> for File {
    fn from(wheel: Wheel) -> Self {
        Self::new(wheel.name(), wheel.file_name(), wheel.bytes(), Some(wheel.metadata()))
    }
}

#[cfg(unix)]
impl From<super::RawWheel> for File {
    fn from(wheel: super::RawWheel) -> Self {
        Self::new(
            &wheel.name(),
            wheel.file_name(),
            wheel.bytes(),
            Some(wheel.listed_metadata()),
        )
    }
}

#[cfg(unix)]
impl File {
    /// Replaces the content of the file, with its hash.
    pub(crate) fn with_bytes(self, bytes: Vec<u8>) -> Self {
        Self::new(&self.project, self.name, bytes, self.metadata)
    }
}

impl From<Sdist> for File {
    fn from(sdist: Sdist) -> Self {
        Self::new(sdist.name(), sdist.file_name(), sdist.bytes(), None)
    }
}

/// How the pages of an index link to its files.
#[derive(Debug, Clone, Copy)]
enum Links<'a> {
    /// `/files/demo-1.0.whl`.
    Absolute,
    /// `demo-1.0.whl`, in the folder of the page.
    Relative,
    /// On another host with this URL.
    Host(&'a str),
}

/// A wheel index on 127.0.0.1, served until the test ends: pages (PEP 503, or PEP 691 for clients that accept it),
/// files, and metadata files (PEP 658 and 714).
pub(crate) struct Index {
    server: Server,
    /// The second host, if the pages link to one.
    files: Option<Server>,
    /// The path of the pages, such as `/simple`.
    folder: &'static str,
}

impl Index {
    /// A plain index: HTML pages, files on the same host.
    pub(crate) fn serve(wheels: &[Wheel], options: Options) -> Self {
        let mut files: Vec<File> = wheels.iter().cloned().map(File::from).collect();
        if options.wrong_hash {
            files = files.into_iter().map(File::with_wrong_hash).collect();
        }
        let mut pages = Pages::default();
        pages.list("/simple", "/files", &files, Links::Absolute);
        Self {
            server: pages.serve(options),
            files: None,
            folder: "/simple",
        }
    }

    /// Like [`Self::serve`], for wheels and sdists.
    #[cfg(target_os = "linux")]
    pub(crate) fn serve_files_of(files: &[File], options: Options) -> Self {
        let mut pages = Pages::default();
        pages.list("/simple", "/files", files, Links::Absolute);
        Self {
            server: pages.serve(options),
            files: None,
            folder: "/simple",
        }
    }

    /// An index like PyPI: JSON for clients that accept it, files on a second host.
    pub(crate) fn pypi(files: &[File]) -> Self {
        Self::pypi_with(files, Options::default())
    }

    /// Like [`Self::pypi`], with options for the host of the files.
    pub(crate) fn pypi_with(files: &[File], options: Options) -> Self {
        let host = serve_files("/packages", files, options);
        let mut pages = Pages::default();
        pages.list("/simple", "/packages", files, Links::Host(&host.root()));
        pages.json = true;
        Self {
            server: pages.serve(Options::default()),
            files: Some(host),
            folder: "/simple",
        }
    }

    /// Like [`Self::pypi_with`], with the files on the host of the pages.
    pub(crate) fn pypi_on_one_host(files: &[File], options: Options) -> Self {
        let mut pages = Pages::default();
        pages.list("/simple", "/files", files, Links::Absolute);
        pages.json = true;
        Self {
            server: pages.serve(options),
            files: None,
            folder: "/simple",
        }
    }

    /// An index like torch's: HTML pages for each backend, with absolute links to a second host that contain `%2B`.
    pub(crate) fn torch(backends: &[(&str, &[File])]) -> Self {
        let mut of_host = Pages::default();
        for (backend, files) in backends {
            of_host.put(&format!("/whl/{backend}"), *files);
        }
        let host = of_host.serve(Options::default());
        let mut index = Self::torch_linking_to(&host.root(), backends);
        index.files = Some(host);
        index
    }

    /// Like [`Self::torch`], but the pages link to `host`, and this index serves no files.
    pub(crate) fn torch_linking_to(host: &str, backends: &[(&str, &[File])]) -> Self {
        Self::torch_with(Links::Host(host), backends, Options::default())
    }

    /// Like [`Self::torch_linking_to`], with options.
    pub(crate) fn torch_linking_to_with(host: &str, backends: &[(&str, &[File])], options: Options) -> Self {
        Self::torch_with(Links::Host(host), backends, options)
    }

    /// A copy of the torch index, as a lab may have it: the files are on the same host.
    pub(crate) fn torch_on_one_host(backends: &[(&str, &[File])]) -> Self {
        Self::torch_with(Links::Absolute, backends, Options::default())
    }

    /// Like [`Self::torch_on_one_host`], with options.
    #[cfg(target_os = "linux")]
    pub(crate) fn torch_on_one_host_with(backends: &[(&str, &[File])], options: Options) -> Self {
        Self::torch_with(Links::Absolute, backends, options)
    }

    fn torch_with(links: Links<'_>, backends: &[(&str, &[File])], options: Options) -> Self {
        let mut pages = Pages::default();
        for (backend, files) in backends {
            let folder = format!("/whl/{backend}");
            pages.list(&folder, &folder, files, links);
        }
        Self {
            server: pages.serve(options),
            files: None,
            folder: "/whl/{backend}",
        }
    }

    /// An index like NVIDIA's: pages at the root, relative links, sdists next to wheels.
    pub(crate) fn nvidia(files: &[File]) -> Self {
        let mut pages = Pages::default();
        pages.list("", "", files, Links::Relative);
        Self {
            server: pages.serve(Options::default()),
            files: None,
            folder: "",
        }
    }

    /// Serves the files of a folder as they are at each request.
    pub(crate) fn files(folder: &Path) -> Self {
        Self::files_with(folder, Options::default())
    }

    /// Like [`Self::files`], with options for archives.
    pub(crate) fn files_with(folder: &Path, options: Options) -> Self {
        let folder = folder.to_owned();
        let page = move |request: &Request<'_>| {
            let path = request.path;
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
        Self {
            server: Server::answering(page, options),
            files: None,
            folder: "/simple",
        }
    }

    /// Returns the URL of the pages; the client replaces `{backend}` in it.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.root(), self.folder)
    }

    pub(crate) fn root(&self) -> String {
        self.server.root()
    }

    /// Returns the URL of the host of the files.
    pub(crate) fn files_root(&self) -> String {
        self.files.as_ref().unwrap_or(&self.server).root()
    }

    /// Returns the paths of all requests since the last call, on both hosts.
    pub(crate) fn requests(&self) -> Vec<String> {
        let mut requests = self.server.requests();
        requests.extend(self.files.iter().flat_map(Server::requests));
        requests
    }

    /// Returns the first line and all headers of every request so far, on both hosts.
    #[cfg(target_os = "linux")]
    pub(crate) fn heads(&self) -> Vec<String> {
        let mut heads = self.server.heads();
        heads.extend(self.files.iter().flat_map(Server::heads));
        heads
    }

    /// Returns the number of bytes of archives that were sent since the last call, by both hosts.
    pub(crate) fn sent(&self) -> usize {
        self.server.sent() + self.files.iter().map(Server::sent).sum::<usize>()
    }

    /// Returns the wheels and sdists that were requested since the last call, each once.
    pub(crate) fn fetched(&self) -> Vec<String> {
        let is_file = |path: &String| [".whl", ".tar.gz"].iter().any(|ending| path.ends_with(ending));
        let name = |path: String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let files: BTreeSet<String> = self.requests().into_iter().filter(is_file).map(name).collect();
        files.into_iter().collect()
    }
}

/// Serves the files of an index on a second host.
fn serve_files(folder: &str, files: &[File], options: Options) -> Server {
    let mut pages = Pages::default();
    pages.put(folder, files);
    pages.serve(options)
}

/// The content of a server, by path.
#[derive(Default)]
struct Pages {
    by_path: BTreeMap<String, Page>,
    in_json: BTreeMap<String, Page>,
    json: bool,
}

impl Pages {
    /// Lists files in pages below `folder`. Unless they are on another host, also adds the files below `place`.
    fn list(&mut self, folder: &str, place: &str, files: &[File], links: Links<'_>) {
        let mut projects: BTreeMap<&str, Vec<(String, &File)>> = BTreeMap::new();
        for file in files {
            let name = file.name.replace('+', "%2B");
            let link = match links {
                Links::Absolute => format!("{place}/{name}"),
                Links::Relative => name,
                Links::Host(host) => format!("{host}{place}/{name}"),
            };
            projects.entry(&file.project).or_default().push((link, file));
        }
        for (project, listed) in projects {
            let path = format!("{folder}/{project}/");
            match links {
                Links::Absolute => self.put(place, listed.iter().map(|(_, file)| *file)),
                Links::Relative => self.put(path.trim_end_matches('/'), listed.iter().map(|(_, file)| *file)),
                Links::Host(_) => {}
            }
            self.in_json.insert(path.clone(), in_json(project, &listed));
            self.by_path.insert(path, in_html(&listed));
        }
    }

    /// Adds files and their metadata files.
    fn put<'a>(&mut self, place: &str, files: impl IntoIterator<Item = &'a File>) {
        for file in files {
            let path = format!("{place}/{}", file.name);
            if let Some(metadata) = &file.metadata {
                let page = Page {
                    kind: "text/plain",
                    bytes: metadata.clone().into_bytes(),
                };
                self.by_path.insert(format!("{path}.metadata"), page);
            }
            let page = Page {
                kind: ARCHIVE,
                bytes: file.bytes.clone(),
            };
            self.by_path.insert(path, page);
        }
    }

    fn serve(self, options: Options) -> Server {
        let page = move |request: &Request<'_>| {
            let in_json = self.in_json.get(request.path).filter(|_| self.json && request.json);
            in_json.or_else(|| self.by_path.get(request.path)).cloned()
        };
        Server::answering(page, options)
    }
}

/// Returns a page of PEP 503, with the metadata of PEP 658 under its old and its new name.
fn in_html(listed: &[(String, &File)]) -> Page {
    let mut list = String::new();
    for (link, file) in listed {
        let hash = file.sha256.as_ref().map(|hash| format!("#sha256={hash}"));
        let metadata = file.metadata.as_ref().map(|metadata| {
            let digest = hex::encode(compute_bytes_digest::<Sha256>(metadata.as_bytes()));
            format!(" data-dist-info-metadata=\"sha256={digest}\" data-core-metadata=\"sha256={digest}\"")
        });
        let (hash, metadata) = (hash.unwrap_or_default(), metadata.unwrap_or_default());
        // Writing into a String cannot fail.
        let _ = writeln!(list, "<a href=\"{link}{hash}\"{metadata}>{}</a><br/>", file.name);
    }
    Page {
        kind: "text/html",
        bytes: format!("<!DOCTYPE html><html><body>\n{list}</body></html>\n").into_bytes(),
    }
}

/// Returns a page of PEP 691.
fn in_json(project: &str, listed: &[(String, &File)]) -> Page {
    let hashes = |file: &File| file.sha256.as_ref().map_or(json!({}), |hash| json!({ "sha256": hash }));
    let files: Vec<Value> = listed
        .iter()
        .map(|(link, file)| {
            json!({
                "filename": file.name, "url": link, "hashes": hashes(file), "size": file.bytes.len(),
                "core-metadata": file.metadata.is_some(), "requires-python": ">=3.8", "yanked": false,
                "upload-time": "2026-11-01T00:00:00Z"
            })
        })
        .collect();
    let page = json!({ "meta": { "api-version": "1.1" }, "name": project, "files": files });
    Page {
        kind: JSON,
        bytes: page.to_string().into_bytes(),
    }
}
