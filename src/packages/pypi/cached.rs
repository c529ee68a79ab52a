//! Installs wheels from uv's cache without reading the pages of an index. uv finds a wheel in its cache by the index
//! it came from and by its file name, and a pylock contains both.

use std::{collections::BTreeMap, ffi::OsString};

use url::Url;

use super::{PypiError, Uv, environment, project::Project};
use crate::{
    context::{
        Context,
        sources::{Index, SourceName},
    },
    lock::LockedWheel,
    packages::pypi::pylock_format::{Pylock, PylockPackage},
    plan::Plan,
    process::Job,
};

/// Returns the pylock of `wheels` from `index`.
pub(super) fn pylock(
    ctx: &Context,
    plan: &Plan,
    index: &Url,
    wheels: &[LockedWheel],
) -> Result<Option<String>, PypiError> {
    let packages: Option<Vec<_>> = wheels.iter().map(|wheel| package(ctx, plan, wheel, index)).collect();
    let text = packages.map(|packages| Pylock::new(packages).text()).transpose();
    text.map_err(|error| PypiError::Answer(error.to_string()))
}

/// Returns the URL of the machine's index, or `None` if it is a folder, whose files uv does not cache.
pub(super) async fn url_of(ctx: &Context, uv: &Uv, files: &Project, index: &Index) -> Result<Option<Url>, PypiError> {
    match index {
        Index::Url(url) if url.scheme() == "file" => Ok(None),
        Index::Url(url) => Ok(Some(url.clone())),
        Index::UvDefault => default_index(ctx, uv, files).await,
    }
}

/// Returns the index under which uv's cache stores a wheel. `None` if uv caches it by its URL, or not at all.
pub(super) fn index_in_cache(ctx: &Context, plan: &Plan, wheel: &LockedWheel, index: Option<&Url>) -> Option<Url> {
    if wheel.url.is_none() {
        return index.cloned();
    }
    if wheel.is_sdist() {
        return None;
    }
    match ctx.settings.sources.index(wheel.source, &plan.backend) {
        Ok(Index::Url(url)) if url.scheme() != "file" => Some(url),
        _ => None,
    }
}

/// Returns the explicit indexes of `wheels`, each once.
pub(super) fn explicit_indexes(ctx: &Context, plan: &Plan, wheels: &[LockedWheel]) -> Vec<(SourceName, Url)> {
    let explicit = wheels.iter().filter(|wheel| wheel.url.is_some());
    let indexes: BTreeMap<SourceName, Url> = explicit
        .filter_map(|wheel| Some((wheel.source, index_in_cache(ctx, plan, wheel, None)?)))
        .collect();
    indexes.into_iter().collect()
}

fn package(ctx: &Context, plan: &Plan, wheel: &LockedWheel, index: &Url) -> Option<PylockPackage> {
    let Some(index) = index_in_cache(ctx, plan, wheel, Some(index)) else {
        let url = ctx.settings.sources.mirrored(wheel.url.as_deref()?).parse().ok()?;
        return Some(PylockPackage::archive(wheel, url));
    };
    // This URL is only shown if the file is missing: the cache does not store the URLs of an index's files.
    let mut url = index.clone();
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend([wheel.name.as_str(), wheel.file.as_str()]);
    Some(PylockPackage::of_index(wheel, url, Some(index)))
}

/// Returns uv's default index, which uv writes at the top of a requirements list; `None` if it writes none.
async fn default_index(ctx: &Context, uv: &Uv, files: &Project) -> Result<Option<Url>, PypiError> {
    let nothing = files.write("nothing.in", "").map_err(PypiError::Io)?;
    let arguments: [OsString; 4] = [
        "--config-file".into(),
        files.path("uv.toml").into(),
        "--offline".into(),
        nothing.into(),
    ];
    let ended = Job::new(&uv.path, environment::for_uv(&ctx.settings, files.folder()))
        .args(["pip", "compile", "--emit-index-url", "--quiet"])
        .args(arguments)
        .cwd(files.folder())
        .run()
        .await
        .map_err(PypiError::Io)?;
    let text = ended.stdout_text();
    let line = text.lines().find_map(|line| line.strip_prefix("--index-url "));
    Ok(line.and_then(|url| url.trim().parse().ok()))
}
