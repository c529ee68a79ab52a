use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Binaries, Depth, Distribution, GpuLibraries, Installed, LackingLibrary, LackingSymbols, LackingVersion, Ownership,
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

/// Why the files could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no Python in the prefix.
    #[error("{} holds no Python", prefix.display())]
    NoPython {
        /// The prefix.
        prefix: PathBuf,
    },
    /// A folder could not be read.
    #[error("cannot look at the environment's files")]
    Io(#[source] std::io::Error),
}

impl AuditError {
    /// The same as a finding of the environment `env`, which its own lock can bring back.
    #[must_use]
    pub fn finding(&self, env: &EnvName) -> Finding {
        let message = format!("the files of {env} cannot be looked at: {}", chain(self));
        Finding::new(Code::FileMissing, Severity::Error, Scope::Environment, message)
            .with_remedy(format!("matenv repair {env}"))
    }
}

/// Everything that the faults look at, read once.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// What is typed after `matenv install` to make it again, or one like it; absent where nothing makes the like.
    pub env: Option<String>,
    /// Its name, if it is an environment of matenv's that was finished.
    pub made: Option<EnvName>,
    /// What its packages' records say.
    pub installed: Arc<Installed>,
    /// The accelerator level that it has to serve.
    pub profile: ProfileName,
    /// Whether its Python is linked to musl, and not to glibc.
    pub musl: bool,
    /// What matenv installed; absent in a prefix that it did not make.
    pub lock: Option<Lock>,
    /// Why its lock cannot be believed.
    pub damaged_lock: Option<String>,
    /// The files that are there.
    pub tree: Tree,
    /// Whose they are.
    pub files: Ownership,
    /// Libraries and modules that are nobody's.
    pub unowned: Vec<Unowned>,
    /// On macOS and Windows, what imported libraries need and nobody brings.
    pub lacking_libraries: Vec<LackingLibrary>,
    /// Needs of the C and C++ libraries that do not hold.
    pub lacking_versions: Vec<LackingVersion>,
    /// What torch needs of NCCL and does not get.
    pub lacking_nccl: Option<LackingSymbols>,
    /// What torchvision needs of torch and does not get.
    pub lacking_torch: Option<LackingSymbols>,
    /// What the GPU libraries say; empty where the profile uses no GPU.
    pub gpu: GpuLibraries,
}

impl Inventory {
    /// Look at the files of what is installed: names, sizes and tables of symbols; with [`Depth::Content`] every file.
    #[must_use]
    pub fn look(installed: Arc<Installed>, env: Option<&str>, subject: &Subject, depth: Depth) -> Self {
        let Installed {
            prefix,
            site_packages,
            distributions,
            conda,
            ..
        } = &*installed;
        let ((tree, mut files), (gpu, lock)) = rayon::join(
            || rayon::join(|| Tree::read(prefix), || Ownership::of(distributions, conda)),
            || rayon::join(|| GpuLibraries::read(prefix, subject), || lock(prefix)),
        );
        let of_conda = !conda.is_empty();
        let ((), binaries) = rayon::join(
            || files.compare(&tree, depth == Depth::Content),
            || Binaries::read(prefix, &tree, of_conda),
        );
        files.set_aside(&Published::read(prefix), &tree, depth == Depth::Content);
        let (lacking_nccl, lacking_torch) = rayon::join(
            || torch::lacking_nccl(&binaries, site_packages),
            || torch::lacking_torch(&binaries, &tree, site_packages),
        );
        // ELF has its own rules: the closure follows them.
        let lacking_libraries = if cfg!(target_os = "linux") {
            Vec::new()
        } else {
            imports::lacking_libraries(prefix, &tree, site_packages, subject, imports::is_in_system_folder)
        };
        let (lock, mut damaged_lock) = lock;
        let made = Generation::of_prefix(prefix).map(|generation| generation.env);
        if made.is_some() && lock.is_none() && !Lock::is_at(&layout::records(prefix)) {
            damaged_lock.get_or_insert_with(|| "its own lock is gone".to_owned());
        }
        Self {
            env: env.map(ToOwned::to_owned),
            made,
            profile: subject.profile,
            unowned: unowned::find(&tree, &files, &binaries, &installed),
            lacking_versions: binaries.lacking_versions(|path| files.claims.contains_key(path)),
            lacking_libraries,
            lacking_nccl,
            lacking_torch,
            musl: hardware::is_musl(&layout::python(prefix)),
            lock,
            damaged_lock,
            tree,
            files,
            gpu,
            installed,
        }
    }

    /// The distribution of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.installed.get(name)
    }

    /// What to type so that the packages are as they were installed: `matenv repair`, or in a prefix that matenv did not make
    /// what `others` says in words of its installers.
    pub(crate) fn remedy(&self, others: impl FnOnce(&Installers<'_>) -> String) -> String {
        match self.installers() {
            Some(installers) => installers.or_beside(&others(&installers)),
            None => self.again(),
        }
    }

    /// The command that brings an environment of matenv's back to what was installed.
    #[must_use]
    pub fn again(&self) -> String {
        match &self.made {
            Some(env) => format!("matenv repair {env}"),
            None => self.anew(),
        }
    }

    /// The command that makes the environment anew, with all choices made again.
    #[must_use]
    pub fn anew(&self) -> String {
        format!("matenv install {} --force", self.env.as_deref().unwrap_or("ENV"))
    }

    /// Those who installed what matenv did not.
    pub(crate) fn installers(&self) -> Option<Installers<'_>> {
        // One that is being made has a lock already.
        let ours = self.made.is_some() || self.lock.is_some() || self.damaged_lock.is_some();
        (!ours).then(|| Installers::of(self))
    }

    /// A path below the prefix, from `site-packages` on where it lies there.
    #[must_use]
    pub fn short<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.installed.site_packages)
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(path)
    }
}

/// The generation's own lock, or why it cannot be believed. One of a newer matenv is not read.
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
    /// An inventory of METADATA texts, for the tests of the faults.
    pub(crate) fn of(texts: &[&str]) -> Self {
        Self {
            env: Some("sleap".to_owned()),
            made: "sleap".parse().ok(),
            installed: Arc::new(Installed::of(texts)),
            profile: ProfileName::Cpu,
            musl: false,
            lock: None,
            damaged_lock: None,
            tree: Tree::default(),
            files: Ownership::default(),
            unowned: Vec::new(),
            lacking_libraries: Vec::new(),
            lacking_versions: Vec::new(),
            lacking_nccl: None,
            lacking_torch: None,
            gpu: GpuLibraries::default(),
        }
    }

    /// The same of a prefix that matenv did not make, and that has pip.
    pub(crate) fn elsewhere(texts: &[&str]) -> Self {
        Self {
            env: None,
            made: None,
            ..Self::of(&[texts, &["Name: pip\nVersion: 26.0\n"]].concat())
        }
    }
}
