use std::{ffi::OsString, fmt::Write as _, path::Path};

use rattler_digest::{Sha256, compute_bytes_digest};

use super::{
    PypiError, Uv, cached,
    compile::hashed,
    environment,
    project::{self, Project},
    source,
    watch::{watched, watched_downloads},
};
use crate::{
    context::{
        Context,
        event::Stage,
        sources::{Index, SourceName},
    },
    files::layout,
    lock::{LockedPypi, LockedWheel},
    plan::Plan,
    process::Job,
};

/// Install pinned wheels into `prefix`, each checked against its hash.
///
/// A set that this cache has held before is taken from it without asking the index; if it is gone from there the index
/// is asked.
pub async fn install(ctx: &Context, uv: &Uv, prefix: &Path, plan: &Plan, locked: &LockedPypi) -> Result<(), PypiError> {
    let files = Project::new().map_err(PypiError::Io)?;
    let index = ctx
        .settings
        .sources
        .index(SourceName::Pypi, &plan.backend)
        .map_err(|source| PypiError::Url {
            source_name: SourceName::Pypi,
            source,
        })?;
    let configuration = project::configuration(&index).map_err(|error| PypiError::Answer(error.to_string()))?;
    files.write("uv.toml", &configuration).map_err(PypiError::Io)?;
    released(ctx, uv, prefix, &files, &index, locked)
        .await
        .map_err(|error| error.about(plan))?;
    match &plan.source {
        Some(checkout) => source::install(ctx, uv, prefix, &files, locked, checkout).await,
        None => Ok(()),
    }
}

/// Install what comes from indexes.
async fn released(
    ctx: &Context,
    uv: &Uv,
    prefix: &Path,
    files: &Project,
    index: &Index,
    locked: &LockedPypi,
) -> Result<(), PypiError> {
    let list = requirements_now(ctx, &locked.wheels);
    files.write("requirements.txt", &list).map_err(PypiError::Io)?;
    let sdists: Vec<&str> = locked
        .wheels
        .iter()
        .filter(|wheel| wheel.is_sdist())
        .map(|wheel| wheel.name.as_str())
        .collect();
    let mut arguments: Vec<OsString> = vec!["--only-binary".into(), ":all:".into()];
    for name in sdists {
        arguments.extend(["--no-binary".into(), name.into()]);
    }
    if !locked.build.is_empty() {
        let file = files
            .write("build-constraints.txt", &hashed(&locked.build))
            .map_err(PypiError::Io)?;
        arguments.extend(["--build-constraints".into(), file.into_os_string()]);
    }
    let job = |list: &str| {
        Job::new(&uv.path, environment::for_uv(&ctx.settings, prefix))
            .args(["pip", "install", "--no-deps", "--require-hashes", "--config-file"])
            .args([files.path("uv.toml")])
            .args(["--python".into(), layout::python(prefix).into_os_string()])
            .args(["-r".into(), files.path(list).into_os_string()])
            .args(arguments.clone())
            .cwd(files.folder())
    };
    let marker = marker(ctx, &list);
    if ctx.settings.offline || marker.is_file() {
        let list = match cached::pylock(ctx, uv, files, index, &locked.wheels).await? {
            Some(text) => {
                files.write("pylock.toml", &text).map_err(PypiError::Io)?;
                "pylock.toml"
            }
            None => "requirements.txt",
        };
        let ended = watched(ctx, Stage::Wheels, job(list).args(["--offline"])).await?;
        if ended.success() {
            return Ok(());
        }
        if ctx.settings.offline {
            return Err(PypiError::of_uv(prefix, ended.how(), &ended.stderr));
        }
        tracing::debug!("the cache no longer holds the set: {}", ended.stderr);
    }
    let ended = watched_downloads(ctx, job("requirements.txt"), &locked.wheels).await?;
    if !ended.success() {
        return Err(PypiError::of_uv(prefix, ended.how(), &ended.stderr));
    }
    // Only a shortcut: without it the next install asks the index.
    if let Some(folder) = marker.parent()
        && fs_err::create_dir_all(folder).is_ok()
    {
        let _ = fs_err::write(&marker, "");
    }
    Ok(())
}

/// The list that uv installs from, with the mirrors of this machine.
fn requirements_now(ctx: &Context, wheels: &[LockedWheel]) -> String {
    requirements(wheels, |url| ctx.settings.sources.mirrored(url))
}

/// A list of wheels with hashes: by name where the machine's index is asked, by URL where an explicit one is. `place`
/// gives the URL to ask for a canonical one.
pub fn requirements(wheels: &[LockedWheel], place: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for wheel in wheels {
        // Writing into a String cannot fail.
        let _ = match &wheel.url {
            Some(url) => writeln!(text, "{} @ {} --hash=sha256:{}", wheel.name, place(url), wheel.sha256),
            None => write!(text, "{}", hashed(std::slice::from_ref(wheel))),
        };
    }
    text
}

/// Whether this very set was installed from this cache before. What the cache lost since is fetched again.
#[must_use]
pub fn is_cached(ctx: &Context, wheels: &[LockedWheel]) -> bool {
    marker(ctx, &requirements_now(ctx, wheels)).is_file()
}

/// A file that says that this set was installed from this cache before.
fn marker(ctx: &Context, list: &str) -> std::path::PathBuf {
    let identity = format!("{}\n{list}", ctx.settings.uv_cache.display());
    let digest = hex::encode(compute_bytes_digest::<Sha256>(identity.as_bytes()));
    ctx.settings.home.join("state").join("cached-sets").join(&digest[..32])
}
