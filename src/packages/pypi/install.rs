use std::{ffi::OsString, fmt::Write as _, path::Path};

use rattler_digest::{Sha256, compute_bytes_digest};
use url::Url;

use super::{
    PypiError, Uv, cached,
    compile::hashed,
    environment,
    large::{IndexedWheels, Installation},
    project::{self, Project},
    source,
    watch::{Progress, run_and_report, watched_downloads},
    wheel_check::{check_before_install, check_installed},
};
use crate::{
    context::{Context, event::Stage, sources::SourceName},
    files::{self, layout},
    lock::{LockedPypi, LockedWheel},
    plan::Plan,
    process::Job,
};

/// Installs pinned wheels into `prefix` and checks each against its hash.
///
/// Each wheel and sdist is checked before uv gets it, or if it cannot be read, before anything of it runs. If the same
/// set was installed from this cache before, it is installed from the cache without a request to the index. If the cache
/// does not contain it any more, the error is [`PypiError::NotCached`], and the next call, for a new prefix, uses the
/// index.
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
    let explicit = cached::explicit_indexes(ctx, plan, &locked.wheels);
    let configuration = project::configuration(&index, &explicit, &ctx.settings.sources.keyring())
        .map_err(|error| PypiError::Answer(error.to_string()))?;
    files.write("uv.toml", &configuration).map_err(PypiError::Io)?;
    let from_cache = ctx.settings.offline || is_cached(ctx, &locked.wheels);
    let unread = check_before_install(ctx, uv, prefix, locked, from_cache).await?;
    let machines = cached::url_of(ctx, uv, &files, &index).await?;
    install_wheels(ctx, uv, prefix, plan, &files, machines.as_ref(), locked)
        .await
        .map_err(|error| error.about(plan))?;
    check_installed(prefix, &unread)?;
    match &plan.source {
        Some(checkout) => source::install(ctx, uv, prefix, &files, locked, checkout).await,
        None => Ok(()),
    }
}

/// Installs the packages that come from indexes. `index` is the machine's index, or `None` if it is a folder.
async fn install_wheels(
    ctx: &Context,
    uv: &Uv,
    prefix: &Path,
    plan: &Plan,
    files: &Project,
    index: Option<&Url>,
    locked: &LockedPypi,
) -> Result<(), PypiError> {
    let arguments = arguments(files, locked)?;
    let job = |list: &str| {
        Job::new(&uv.path, environment::for_uv(&ctx.settings, prefix))
            .args(["pip", "install", "--no-deps", "--require-hashes", "--config-file"])
            .args([files.path("uv.toml")])
            .args(["--python".into(), layout::python(prefix).into_os_string()])
            .args(["-r".into(), files.path(list).into_os_string()])
            .args(arguments.clone())
            .cwd(files.folder())
    };
    let marker = marker(ctx, &requirements_now(ctx, &locked.wheels));
    if ctx.settings.offline || marker.is_file() {
        let text = match index {
            Some(index) => cached::pylock(ctx, plan, index, &locked.wheels)?,
            None => None,
        };
        let (list, text) = match text {
            Some(text) => ("pylock.toml", text),
            None => ("requirements.txt", requirements_now(ctx, &locked.wheels)),
        };
        files.write(list, &text).map_err(PypiError::Io)?;
        let ended = run_and_report(ctx, Stage::Wheels, job(list).args(["--offline"]), &[]).await?;
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
    let installation = Installation {
        ctx,
        uv,
        prefix,
        plan,
        files,
        index,
        job: &job,
    };
    download_and_install(&installation, &locked.wheels).await?;
    // This is only a shortcut: without the marker the next install uses the index.
    if let Some(folder) = marker.parent()
        && fs_err::create_dir_all(folder).is_ok()
    {
        let _ = fs_err::write(&marker, "");
    }
    Ok(())
}

/// Downloads the large wheels while uv downloads and installs the others. Installs the large ones, and those of explicit
/// indexes, after that.
async fn download_and_install(installation: &Installation<'_>, wheels: &[LockedWheel]) -> Result<(), PypiError> {
    let Installation {
        ctx,
        prefix,
        files,
        job,
        ..
    } = *installation;
    let indexed = IndexedWheels::find(installation, wheels).await?;
    let others: Vec<LockedWheel> = wheels
        .iter()
        .filter(|wheel| !indexed.contains(wheel))
        .cloned()
        .collect();
    files
        .write("requirements.txt", &requirements_now(ctx, &others))
        .map_err(PypiError::Io)?;
    let progress = Progress::new(ctx.events.clone(), wheels);
    let by_uv = async {
        if others.is_empty() {
            return Ok(());
        }
        let ended = watched_downloads(ctx, job("requirements.txt"), &others, &progress).await?;
        if ended.success() {
            Ok(())
        } else {
            Err(PypiError::of_uv(prefix, &ended))
        }
    };
    let all = async {
        futures::try_join!(by_uv, indexed.download(&progress))?;
        indexed.install().await
    };
    match all.await {
        Err(error) => Err(installation.unless_unreachable(wheels, error).await),
        Ok(()) => Ok(()),
    }
}

/// Returns uv's arguments about wheels and sdists.
fn arguments(files: &Project, locked: &LockedPypi) -> Result<Vec<OsString>, PypiError> {
    let mut arguments: Vec<OsString> = vec!["--only-binary".into(), ":all:".into()];
    for wheel in locked.wheels.iter().filter(|wheel| wheel.is_sdist()) {
        arguments.extend(["--no-binary".into(), wheel.name.clone().into()]);
    }
    if !locked.build.is_empty() {
        let file = files
            .write("build-constraints.txt", &hashed(&locked.build))
            .map_err(PypiError::Io)?;
        arguments.extend(["--build-constraints".into(), file.into_os_string()]);
    }
    Ok(arguments)
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
