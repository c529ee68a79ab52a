use std::path::{Path, PathBuf};

use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};

use super::{
    Binaries, CondaPackage, Depth, Distribution, GpuLibraries, LackingSymbols, LackingVersion, Ownership, Remains,
    Subject, Tree, Unowned, conda_records, distribution, torch, unowned,
};
use crate::{
    causes::chain,
    doctor::{Code, Finding, Scope, Severity},
    hardware,
    lock::{Lock, LockError},
    names::{EnvName, ProfileName},
    store::{Generation, layout},
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
    /// What is typed after `matenv install` to make it again, for remedies.
    pub env: String,
    /// Its name, if it is an environment of matenv's that was finished.
    pub made: Option<EnvName>,
    /// `site-packages`, below the prefix.
    pub site_packages: String,
    /// The accelerator level that it has to serve.
    pub profile: ProfileName,
    /// The version of its Python, such as `3.13`, with a `t` for one without the lock.
    pub python: String,
    /// Whether its Python is linked to musl, and not to glibc.
    pub musl: bool,
    /// The distributions, by name.
    pub distributions: Vec<Distribution>,
    /// What is left of others.
    pub remains: Vec<Remains>,
    /// Records of conda packages that cannot be read.
    pub damaged_records: Vec<String>,
    /// The conda packages.
    pub conda: Vec<CondaPackage>,
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
    /// Needs of the C and C++ libraries that do not hold.
    pub lacking_versions: Vec<LackingVersion>,
    /// What torch needs of NCCL and does not get.
    pub lacking_nccl: Option<LackingSymbols>,
    /// What torchvision needs of torch and does not get.
    pub lacking_torch: Option<LackingSymbols>,
    /// What markers are judged against.
    pub markers: MarkerEnvironment,
    /// What the GPU libraries say; empty where the profile uses no GPU.
    pub gpu: GpuLibraries,
}

impl Inventory {
    /// Read the prefix: names, sizes and tables of symbols; with [`Depth::Content`] every file.
    pub fn read(prefix: &Path, env: &str, subject: &Subject, depth: Depth) -> Result<Self, AuditError> {
        let no_python = || AuditError::NoPython {
            prefix: prefix.to_owned(),
        };
        let python = layout::python_version(prefix).ok_or_else(no_python)?;
        let site_packages = layout::site_packages_below(&python);
        let markers = markers(&full_version(prefix, &python)).ok_or_else(no_python)?;
        let (records, (conda, damaged_records)) = rayon::join(
            || distribution::read(prefix, &site_packages),
            || conda_records::read(prefix),
        );
        let (distributions, remains) = records?;
        let ((tree, mut files), (gpu, lock)) = rayon::join(
            || rayon::join(|| Tree::read(prefix), || Ownership::of(&distributions, &conda)),
            || rayon::join(|| GpuLibraries::read(prefix, subject), || lock(prefix)),
        );
        let of_conda = !conda.is_empty();
        let ((), binaries) = rayon::join(
            || files.compare(&tree, depth == Depth::Content),
            || Binaries::read(prefix, &tree, of_conda),
        );
        let (lacking_nccl, lacking_torch) = rayon::join(
            || torch::lacking_nccl(&binaries, &site_packages),
            || torch::lacking_torch(&binaries, &tree, &site_packages),
        );
        let (lock, damaged_lock) = lock;
        Ok(Self {
            env: env.to_owned(),
            made: Generation::of_prefix(prefix).map(|generation| generation.env),
            profile: subject.profile,
            unowned: unowned::find(&tree, &files, &binaries, &site_packages),
            lacking_versions: binaries.lacking_versions(|path| files.claims.contains_key(path)),
            lacking_nccl,
            lacking_torch,
            site_packages,
            python,
            musl: hardware::is_musl(&layout::python(prefix)),
            distributions,
            remains,
            damaged_records,
            conda,
            lock,
            damaged_lock,
            tree,
            files,
            markers,
            gpu,
        })
    }

    /// The distribution of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.distributions
            .iter()
            .find(|distribution| distribution.name.as_ref() == name)
    }

    /// The command that brings the environment back to what was installed.
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
        if self.lock.is_none() && self.damaged_lock.is_none() {
            return "install the package again with what made this environment; or have one made and proven: matenv install ENV"
                .to_owned();
        }
        format!("matenv install {} --force", self.env)
    }

    /// A path below the prefix, from `site-packages` on where it lies there.
    #[must_use]
    pub fn short<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.site_packages)
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

fn full_version(prefix: &Path, python: &str) -> String {
    layout::recorded_version(prefix).unwrap_or_else(|| format!("{}.0", python.trim_end_matches('t')))
}

/// The markers of a CPython of that version on this machine.
fn markers(version: &str) -> Option<MarkerEnvironment> {
    let minor = version.split('.').take(2).collect::<Vec<_>>().join(".");
    let (os_name, sys_platform, system) = match std::env::consts::OS {
        "windows" => ("nt", "win32", "Windows"),
        "macos" => ("posix", "darwin", "Darwin"),
        _ => ("posix", "linux", "Linux"),
    };
    let machine = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", "aarch64") => "arm64",
        ("windows", "x86_64") => "AMD64",
        (_, arch) => arch,
    };
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: version,
        os_name,
        platform_machine: machine,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: system,
        platform_version: "",
        python_full_version: version,
        python_version: &minor,
        sys_platform,
    })
    .ok()
}

#[cfg(test)]
impl Inventory {
    /// An inventory of METADATA texts, for the tests of the faults.
    pub(crate) fn of(texts: &[&str]) -> Self {
        Self {
            env: "sleap".to_owned(),
            made: "sleap".parse().ok(),
            site_packages: "lib/python3.13/site-packages".to_owned(),
            profile: ProfileName::Cpu,
            python: "3.13".to_owned(),
            musl: false,
            distributions: texts.iter().filter_map(|text| distribution::parse(text)).collect(),
            remains: Vec::new(),
            damaged_records: Vec::new(),
            conda: Vec::new(),
            lock: None,
            damaged_lock: None,
            tree: Tree::default(),
            files: Ownership::default(),
            unowned: Vec::new(),
            lacking_versions: Vec::new(),
            lacking_nccl: None,
            lacking_torch: None,
            markers: markers("3.13.1").expect("markers"),
            gpu: GpuLibraries::default(),
        }
    }
}
