use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Binaries, Depth, Distribution, GpuLibraries, Installed, MissingLibrary, MissingSymbols, MissingVersion, Ownership,
    Published, Subject, Tree, Unowned, imports, torch, unowned,
};
use crate::{
    audit::Installers,
    files::layout,
    finding::{Code, Finding, Scope, Severity},
    hardware,
    lock::{Lock, LockError},
    names::{EnvName, ProfileName, causes::chain},
    store::Generation,
};

/// An error that prevents the audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The prefix contains no Python.
    #[error("no Python in {}", prefix.display())]
    NoPython {
        /// The prefix.
        prefix: PathBuf,
    },
    /// A folder could not be read.
    #[error("failed to read the environment's files")]
    Io(#[source] std::io::Error),
}

impl AuditError {
    /// Converts the error to a finding about the environment `env`, which `matenv repair` can restore from its lock.
    #[must_use]
    pub fn finding(&self, env: &EnvName) -> Finding {
        let message = format!("failed to check the files of {env}: {}", chain(self));
        Finding::new(Code::FileMissing, Severity::Error, Scope::Environment, message)
            .with_remedy(format!("matenv repair {env}"))
    }
}

/// The data that all fault checks use, read once.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The argument of `matenv install` that creates this environment again, or a similar one. `None` if there is none.
    pub env: Option<String>,
    /// Its name, if matenv created it and finished the installation.
    pub made: Option<EnvName>,
    /// The installed packages, according to their records.
    pub installed: Arc<Installed>,
    /// The profile that it must support.
    pub profile: ProfileName,
    /// Whether its Python is linked to musl instead of glibc.
    pub musl: bool,
    /// The lock that it was installed from. `None` in a foreign prefix.
    pub lock: Option<Lock>,
    /// The reason why its lock cannot be used.
    pub damaged_lock: Option<String>,
    /// The files on disk.
    pub tree: Tree,
    /// The packages that own the files.
    pub files: Ownership,
    /// Libraries and modules that no package owns.
    pub unowned: Vec<Unowned>,
    /// Missing libraries that imported libraries need (macOS and Windows only).
    pub missing_libraries: Vec<MissingLibrary>,
    /// Missing symbol versions of the C and C++ runtimes.
    pub missing_versions: Vec<MissingVersion>,
    /// Symbols that torch needs from NCCL and that are missing.
    pub missing_nccl_symbols: Option<MissingSymbols>,
    /// Symbols that torchvision needs from torch and that are missing.
    pub missing_torch_symbols: Option<MissingSymbols>,
    /// The results for GPU libraries. Empty for a profile without GPU.
    pub gpu: GpuLibraries,
}

impl Inventory {
    /// Checks the files of installed packages: names, sizes and symbol tables. With [`Depth::Content`], also compares
    /// the content of every file.
    #[must_use]
    pub fn inspect(installed: Arc<Installed>, env: Option<&str>, subject: &Subject, depth: Depth) -> Self {
        let Installed {
            prefix,
            site_packages,
            distributions,
            conda,
            ..
        } = &*installed;
        let ((tree, mut files), (gpu, lock)) = rayon::join(
            || rayon::join(|| Tree::read(prefix), || Ownership::from_packages(distributions, conda)),
            || rayon::join(|| GpuLibraries::read(prefix, subject), || lock(prefix)),
        );
        let of_conda = !conda.is_empty();
        let ((), binaries) = rayon::join(
            || files.compare(&tree, depth == Depth::Content),
            || Binaries::read(prefix, &tree, of_conda),
        );
        files.accept_published(&Published::read(prefix), &tree, depth == Depth::Content);
        let (missing_nccl_symbols, missing_torch_symbols) = rayon::join(
            || torch::missing_nccl_symbols(&binaries, site_packages),
            || torch::missing_torch_symbols(&binaries, &tree, site_packages),
        );
        // On Linux, the closure does this check.
        let missing_libraries = if cfg!(target_os = "linux") {
            Vec::new()
        } else {
            imports::missing_libraries(prefix, &tree, site_packages, subject, imports::is_in_system_folder)
        };
        let (lock, mut damaged_lock) = lock;
        let made = Generation::at_prefix(prefix).map(|generation| generation.env);
        if made.is_some() && lock.is_none() && !Lock::is_at(&layout::records(prefix)) {
            damaged_lock.get_or_insert_with(|| "its lock file is missing".to_owned());
        }
        Self {
            env: env.map(ToOwned::to_owned),
            made,
            profile: subject.profile,
            unowned: unowned::find(&tree, &files, &binaries, &installed),
            missing_versions: binaries.missing_versions(|path| files.claims.contains_key(path)),
            missing_libraries,
            missing_nccl_symbols,
            missing_torch_symbols,
            musl: hardware::is_musl(&layout::python(prefix)),
            lock,
            damaged_lock,
            tree,
            files,
            gpu,
            installed,
        }
    }

    /// Returns the distribution with that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.installed.get(name)
    }

    /// Returns the command that restores the packages as they were installed: `matenv repair`, or in a foreign prefix
    /// the command that `others` builds for its installers.
    pub(crate) fn remedy(&self, others: impl FnOnce(&Installers<'_>) -> String) -> String {
        match self.installers() {
            Some(installers) => installers.or_beside(&others(&installers)),
            None => self.repair_command(),
        }
    }

    /// Returns the command that restores an environment created by matenv.
    #[must_use]
    pub fn repair_command(&self) -> String {
        match &self.made {
            Some(env) => format!("matenv repair {env}"),
            None => self.reinstall_command(),
        }
    }

    /// Returns the command that reinstalls the environment and makes all choices again.
    #[must_use]
    pub fn reinstall_command(&self) -> String {
        format!("matenv install {} --force", self.env.as_deref().unwrap_or("ENV"))
    }

    /// Returns the installers of a foreign prefix, or `None` if matenv created it.
    pub(crate) fn installers(&self) -> Option<Installers<'_>> {
        // An environment that is still being installed already has a lock.
        let ours = self.made.is_some() || self.lock.is_some() || self.damaged_lock.is_some();
        (!ours).then(|| Installers::from_inventory(self))
    }

    /// Shortens a path: relative to `site-packages` if it is in there, otherwise unchanged.
    #[must_use]
    pub fn short<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.installed.site_packages)
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(path)
    }
}

/// Returns the generation's lock, or the reason why it cannot be used. A lock from a newer matenv gives neither.
fn lock(prefix: &Path) -> (Option<Lock>, Option<String>) {
    let folder = layout::records(prefix);
    match Lock::read(&folder) {
        Ok(lock) => (Some(lock), None),
        Err(LockError::Newer { .. }) => (None, None),
        Err(LockError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => (None, None),
        Err(error @ (LockError::Io(_) | LockError::Folder { .. } | LockError::Damaged { .. })) => {
            (None, Some(error.to_string()))
        }
    }
}

#[cfg(test)]
impl Inventory {
    /// Creates an inventory from METADATA texts, for tests of the faults.
    pub(crate) fn from_metadata(texts: &[&str]) -> Self {
        Self {
            env: Some("sleap".to_owned()),
            made: "sleap".parse().ok(),
            installed: Arc::new(Installed::from_metadata(texts)),
            profile: ProfileName::Cpu,
            musl: false,
            lock: None,
            damaged_lock: None,
            tree: Tree::default(),
            files: Ownership::default(),
            unowned: Vec::new(),
            missing_libraries: Vec::new(),
            missing_versions: Vec::new(),
            missing_nccl_symbols: None,
            missing_torch_symbols: None,
            gpu: GpuLibraries::default(),
        }
    }

    /// Creates an inventory of a foreign prefix that has pip.
    pub(crate) fn foreign(texts: &[&str]) -> Self {
        Self {
            env: None,
            made: None,
            ..Self::from_metadata(&[texts, &["Name: pip\nVersion: 26.0\n"]].concat())
        }
    }
}
