//! Large wheels, which matenv downloads itself: a cut or stalled connection continues where it stopped, also in the
//! next run. uv starts such a download from the beginning, and gives up after a few attempts.
//!
//! Input: the locked wheels. Output: the large ones among them, and those of explicit indexes, in uv's cache and in the
//! prefix. uv gets each complete file from a server on 127.0.0.1, together with the index that the wheel belongs to. It
//! then stores the wheel in its cache as if it had downloaded it from that index, and every later installation finds it
//! there. A requirements list cannot name an index for each wheel, so these wheels are installed from a pylock.

use std::{ffi::OsString, path::Path, time::Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use url::Url;

use super::{
    PypiError, Uv,
    cached::index_in_cache,
    locations,
    project::Project,
    pylock_format::{Pylock, PylockPackage},
    watch::{Progress, run_and_report},
    wheel_check::check_file,
};
use crate::{
    context::{Context, event::Stage, sources::SourceName},
    files::layout,
    lock::{LockedPypi, LockedWheel},
    net::{Download, DownloadError, FileServer, NotAnswering, Remote},
    packages::downloads,
    plan::Plan,
    process::Job,
};

/// Wheels from this size on are downloaded by matenv itself, in bytes.
const LARGE: u64 = 32 * 1024 * 1024;
/// Number of large wheels that are downloaded at the same time.
const AT_ONCE: usize = 4;

/// Returns whether a wheel is so large that matenv downloads it itself.
fn is_large(wheel: &LockedWheel) -> bool {
    !wheel.is_sdist() && wheel.size.is_some_and(|size| size >= LARGE)
}

/// Returns the size of all wheels that matenv downloads itself, in bytes.
pub(crate) fn large_bytes(wheels: &[LockedWheel]) -> u64 {
    let large = wheels.iter().filter(|wheel| is_large(wheel));
    large.filter_map(|wheel| wheel.size).sum()
}

/// The installation that the wheels belong to.
pub(super) struct Installation<'a> {
    pub(super) ctx: &'a Context,
    pub(super) uv: &'a Uv,
    pub(super) prefix: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) files: &'a Project,
    /// The machine's index, or `None` if it is a folder.
    pub(super) index: Option<&'a Url>,
    /// Returns the job that installs the wheels of a list.
    pub(super) job: &'a (dyn Fn(&str) -> Job + Sync),
}

impl Installation<'_> {
    /// Returns the URLs of wheels of the machine's index, by SHA-256, as far as they are known.
    async fn places_in_index(&self, wheels: Vec<LockedWheel>) -> Vec<(String, Url)> {
        let Self { ctx, uv, prefix, .. } = *self;
        let Some(version) = layout::python_version(prefix).filter(|_| !wheels.is_empty()) else {
            return Vec::new();
        };
        let only = LockedPypi {
            wheels,
            build: Vec::new(),
            torch_from_pypi: false,
            findings: Vec::new(),
            computed: std::collections::BTreeSet::new(),
            places: std::collections::BTreeMap::new(),
        };
        let python = layout::python(prefix);
        match locations(ctx, uv, &python, version.trim_end_matches('t'), &only).await {
            Ok(mut places) => only
                .wheels
                .into_iter()
                .filter_map(|wheel| {
                    let url = places.remove(&wheel.sha256)?;
                    Some((wheel.sha256, url))
                })
                .collect(),
            Err(error) => {
                tracing::debug!("the URLs of wheels are unknown: {error}");
                Vec::new()
            }
        }
    }

    /// Returns the error for a wheel that uv calls damaged. After ten redirects, uv takes the next one for the wheel: then
    /// the source does not answer.
    pub(super) async fn unless_unreachable(&self, wheels: &[LockedWheel], error: PypiError) -> PypiError {
        let PypiError::Damaged { source_name, text } = &error else {
            return error;
        };
        let named = wheels
            .iter()
            .filter(|wheel| text.contains(&wheel.file))
            .cloned()
            .collect();
        for (_, url) in self.places_in_index(named).await {
            if let Err(NotAnswering::NoAnswer(because)) = self.ctx.client.answers(url.as_str()).await {
                let source_name = *source_name;
                return PypiError::Unreachable { source_name, because };
            }
        }
        error
    }
}

/// A wheel and its index.
struct Indexed<'a> {
    wheel: &'a LockedWheel,
    /// The index under which uv's cache stores the wheel.
    index: Url,
    /// The download by matenv; `None` if uv's cache contains the wheel, or if uv downloads it.
    download: Option<(Download, Url)>,
}

/// The wheels of an installation that are large or from an explicit index.
pub(super) struct IndexedWheels<'a> {
    installation: &'a Installation<'a>,
    wheels: Vec<Indexed<'a>>,
}

impl<'a> IndexedWheels<'a> {
    /// Finds these wheels, and asks uv which of the large ones its cache contains. Waits for other installations that
    /// download the same wheels.
    pub(super) async fn find(installation: &'a Installation<'a>, wheels: &'a [LockedWheel]) -> Result<Self, PypiError> {
        let mut indexed: Vec<Indexed<'a>> = wheels
            .iter()
            .filter(|wheel| is_large(wheel) || wheel.url.is_some())
            .filter_map(|wheel| {
                let index = index_in_cache(installation.ctx, installation.plan, wheel, installation.index)?;
                let download = None;
                Some(Indexed { wheel, index, download })
            })
            .collect();
        // Two installations that take the same locks in another order would wait for each other.
        indexed.sort_by(|one, other| one.wheel.sha256.cmp(&other.wheel.sha256));
        let mut this = Self {
            installation,
            wheels: indexed,
        };
        let missing = this.missing().await?;
        if missing.is_empty() {
            return Ok(this);
        }
        let folder = downloads(&installation.ctx.settings);
        let mut held = Vec::new();
        let mut waited = false;
        for sha256 in &missing {
            let download = Download::open(&folder, sha256, "whl").await.map_err(PypiError::Io)?;
            waited |= download.waited;
            held.push((sha256, download));
        }
        // Another installation may have brought it into the cache in the meantime.
        let still = if waited { this.missing().await? } else { missing.clone() };
        let places = this.places(&still).await;
        for (sha256, download) in held {
            let place = places.iter().find(|(of, _)| of == sha256);
            let large = this.wheels.iter_mut().find(|large| large.wheel.sha256 == *sha256);
            if let (Some((_, url)), Some(large)) = (place, large) {
                large.download = Some((download, url.clone()));
            }
        }
        // uv itself downloads a file whose URL is unknown.
        this.wheels.retain(|indexed| {
            let wheel = indexed.wheel;
            indexed.download.is_some() || wheel.url.is_some() || !still.contains(&wheel.sha256)
        });
        Ok(this)
    }

    /// Returns whether `wheel` is one of these wheels.
    pub(super) fn contains(&self, wheel: &LockedWheel) -> bool {
        self.wheels.iter().any(|large| large.wheel.sha256 == wheel.sha256)
    }

    /// Downloads the large wheels that uv's cache does not contain, several at once.
    pub(super) async fn download(&self, progress: &Progress) -> Result<(), PypiError> {
        let ctx = self.installation.ctx;
        stream::iter(&self.wheels)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |large| async move {
                let Some((download, url)) = &large.download else {
                    return Ok(());
                };
                let started = Instant::now();
                let wheel = large.wheel;
                let remote = Remote {
                    url: url.clone(),
                    source: wheel.source.to_string(),
                    size: wheel.size,
                };
                let name = wheel.name.as_str();
                let result = download
                    .run(&ctx.client, &remote, &|bytes| progress.downloaded(name, bytes))
                    .await;
                result.map_err(|error| failed(wheel, error))?;
                progress.finished(name);
                ctx.events
                    .step(Stage::Wheels, started.elapsed(), format!("downloading {name}"));
                Ok(())
            })
            .await
    }

    /// Installs the wheels: those that were downloaded, those that uv's cache contains, and small ones, which uv
    /// downloads.
    pub(super) async fn install(&self) -> Result<(), PypiError> {
        if self.wheels.is_empty() {
            return Ok(());
        }
        let Installation { ctx, prefix, job, .. } = *self.installation;
        // The end of these wheels may not have been read before, for example because the server sends no parts of files.
        for large in &self.wheels {
            if let Some((download, _)) = &large.download {
                check_file(ctx, large.wheel, &download.complete(), prefix).await?;
            }
        }
        let server = FileServer::start().await.map_err(PypiError::Io)?;
        let packages = self.wheels.iter().map(|large| match &large.download {
            Some((download, _)) => large.at(server.add(&large.wheel.file, download.complete())),
            None => large.at(large.place(ctx)),
        });
        self.write("pylock.large.toml", packages.collect())?;
        let job = without_proxy(job("pylock.large.toml"));
        let ended = run_and_report(ctx, Stage::Wheels, job, &self.sources()).await?;
        drop(server);
        let failed = (!ended.success()).then(|| PypiError::of_uv(prefix, &ended));
        // After a full disk, for example, the next run needs no download.
        let is_spoiled = matches!(failed, Some(PypiError::Integrity { .. } | PypiError::Damaged { .. }));
        if failed.is_none() || is_spoiled {
            for (download, _) in self.wheels.iter().filter_map(|large| large.download.as_ref()) {
                download.remove().await;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Returns the SHA-256 of each large wheel that uv's cache does not contain.
    async fn missing(&self) -> Result<Vec<String>, PypiError> {
        let large: Vec<&Indexed<'_>> = self.wheels.iter().filter(|one| is_large(one.wheel)).collect();
        if large.is_empty() || self.are_cached(&large, "all").await? {
            return Ok(Vec::new());
        }
        let mut missing = Vec::new();
        for (at, large) in large.into_iter().enumerate() {
            if !self.are_cached(&[large], &at.to_string()).await? {
                missing.push(large.wheel.sha256.clone());
            }
        }
        Ok(missing)
    }

    /// Asks uv whether it could install these wheels from its cache.
    async fn are_cached(&self, wheels: &[&Indexed<'_>], name: &str) -> Result<bool, PypiError> {
        let list = format!("pylock.cached-{name}.toml");
        self.write(
            &list,
            wheels.iter().map(|large| large.at(large.index.clone())).collect(),
        )?;
        let job = (self.installation.job)(&list).args(["--offline", "--dry-run"]);
        let ended = job.run().await.map_err(PypiError::Io)?;
        Ok(ended.success() && !ended.stderr.contains("Would download"))
    }

    fn write(&self, name: &str, packages: Vec<PylockPackage>) -> Result<(), PypiError> {
        let text = Pylock::new(packages).text();
        let text = text.map_err(|error| PypiError::Answer(error.to_string()))?;
        self.installation.files.write(name, &text).map_err(PypiError::Io)?;
        Ok(())
    }

    /// Returns the URLs of the files with these SHA-256, as far as they are known.
    async fn places(&self, missing: &[String]) -> Vec<(String, Url)> {
        let ctx = self.installation.ctx;
        let wanted = || self.wheels.iter().filter(|large| missing.contains(&large.wheel.sha256));
        let mut places: Vec<(String, Url)> = wanted()
            .filter(|large| large.wheel.url.is_some())
            .map(|large| (large.wheel.sha256.clone(), large.place(ctx)))
            .collect();
        let by_name: Vec<LockedWheel> = wanted()
            .filter(|large| large.wheel.url.is_none())
            .map(|large| large.wheel.clone())
            .collect();
        places.extend(self.installation.places_in_index(by_name).await);
        places.retain(|(_, url)| url.scheme().starts_with("http"));
        places
    }

    fn sources(&self) -> Vec<SourceName> {
        self.wheels.iter().map(|large| large.wheel.source).collect()
    }
}

impl Indexed<'_> {
    /// Returns the wheel as a file of its index that is downloaded from `url`.
    fn at(&self, url: Url) -> PylockPackage {
        PylockPackage::of_index(self.wheel, url, Some(self.index.clone()))
    }

    /// Returns the URL of the file. Without one uv only needs the index, because its cache contains the wheel.
    fn place(&self, ctx: &Context) -> Url {
        let url = self.wheel.url.as_deref().map(|url| ctx.settings.sources.mirrored(url));
        let url = url.and_then(|url| url.parse().ok());
        url.unwrap_or_else(|| self.index.clone())
    }
}

/// Makes uv connect to 127.0.0.1 without the proxy of this machine.
fn without_proxy(mut job: Job) -> Job {
    for name in ["NO_PROXY", "no_proxy"] {
        let known = job
            .variables
            .get(std::ffi::OsStr::new(name))
            .filter(|value| !value.is_empty());
        let mut value = known.cloned().unwrap_or_default();
        if !value.is_empty() {
            value.push(",");
        }
        value.push("127.0.0.1");
        job.variables.insert(OsString::from(name), value);
    }
    job
}

/// Returns the error for a large wheel that could not be downloaded.
fn failed(wheel: &LockedWheel, error: DownloadError) -> PypiError {
    let source_name = wheel.source;
    let text = format!("`{}`: {error}", wheel.file);
    match error {
        DownloadError::Status(401) => PypiError::Unauthorized { source_name },
        DownloadError::Status(403 | 429 | 500..) => PypiError::Unreachable {
            source_name,
            because: text,
        },
        DownloadError::Status(_) | DownloadError::NoAnswer(_) => PypiError::Fetch { source_name, text },
        DownloadError::Size { .. } => PypiError::Damaged { source_name, text },
        DownloadError::Hash { .. } => PypiError::Integrity { source_name, text },
        DownloadError::Io(error) => PypiError::Disk {
            text: format!("{text}: {error}"),
        },
    }
}
