//! Installs a program from source into a prefix that already contains its dependencies.

use std::path::Path;

use super::{PypiError, Uv, compile::hashed, environment, project::Project, watch::run_and_report};
use crate::{
    context::{Context, event::Stage},
    files::{self, layout},
    lock::LockedPypi,
    manifest::checkout::{Checkout, Kind},
    process::{Job, posix_quoted},
};

/// Installs `checkout`: uv installs a project; for scripts a command that starts them is written.
pub(super) async fn install(
    ctx: &Context,
    uv: &Uv,
    prefix: &Path,
    files: &Project,
    locked: &LockedPypi,
    checkout: &Checkout,
) -> Result<(), PypiError> {
    match &checkout.kind {
        Kind::Project { .. } => install_project(ctx, uv, prefix, files, locked, checkout).await,
        Kind::Scripts { script, command, .. } => {
            install_scripts(prefix, checkout, script, command).map_err(PypiError::Io)
        }
    }
}

async fn install_project(
    ctx: &Context,
    uv: &Uv,
    prefix: &Path,
    files: &Project,
    locked: &LockedPypi,
    checkout: &Checkout,
) -> Result<(), PypiError> {
    let constraints = files
        .write("build-constraints.txt", &hashed(&locked.build))
        .map_err(PypiError::Io)?;
    let mut job = Job::new(&uv.path, environment::for_uv(&ctx.settings, prefix))
        .args(["pip", "install", "--no-deps", "--config-file"])
        .args([files.path("uv.toml")])
        .args(["--python".into(), layout::python(prefix).into_os_string()])
        .args(["--build-constraints".into(), constraints.into_os_string()])
        .cwd(files.folder());
    if checkout.editable {
        job = job.args(["--editable"]);
    }
    if ctx.settings.offline {
        job = job.args(["--offline"]);
    }
    let ended = run_and_report(ctx, Stage::Wheels, job.args([&checkout.path]), &[]).await?;
    if ended.success() {
        Ok(())
    } else {
        Err(PypiError::of_uv(prefix, &ended))
    }
}

/// Makes the folder importable by the environment's Python, and writes a command that starts its script.
fn install_scripts(prefix: &Path, checkout: &Checkout, script: &Path, command: &str) -> std::io::Result<()> {
    let folder = &checkout.path;
    let site_packages = layout::site_packages_of(prefix)
        .ok_or_else(|| std::io::Error::other(format!("{} contains no Python", prefix.display())))?;
    let line = format!("{}\n", folder.display());
    // A wheel may have linked these files from the cache, so they are replaced and not overwritten.
    files::write_whole(&site_packages.join(format!("{}.pth", checkout.package)), line)?;
    let script = folder.join(script);
    if cfg!(windows) {
        let text = format!(
            "@\"{}\" \"{}\" %*\r\n",
            layout::python(prefix).display(),
            script.display()
        );
        return files::write_whole(&prefix.join("Scripts").join(format!("{command}.cmd")), text);
    }
    let quoted = |path: &Path| posix_quoted(&path.to_string_lossy());
    let text = format!(
        "#!/bin/sh\nexec {} {} \"$@\"\n",
        quoted(&layout::python(prefix)),
        quoted(&script)
    );
    files::write_program(&prefix.join("bin").join(command), text)
}
