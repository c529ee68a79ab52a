//! Caches: copies of changed files that they would hand on.
//!
//! rattler and uv link files from their caches into environments. A file that is changed in place in one environment is
//! changed in the cache too, and every environment that is made from it gets the change. In: a lock, and which of its
//! packages are in doubt. Out: the cached copies that are not what their own records say ([`altered`]), and a cache without
//! them ([`mend`]), so that the next installation fetches them again. Absent on purpose: the environments' files,
//! which are the audit's, and mending an environment.
//!
//! A package whose own record is wrong, as some are published, looks altered: dropping it costs a download and nothing else.

mod conda;
mod wheels;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use serde::Serialize;

use crate::{
    context::Context,
    lock::{Fallback, Lock, LockError},
    pypi::{Uv, UvError},
    report::PackageKind,
    settings::Settings,
    store::layout,
};

/// A cached package some of whose files are not what its own record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Altered {
    /// Whose cache it is in: conda packages are in rattler's, wheels in uv's.
    pub kind: PackageKind,
    /// Name of the package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The folder in the cache.
    pub folder: PathBuf,
    /// The files that differ or are missing, relative to the folder.
    pub files: Vec<PathBuf>,
}

/// Why caches could not be cleaned.
#[derive(Debug, thiserror::Error)]
pub enum CachesError {
    /// The environment's lock cannot be read.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no uv.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// rattler's cache is held by another program, or cannot be written. Exit 1; help: `RATTLER_CACHE_DIR`.
    #[error("the altered copy of `{package}` cannot be removed from rattler's cache {}", folder.display())]
    Conda {
        /// The package.
        package: String,
        /// The cache.
        folder: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// uv did not remove it. Exit 1; help: `UV_CACHE_DIR`.
    #[error("uv cannot remove the altered copies of {packages} from its cache {}: {text}", folder.display())]
    Wheels {
        /// The packages.
        packages: String,
        /// The cache.
        folder: PathBuf,
        /// What uv said.
        text: String,
    },
}

/// The cached copies of what `lock` names that are altered, among the packages called `names`; every file of those is
/// read. A cache that is not there holds nothing.
#[must_use]
pub fn altered(settings: &Settings, lock: &Lock, names: &[String]) -> Vec<Altered> {
    let names: BTreeSet<String> = names.iter().map(|name| normal(name)).collect();
    let mut found = conda::altered(settings, &lock.conda, &names);
    found.extend(wheels::altered(settings, &lock.pypi.wheels, &names));
    found
}

/// Remove what the caches would hand on of the changes in the environment at `prefix`, among its packages called `names`,
/// and say what that was: each by its cache's own rules, rattler's under its lock, uv's by `uv cache clean`, which removes the
/// package's other versions too. uv is looked for, and fetched if need be, only where a wheel is altered.
pub async fn mend(ctx: &Context, prefix: &Path, names: &[String]) -> Result<Vec<Altered>, CachesError> {
    let lock = Lock::read(&layout::records(prefix))?;
    let found = altered(&ctx.settings, &lock, names);
    let of = |kind| found.iter().filter(move |one| one.kind == kind);
    conda::remove(ctx, of(PackageKind::Conda)).await?;
    if of(PackageKind::Pypi).next().is_some() {
        let channels = !lock.fallbacks.contains(&Fallback::HostPython);
        let uv = Uv::find(ctx, &layout::python(prefix), channels).await?;
        wheels::remove(ctx, &uv, of(PackageKind::Pypi)).await?;
    }
    Ok(found)
}

/// One spelling for all: conda writes `python_abi`, a wheel's folder `antlr4_python3_runtime`.
fn normal(name: &str) -> String {
    pep508_rs::PackageName::from_str(name).map_or_else(|_| name.to_owned(), |name| name.to_string())
}

#[cfg(test)]
mod tests;
