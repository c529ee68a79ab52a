use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use futures::{StreamExt as _, stream};
use url::Url;

use super::{
    PypiError, Uv, check,
    compile::Compile,
    pages,
    project::{self, Project},
    torch_build,
};
use crate::{
    context::{
        Context,
        sources::{Index, SourceName},
    },
    files::layout,
    hardware::target::Target,
    lock::{LockedPypi, LockedWheel, first_conflict},
    names::requirement::package_of,
    net::NotAnswering,
    plan::Plan,
};

/// Number of file sizes that are requested at the same time.
const SIZES_AT_ONCE: usize = 16;

/// The input of [`resolve`]: the plan, the interpreter and what to keep.
#[derive(Debug, Clone)]
pub struct ResolveRequest<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The folder that uv writes to: the prefix, or matenv's own folder for a lock.
    pub folder: &'a Path,
    /// The interpreter from which uv reads marker values and with which it builds sdists.
    pub python: PathBuf,
    /// The minor version of the environment's Python, such as `3.13`.
    pub python_version: &'a str,
    /// The platform to resolve for; `None` is the interpreter's own.
    pub target: Option<&'a Target>,
    /// Requirements in addition to those of the plan: packages that conda would have installed.
    pub extra: &'a [String],
    /// Names and versions of the Python packages that conda installs.
    pub by_conda: Vec<(String, String)>,
    /// Wheels whose versions are kept if possible.
    pub keep: &'a [LockedWheel],
    /// Build requirements whose versions are kept if possible.
    pub keep_build: &'a [LockedWheel],
}

impl<'a> ResolveRequest<'a> {
    /// Returns a request for a prefix that already contains Python.
    #[must_use]
    pub fn for_prefix(plan: &'a Plan, prefix: &'a Path, python_version: &'a str, extra: &'a [String]) -> Self {
        Self {
            plan,
            folder: prefix,
            python: layout::python(prefix),
            python_version,
            target: None,
            extra,
            by_conda: project::constraints(&layout::site_packages(prefix, python_version)),
            keep: &[],
            keep_build: &[],
        }
    }
}

/// Resolves the wheels of a plan and checks the result of uv.
pub async fn resolve(ctx: &Context, uv: &Uv, request: &ResolveRequest<'_>) -> Result<LockedPypi, PypiError> {
    let plan = request.plan;
    let sources = &ctx.settings.sources;
    let pypi = index_of(ctx, plan, SourceName::Pypi)?;
    if let Index::Url(url) = &pypi {
        answers(ctx, SourceName::Pypi, url).await?;
    }
    let torch_is_its_own = plan.wants(SourceName::Torch) && sources.effective(SourceName::Torch) == SourceName::Torch;
    let mut torch_from_pypi = false;
    let mut explicit = Vec::new();
    if torch_is_its_own && let Index::Url(url) = index_of(ctx, plan, SourceName::Torch)? {
        match answers(ctx, SourceName::Torch, &url).await {
            Ok(()) => explicit.push((SourceName::Torch, url)),
            Err(PypiError::Unreachable { because, .. }) if ctx.settings.torch_from_pypi => {
                ctx.events.note(format!("the torch index does not answer: {because}"));
                torch_from_pypi = true;
            }
            Err(error) => return Err(error),
        }
    }

    if plan.wants(SourceName::Nvidia)
        && sources.effective(SourceName::Nvidia) == SourceName::Nvidia
        && let Index::Url(url) = index_of(ctx, plan, SourceName::Nvidia)?
    {
        answers(ctx, SourceName::Nvidia, &url).await?;
        explicit.push((SourceName::Nvidia, url));
    }

    let files = Project::new(&ctx.settings.home).map_err(PypiError::Io)?;
    let mut for_uv = Vec::new();
    for (name, url) in &explicit {
        for_uv.push((*name, pages::with_mirrors(ctx, plan, *name, url.clone(), &files).await?));
    }
    let run = Compile {
        ctx,
        uv,
        request,
        files: &files,
    };
    let configuration = project::configuration(&pypi, &[], &ctx.settings.sources.keyring())
        .map_err(|error| PypiError::Answer(error.to_string()))?;
    files.write("uv.toml", &configuration).map_err(PypiError::Io)?;
    let build = run.build_requirements().await?;
    let by_conda = &request.by_conda;
    let (resolved, warnings) = match run.plan(&for_uv, &build).await {
        Err(error) if ctx.settings.offline && ctx.settings.torch_from_pypi && has_torch(&explicit) => {
            // Offline only the cache is available, and it may contain only the torch of PyPI.
            tracing::debug!("the cache does not contain the torch index's wheels: {error}");
            torch_from_pypi = true;
            explicit.retain(|(name, _)| *name != SourceName::Torch);
            for_uv.retain(|(name, _)| *name != SourceName::Torch);
            run.plan(&for_uv, &build).await?
        }
        resolved => resolved?,
    };
    let places = places(&resolved);
    let wheels: Vec<LockedWheel> = resolved
        .into_iter()
        .map(|package| located(ctx, plan, package, &explicit))
        // Packages that conda linked stay with conda.
        .filter(|wheel| {
            !by_conda
                .iter()
                .any(|(name, version)| *name == wheel.name && *version == wheel.version)
        })
        .collect();
    check::check(plan, &wheels, &warnings)?;
    let mut findings = Vec::new();
    if plan.wants(SourceName::Torch) && !has_torch(&explicit) {
        findings.extend(torch_build::backend_differs(plan, &wheels));
    }
    // The libraries of a wrong torch also conflict with the stack, but the wrong torch is the problem to fix.
    if let Some(unfit) = findings.iter().find(|finding| finding.blocks()) {
        let message = unfit.message.clone();
        return Err(PypiError::TorchUnfit { message });
    }
    if let Some(error) = first_conflict(&wheels) {
        return Err(PypiError::Disagree(Box::new(run.asked_by(error).await)));
    }
    let computed = listed(ctx, plan, &wheels, &explicit).await?;
    Ok(LockedPypi {
        wheels: with_sizes(ctx, wheels, &places, request.keep).await,
        build,
        torch_from_pypi,
        findings,
        computed,
        places,
    })
}

fn index_of(ctx: &Context, plan: &Plan, name: SourceName) -> Result<Index, PypiError> {
    ctx.settings
        .sources
        .index(name, &plan.backend)
        .map_err(|source| PypiError::Url {
            source_name: name,
            source,
        })
}

pub(super) fn has_torch(explicit: &[(SourceName, Url)]) -> bool {
    explicit.iter().any(|(name, _)| *name == SourceName::Torch)
}

/// Sends one request to the index, so that an unreachable host takes seconds instead of uv's retries.
async fn answers(ctx: &Context, name: SourceName, url: &Url) -> Result<(), PypiError> {
    if ctx.settings.offline || url.scheme() == "file" {
        return Ok(());
    }
    let project = match name {
        SourceName::Torch => "torch",
        SourceName::Nvidia => "tensorrt",
        SourceName::Pypi | SourceName::CondaForge => "pip",
    };
    let page = format!("{}/{project}/", url.as_str().trim_end_matches('/'));
    match ctx.client.answers(&page).await {
        Ok(()) => Ok(()),
        Err(NotAnswering::Unauthorized) => Err(PypiError::Unauthorized { source_name: name }),
        // A lab's small index may not have pip; any page is an answer.
        Err(NotAnswering::Status(404)) if name != SourceName::Torch => Ok(()),
        Err(NotAnswering::Status(status)) => Err(PypiError::Unreachable {
            source_name: name,
            because: format!("HTTP status {status}"),
        }),
        Err(NotAnswering::NoAnswer(because)) => Err(PypiError::Unreachable {
            source_name: name,
            because,
        }),
    }
}

/// Returns the current URLs of the files, by SHA-256.
pub(super) fn places(wheels: &[LockedWheel]) -> BTreeMap<String, Url> {
    let place = |wheel: &LockedWheel| Some((wheel.sha256.clone(), wheel.url.as_deref()?.parse().ok()?));
    wheels.iter().filter_map(place).collect()
}

/// Returns the wheels with their sizes, which an index of plain HTML does not list. A size comes from the kept wheel
/// or else from the server of the file.
pub(super) async fn with_sizes(
    ctx: &Context,
    wheels: Vec<LockedWheel>,
    places: &BTreeMap<String, Url>,
    keep: &[LockedWheel],
) -> Vec<LockedWheel> {
    stream::iter(wheels)
        .map(|mut wheel| async move {
            let known = keep.iter().find(|kept| kept.sha256 == wheel.sha256);
            wheel.size = wheel.size.or_else(|| known.and_then(|kept| kept.size));
            if wheel.size.is_none()
                && !ctx.settings.offline
                && let Some(url) = places.get(&wheel.sha256)
            {
                wheel.size = ctx.client.size(url).await;
            }
            wheel
        })
        .buffered(SIZES_AT_ONCE)
        .collect()
        .await
}

/// Returns the wheel with the name of its source, and with its canonical URL if an explicit index serves it.
fn located(ctx: &Context, plan: &Plan, mut wheel: LockedWheel, explicit: &[(SourceName, Url)]) -> LockedWheel {
    let named = plan
        .requirements
        .iter()
        .find(|wanted| package_of(&wanted.requirement).as_deref() == Some(wheel.name.as_str()))
        .and_then(|wanted| explicit.iter().find(|(name, _)| *name == wanted.source));
    match named {
        Some((name, _)) => {
            wheel.source = *name;
            wheel.url = wheel
                .url
                .map(|url| ctx.settings.sources.canonical(*name, &plan.backend, &url));
        }
        // The wheel is looked up again in the index of the machine that installs it.
        None => wheel.url = None,
    }
    wheel
}

/// Checks that each explicit index lists the wheels that are assigned to it, because uv does not report which index
/// served a file. Returns the files that an index lists without a SHA-256.
async fn listed(
    ctx: &Context,
    plan: &Plan,
    wheels: &[LockedWheel],
    explicit: &[(SourceName, Url)],
) -> Result<BTreeSet<String>, PypiError> {
    let mut computed = BTreeSet::new();
    if ctx.settings.offline {
        return Ok(computed);
    }
    for (name, index) in explicit {
        for wheel in wheels.iter().filter(|wheel| wheel.source == *name) {
            let page = format!("{}/{}/", index.as_str().trim_end_matches('/'), wheel.name);
            let text = ctx.client.text(&page).await.map_err(|because| PypiError::Unreachable {
                source_name: *name,
                because,
            })?;
            if !text.contains(&wheel.file) && !text.contains(&wheel.file.replace('+', "%2B")) {
                return Err(PypiError::WrongBackend {
                    package: wheel.name.clone(),
                    version: wheel.version.clone(),
                    backend: plan.backend.to_string(),
                    source_name: *name,
                });
            }
            // A hash is in the link, or next to the name if the page is JSON.
            if !text.contains(&wheel.sha256) {
                computed.insert(wheel.file.clone());
            }
        }
    }
    Ok(computed)
}
