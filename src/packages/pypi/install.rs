use std::{ffi::OsString, fmt::Write as _, path::Path};

use rattler_digest::{Sha256, compute_bytes_digest};

use super::{
    PypiError, Uv, cached,
    compile::hashed,
    environment,
    project::{self, Project},
    source,
    watch::{run_and_report, watched_downloads},
};
use crate::{
    context::{
        Context,
        event::Stage,
        sources::{Index, SourceName},
    },
    files::{self, layout},
    lock::{LockedPypi, LockedWheel},
    plan::Plan,
    process::Job,
};

/// Installs pinned wheels into `prefix` and checks each against its hash.
///
/// If the same set was installed from this cache before, it is installed from the cache without a request to the
/// index. If the cache does not contain it any more, the error is [`PypiError::NotCached`], and the next call, for a new
/// prefix, uses the index.
pub async fn install(ctx: &Context, uv: &Uv, prefix: &Path, plan: &Plan, locked: &LockedPypi) -> Result<(), PypiError> {
    let files = Project::new(&ctx.settings.home).map_err(PypiError::Io)?;
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
    install_wheels(ctx, uv, prefix, &files, &index, locked)
        .await
        .map_err(|error| error.about(plan))?;
    match &plan.source {
        Some(checkout) => source::install(ctx, uv, prefix, &files, locked, checkout).await,
        None => Ok(()),
    }
}

/// Installs the packages that come from indexes.
async fn install_wheels(
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
        let ended = run_and_report(ctx, Stage::Wheels, job(list).args(["--offline"])).await?;
        if ended.success() {
            return Ok(());
        }
        let error = PypiError::of_uv(prefix, &ended);
        if ctx.settings.offline || matches!(error, PypiError::Killed { .. }) {
            return Err(error);
        }
        // Whatever the cause is, the next attempt should not start with the cache again.
        files::remove_if_exists(&marker).map_err(PypiError::Io)?;
        if error.is_offline() {
            tracing::debug!("the cache no longer contains the set: {}", ended.stderr);
            // uv may have installed some wheels already, and would not notice if one of them is incomplete.
            return Err(PypiError::NotCached);
        }
        return Err(error);
    }
    let ended = watched_downloads(ctx, job("requirements.txt"), &locked.wheels).await?;
    if !ended.success() {
        return Err(PypiError::of_uv(prefix, &ended));
    }
    // This is only a shortcut: without the marker the next install uses the index.
    if let Some(folder) = marker.parent()
        && fs_err::create_dir_all(folder).is_ok()
    {
        let _ = fs_err::write(&marker, "");
    }
    Ok(())
}

/// Returns the list that uv installs from, with the mirrors of this machine.
fn requirements_now(ctx: &Context, wheels: &[LockedWheel]) -> String {
    requirements(wheels, |url| ctx.settings.sources.mirrored(url))
}

/// Returns a requirements list with hashes. Wheels from the machine's index are listed by name, wheels from an explicit
/// index by URL. `place` turns a canonical URL into the URL to use.
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

/// Returns whether exactly this set was installed from this cache before. Wheels that were removed from the cache since
/// then are downloaded again.
#[must_use]
pub fn is_cached(ctx: &Context, wheels: &[LockedWheel]) -> bool {
    marker(ctx, &requirements_now(ctx, wheels)).is_file()
}

/// Returns the path of the file that marks this set as installed from this cache.
fn marker(ctx: &Context, list: &str) -> std::path::PathBuf {
    let identity = format!("{}\n{list}", ctx.settings.uv_cache.display());
    let digest = hex::encode(compute_bytes_digest::<Sha256>(identity.as_bytes()));
    ctx.settings.home.join("state").join("cached-sets").join(&digest[..32])
}
