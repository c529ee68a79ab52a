//! Container recipes for the lab lock: `matenv install --locked` installs and proves the environment while the
//! image is built.

use super::{ExportError, headline};
use crate::{
    export::services::{Platform, Services},
    lock::LabEntry,
};

/// Returns the comments at the top of both recipes.
fn comments(entry: &LabEntry) -> String {
    let gpu = if entry.backend.is_cpu() {
        ""
    } else {
        "# The build has no GPU, so checks that need one are skipped. On a machine with a GPU, run: matenv verify ENV\n"
    };
    format!(
        "# {}; not tested by building it.\n# Put next to this file: the lab's matenv.toml, matenv.lock and matenv-lock.json (and manifests, if it has them), and matenv's own wheel \
         for Linux in dist/.\n{gpu}",
        headline(entry)
    )
}

/// Returns the command that installs the environment.
fn install(entry: &LabEntry) -> String {
    let (env, profile) = (&entry.env, entry.profile);
    match entry.backend.cuda_version() {
        None => format!("matenv install {env} --profile {profile} --locked"),
        // There is no driver, so the variable selects the backend of the lock.
        Some(cuda) => format!("CONDA_OVERRIDE_CUDA={cuda} matenv install {env} --profile {profile} --locked --cross"),
    }
}

fn platform<'a>(entry: &LabEntry, services: &'a Services) -> Result<&'a str, ExportError> {
    services
        .platform(&entry.platform)
        .and_then(|platform: &Platform| platform.container.as_deref())
        .ok_or_else(|| ExportError::NoContainer {
            platform: entry.platform.clone(),
        })
}

/// Writes a recipe for Docker and Podman.
pub(super) fn dockerfile(entry: &LabEntry, manifests: bool) -> Result<String, ExportError> {
    let services = Services::load();
    let platform = platform(entry, &services)?;
    let (comments, image, install) = (comments(entry), &services.python.image, install(entry));
    let (version, env) = (env!("CARGO_PKG_VERSION"), &entry.env);
    let copied = if manifests { "COPY manifests manifests\n" } else { "" };
    Ok(format!(
        r#"{comments}# docker build -t {env} . && docker run --rm {env} python --version
FROM --platform={platform} {image}
ENV HOME=/root MATENV_HOME=/opt/matenv NO_COLOR=1
COPY dist/matenv-{version}-*.whl /opt/wheel/
RUN python -m pip install --no-cache-dir --no-index /opt/wheel/matenv-*.whl
WORKDIR /lab
COPY matenv.toml matenv.lock matenv-lock.json ./
{copied}# One layer, so that the image does not contain the caches.
RUN export UV_CACHE_DIR=/opt/cache/uv RATTLER_CACHE_DIR=/opt/cache/rattler \
 && {install} \
 && rm -rf /opt/cache
ENTRYPOINT ["matenv", "run", "{env}", "--"]
CMD ["python"]
"#
    ))
}

/// Writes a recipe for Apptainer and Singularity.
pub(super) fn apptainer(entry: &LabEntry, manifests: bool) -> Result<String, ExportError> {
    let services = Services::load();
    platform(entry, &services)?;
    let (comments, image, install) = (comments(entry), &services.python.image, install(entry));
    let env = &entry.env;
    let copied = if manifests {
        "    manifests /lab/manifests\n"
    } else {
        ""
    };
    Ok(format!(
        r#"{comments}# apptainer build {env}.sif {env}.def && apptainer run {env}.sif python --version
Bootstrap: docker
From: {image}

%files
    matenv.toml /lab/matenv.toml
    matenv.lock /lab/matenv.lock
    matenv-lock.json /lab/matenv-lock.json
{copied}    dist /opt/wheel

%post
    export HOME=/root MATENV_HOME=/opt/matenv NO_COLOR=1
    export UV_CACHE_DIR=/opt/cache/uv RATTLER_CACHE_DIR=/opt/cache/rattler
    python -m pip install --no-cache-dir --no-index /opt/wheel/matenv-*.whl
    cd /lab
    {install}
    rm -rf /opt/cache

%environment
    export MATENV_HOME=/opt/matenv

%runscript
    exec matenv run {env} -- "$@"
"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{export::fixtures, names::ProfileName};

    #[test]
    fn recipes_install_what_is_locked() {
        for (name, recipe) in [
            ("dockerfile", dockerfile(&fixtures::entry(), false)),
            ("apptainer", apptainer(&fixtures::entry(), true)),
        ] {
            insta::assert_snapshot!(name, fixtures::shown(&recipe.expect("a recipe")));
        }
    }

    #[test]
    fn a_gpu_environment_is_built_without_a_gpu() {
        let entry = LabEntry {
            profile: ProfileName::Gpu,
            backend: "cu128".parse().expect("a backend"),
            ..fixtures::entry()
        };
        let recipe = dockerfile(&entry, true).expect("a recipe");
        let line = "CONDA_OVERRIDE_CUDA=12.8 matenv install demo --profile gpu --locked --cross";
        assert!(recipe.contains(line), "{recipe}");
    }

    #[test]
    fn there_are_no_containers_for_windows() {
        let entry = LabEntry {
            platform: "win-64".to_owned(),
            ..fixtures::entry()
        };
        assert!(matches!(apptainer(&entry, false), Err(ExportError::NoContainer { .. })));
    }
}
