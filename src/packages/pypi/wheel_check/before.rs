//! Finds the archives of wheels and sdists and checks them, before uv downloads or installs one.
//!
//! From a server only the end of a wheel is requested, with its list of files and its metadata. If a server sends no
//! parts of files, small files are requested as a whole.

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_http_range_reader::AsyncHttpRangeReader;
use futures::{StreamExt as _, TryStreamExt as _, io::Cursor, stream};
use rattler_digest::{Sha256, compute_bytes_digest};
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use tokio::io::BufReader;
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use url::Url;

use super::{
    Inspected, Listing, UnsafeWheel, WheelProblem,
    archive::Opened,
    compare::compare,
    known,
    rules::{Target, inspect},
    sdist,
};
use crate::{
    context::{
        Context,
        event::{Stage, Unit},
    },
    files::{self, layout},
    lock::{LockedPypi, LockedWheel},
    net::file_path,
    packages::pypi::{PypiError, Uv, locations},
};

/// Number of archives that are read at the same time.
const AT_ONCE: usize = 16;

/// Time limit for one archive. After that uv reports what is wrong with the server.
const LIMIT: Duration = Duration::from_secs(20);

/// Largest file that is requested as a whole, in bytes.
const WHOLE: u64 = 32 * 1024 * 1024;

/// The reason why an archive could not be read. uv reports the same problem when it downloads the file.
type Unread = Box<dyn std::error::Error + Send + Sync>;

/// Checks the packages of `locked`, which will be installed into `prefix`. Returns those that could not be read. If
/// `only_known` is set, uses only the results of earlier checks.
#[tracing::instrument(name = "check wheels", skip_all)]
pub(in super::super) async fn check_before_install(
    ctx: &Context,
    uv: &Uv,
    prefix: &Path,
    locked: &LockedPypi,
    only_known: bool,
) -> Result<Vec<LockedWheel>, PypiError> {
    let target = target(prefix)?;
    let mut checked: Vec<(&LockedWheel, Inspected)> = Vec::new();
    let mut unknown = Vec::new();
    for wheel in &locked.wheels {
        match known::read(ctx, wheel) {
            Some(inspected) => checked.push((wheel, inspected)),
            None => unknown.push(wheel),
        }
    }
    let mut unread = Vec::new();
    if only_known {
        unread.extend(unknown.into_iter().cloned());
    } else if !unknown.is_empty() {
        let places = places(ctx, uv, prefix, locked, &unknown).await;
        let total = unknown.len() as u64;
        let mut done = 0;
        let mut results = stream::iter(unknown)
            .map(|wheel| {
                let place = places.get(&wheel.sha256);
                async move { check(ctx, wheel, place, target).await.map(|checked| (wheel, checked)) }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((wheel, result)) = results.try_next().await? {
            done += 1;
            ctx.events
                .progress(Stage::Wheels, done, Some(total), Unit::Items, "checking the packages");
            match result {
                Ok(inspected) => {
                    known::write(ctx, wheel, &inspected);
                    checked.push((wheel, inspected));
                }
                Err(because) => {
                    tracing::debug!("{} is checked after its installation: {because}", wheel.file);
                    unread.push(wheel.clone());
                }
            }
        }
    }
    compare(prefix, &checked)?;
    Ok(unread)
}

/// Checks a complete wheel in a local file, unless it was checked before. If it cannot be read, uv reports what is wrong
/// with it.
pub(in super::super) async fn check_file(
    ctx: &Context,
    wheel: &LockedWheel,
    path: &Path,
    prefix: &Path,
) -> Result<(), PypiError> {
    if known::read(ctx, wheel).is_some() {
        return Ok(());
    }
    match listing_of_file(path).await {
        Ok(listing) => known::write(ctx, wheel, &inspect(wheel, &listing, target(prefix)?)?),
        Err(because) => tracing::debug!("{} cannot be read: {because}", wheel.file),
    }
    Ok(())
}

fn target(prefix: &Path) -> Result<Target, PypiError> {
    Ok(Target {
        windows: cfg!(windows),
        folds_case: files::folds_case(prefix).map_err(PypiError::Io)?,
    })
}

/// Returns the URLs of the `unknown` files, by SHA-256. Files without one cannot be read.
async fn places(
    ctx: &Context,
    uv: &Uv,
    prefix: &Path,
    locked: &LockedPypi,
    unknown: &[&LockedWheel],
) -> BTreeMap<String, Url> {
    let mut places = locked.places.clone();
    for wheel in unknown {
        if let Some(url) = &wheel.url
            && let Ok(url) = ctx.settings.sources.mirrored(url).parse()
        {
            places.insert(wheel.sha256.clone(), url);
        }
    }
    if unknown.iter().all(|wheel| places.contains_key(&wheel.sha256)) {
        return places;
    }
    let version = layout::python_version(prefix).unwrap_or_default();
    let python = layout::python(prefix);
    match locations(ctx, uv, &python, version.trim_end_matches('t'), locked).await {
        Ok(more) => {
            for (sha256, url) in more {
                places.entry(sha256).or_insert(url);
            }
        }
        Err(error) => tracing::debug!("the index does not list the files: {error}"),
    }
    places
}

/// Checks one file. The inner error means that it could not be read.
async fn check(
    ctx: &Context,
    wheel: &LockedWheel,
    place: Option<&Url>,
    target: Target,
) -> Result<Result<Inspected, Unread>, UnsafeWheel> {
    // An index may list several files with the same wrong hash.
    let is_named = |url: &&Url| {
        let name = url.path().rsplit('/').next().unwrap_or_default();
        name.replace("%2B", "+").replace("%2b", "+") == wheel.file
    };
    let Some(url) = place.filter(is_named) else {
        return Ok(Err("its URL is unknown".into()));
    };
    if let Some(path) = file_path(url)
        && fs_err::metadata(&path).is_ok_and(|found| !found.is_file())
    {
        // uv would read it without end.
        return Err(UnsafeWheel::whole(wheel, WheelProblem::NotAFile));
    }
    let read = async {
        if wheel.is_sdist() {
            let bytes = whole(ctx, url, wheel.size).await?;
            return Ok(Content::Sdist(bytes));
        }
        listing(ctx, url, wheel.size).await.map(Content::Wheel)
    };
    let content = match tokio::time::timeout(LIMIT, read).await {
        Ok(Ok(content)) => content,
        Ok(Err(because)) => return Ok(Err(because)),
        Err(_) => return Ok(Err("it took too long".into())),
    };
    match content {
        Content::Wheel(listing) => inspect(wheel, &listing, target).map(Ok),
        Content::Sdist(bytes) => {
            let wheel = wheel.clone();
            let checked = tokio::task::spawn_blocking(move || sdist::check(&wheel, &bytes, target)).await;
            match checked {
                Ok(checked) => Ok(checked?.map(|()| Inspected::default()).map_err(Into::into)),
                Err(error) => Ok(Err(error.into())),
            }
        }
    }
}

enum Content {
    Wheel(Listing),
    Sdist(Vec<u8>),
}

async fn listing(ctx: &Context, url: &Url, locked: Option<u64>) -> Result<Listing, Unread> {
    if let Some(path) = file_path(url) {
        return listing_of_file(&path).await;
    }
    // The list of files and the metadata are at the end. Large wheels have more files.
    let tail = locked.map_or(64 * 1024, |size| (size / 64).clamp(32 * 1024, 1024 * 1024));
    let client = ctx.client.single_attempt();
    let response =
        AsyncHttpRangeReader::initial_tail_request(client.clone(), url.clone(), tail, HeaderMap::new()).await?;
    if !response.headers().contains_key(CONTENT_RANGE) {
        let bytes = body(response, locked).await?;
        let size = bytes.len() as u64;
        return Ok(Opened::open(Cursor::new(bytes), size).await?.read().await?);
    }
    let reader = AsyncHttpRangeReader::from_range_response(client, response, url.clone(), HeaderMap::new()).await?;
    let size = reader.len();
    let mut opened = Opened::open(BufReader::new(reader).compat(), size).await?;
    for range in opened.ranges() {
        opened.reader().get_mut().get_mut().prefetch(range).await;
    }
    Ok(opened.read().await?)
}

/// Returns the content of a wheel in a local file.
async fn listing_of_file(path: &Path) -> Result<Listing, Unread> {
    let file = fs_err::tokio::File::open(path).await?;
    let size = file.metadata().await?.len();
    let file = BufReader::new(file.into_parts().0);
    Ok(Opened::open(file.compat(), size).await?.read().await?)
}

/// Returns a whole file.
async fn whole(ctx: &Context, url: &Url, locked: Option<u64>) -> Result<Vec<u8>, Unread> {
    if let Some(path) = file_path(url) {
        if fs_err::metadata(&path)?.len() > WHOLE {
            return Err("it is too large".into());
        }
        return Ok(fs_err::tokio::read(path).await?);
    }
    let response = ctx.client.single_attempt().get(url.clone()).send().await?;
    body(response.error_for_status()?, locked).await
}

/// Returns the body of a response that is not longer than [`WHOLE`] and the locked size.
async fn body(mut response: reqwest::Response, locked: Option<u64>) -> Result<Vec<u8>, Unread> {
    let limit = locked.unwrap_or(WHOLE).min(WHOLE);
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err("it is too large".into());
        }
    }
    Ok(bytes)
}

/// Returns whether `bytes` have the SHA-256 of the lock.
pub(super) fn has_locked_hash(wheel: &LockedWheel, bytes: &[u8]) -> bool {
    hex::encode(compute_bytes_digest::<Sha256>(bytes)).eq_ignore_ascii_case(&wheel.sha256)
}
