//! The URLs of files on the machine's index, which a lock does not contain.

use std::{collections::BTreeMap, ffi::OsString, fmt::Write as _, path::Path};

use url::Url;

use super::{
    PypiError, Uv,
    compile::hashed,
    environment,
    project::{self, Project},
    pylock,
    watch::run_and_report,
};
use crate::{
    context::{Context, event::Stage, sources::SourceName},
    input::{self, Input},
    lock::LockedPypi,
    names::Backend,
    process::Job,
};

/// Returns the URL of each file that the machine's index serves, by SHA-256, without credentials. The URLs come from
/// uv, because only uv knows the address of its default index.
pub async fn locations(
    ctx: &Context,
    uv: &Uv,
    python: &Path,
    python_version: &str,
    locked: &LockedPypi,
) -> Result<BTreeMap<String, Url>, PypiError> {
    let mut list = String::new();
    for wheel in locked.wheels.iter().filter(|wheel| wheel.url.is_none()) {
        // Writing into a String cannot fail.
        let _ = writeln!(list, "{}=={}", wheel.name, wheel.version);
    }
    if list.is_empty() {
        return Ok(BTreeMap::new());
    }
    let files = Project::new(&ctx.settings.home).map_err(PypiError::Io)?;
    let index = ctx
        .settings
        .sources
        .index(SourceName::Pypi, &Backend::cpu())
        .map_err(|source| PypiError::Url {
            source_name: SourceName::Pypi,
            source,
        })?;
    let configuration = project::configuration(&index, &[], &ctx.settings.sources.keyring())
        .map_err(|error| PypiError::Answer(error.to_string()))?;
    files.write("uv.toml", &configuration).map_err(PypiError::Io)?;
    let input = files.write("requirements.in", &list).map_err(PypiError::Io)?;
    let constraints = files
        .write("build-constraints.txt", &hashed(&locked.build))
        .map_err(PypiError::Io)?;
    let output = files.path("pylock.toml");
    let mut arguments: Vec<OsString> = vec![input.into(), "--only-binary".into(), ":all:".into()];
    for wheel in locked.wheels.iter().filter(|wheel| wheel.is_sdist()) {
        arguments.extend(["--no-binary".into(), wheel.name.clone().into()]);
    }
    let mut job = Job::new(&uv.path, environment::for_uv(&ctx.settings, files.folder()))
        .args(["pip", "compile", "--format", "pylock.toml", "--no-deps", "--universal"])
        .args(["--python-version", python_version, "--config-file"])
        .args([files.path("uv.toml")])
        .args(["--python".into(), python.to_owned().into_os_string()])
        .args(["--build-constraints".into(), constraints.into_os_string()])
        .args(["--output-file".into(), output.clone().into_os_string()])
        .args(arguments)
        .cwd(files.folder());
    if ctx.settings.offline {
        job = job.args(["--offline"]);
    }
    let ended = run_and_report(ctx, Stage::Resolve, job, &[SourceName::Pypi]).await?;
    if !ended.success() {
        return Err(PypiError::of_uv(files.folder(), &ended));
    }
    let text = input::read_text(&output, Input::Lock).map_err(PypiError::Io)?;
    pylock::locations(&text).map_err(PypiError::Answer)
}
