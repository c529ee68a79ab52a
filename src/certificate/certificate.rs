use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    audit::Audit,
    bench::Benchmark,
    context::{event::Stage, sources::SourceName},
    files::layout,
    finding::Finding,
    hardware::Hardware,
    lock::{Fallback, Lock, PackageKind},
    manifest::checkout::Checkout,
    names::{Backend, EnvName, ProfileName},
    plan::{Choice, Plan},
    store::Size,
    verify::Verification,
};

const FILE: &str = "certificate.json";

/// What an environment is and what proves it (design section 9). Fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Version of the form.
    pub schema: u32,
    /// Version of matenv.
    pub matenv: String,
    /// Proven: audit, verification and benchmark ran and found nothing that blocks.
    pub ok: bool,
    /// Whether audit, verification and benchmark all ran, with no part of them skipped.
    pub proven: bool,
    /// Made for another machine (`--cross`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cross: bool,
    /// Name of the environment.
    pub env: EnvName,
    /// Name of its manifest.
    pub manifest: EnvName,
    /// The accelerator level.
    pub profile: ProfileName,
    /// torch's backend as planned.
    pub backend: Backend,
    /// Counts from 1 for each environment.
    pub generation: u64,
    /// The folder of the generation.
    pub prefix: PathBuf,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The machine that it was proven on.
    pub hardware: Hardware,
    /// What stood for each source.
    pub sources: BTreeMap<SourceName, String>,
    /// Fallbacks that were taken.
    pub fallbacks: Vec<Fallback>,
    /// The choices.
    pub plan: ChosenPlan,
    /// The command that `matenv launch` starts.
    #[serde(default)]
    pub launch: Option<String>,
    /// The program's own source, where it took the place of a release.
    #[serde(default)]
    pub source: Option<Checkout>,
    /// What is installed.
    pub packages: Vec<Package>,
    /// What it holds; absent if it was not audited.
    #[serde(default)]
    pub size: Option<Size>,
    /// What the static audit and the stages before it found.
    pub audit: Audit,
    /// What the probes and smoke tests found.
    pub verification: Verification,
    /// How fast it is; absent if it was not timed.
    pub bench: Option<Benchmark>,
    /// How long each stage took.
    pub timings: Vec<Timing>,
}

/// The choices of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChosenPlan {
    /// Each with its reason.
    pub choices: Vec<Choice>,
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    pub kind: PackageKind,
    /// Canonical URL; for what comes from PyPI the file's name, for its place depends on the index.
    pub url: String,
    /// SHA-256 of the archive.
    pub sha256: Option<String>,
    /// Whether the plan names it.
    pub requested: bool,
}

/// How long a stage took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// Which stage.
    pub stage: Stage,
    /// Milliseconds.
    pub ms: u64,
}

/// What a certificate comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing blocks.
    Good,
    /// Audit or verification found an error.
    Faulty,
    /// The benchmark failed or ran on another provider than asked.
    BenchFailed,
}

/// Why a certificate could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("cannot read the certificate of `{env}`")]
    Read {
        /// The environment.
        env: EnvName,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no certificate.
    #[error("the certificate of `{env}` is damaged")]
    Damaged {
        /// The environment.
        env: EnvName,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the certificate")]
    Write(#[source] std::io::Error),
}

impl Certificate {
    /// Everything that stops the environment from being called good, and everything worth knowing.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let probes = self
            .verification
            .probes
            .iter()
            .filter_map(|probe| probe.finding.as_ref());
        let bench = self.bench.iter().flat_map(Benchmark::all_findings);
        self.audit.findings.iter().chain(probes).chain(bench)
    }

    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let faulty = self.audit.findings.iter().any(Finding::blocks) || self.verification.blocks();
        let bench_failed = self
            .bench
            .as_ref()
            .is_some_and(|bench| bench.all_findings().any(Finding::blocks));
        match (faulty, bench_failed) {
            (true, _) => Verdict::Faulty,
            (false, true) => Verdict::BenchFailed,
            (false, false) => Verdict::Good,
        }
    }

    /// Whether a probe, a smoke test or a benchmark was not run because this machine lacks what it needs.
    #[must_use]
    pub fn skipped(&self) -> bool {
        let probe = self.verification.probes.iter().any(|probe| probe.skipped.is_some());
        let bench = self.bench.as_ref().is_some_and(Benchmark::is_skipped);
        probe || bench
    }

    /// Set `proven` and `ok` by what the parts say: what was skipped is left to be proven.
    pub fn judge(&mut self) {
        self.proven &= !self.skipped();
        self.ok = self.proven && self.verdict() == Verdict::Good;
    }

    /// The version of an installed package.
    #[must_use]
    pub fn version_of(&self, name: &str) -> Option<&str> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .map(|package| package.version.as_str())
    }

    /// Write it into the environment at `prefix`, whole or not at all.
    pub fn write(&self, prefix: &Path) -> Result<(), CertificateError> {
        let folder = layout::records(prefix);
        fs_err::create_dir_all(&folder).map_err(CertificateError::Write)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| CertificateError::Write(error.into()))?;
        let temporary = folder.join(".certificate.json.new");
        fs_err::write(&temporary, text).map_err(CertificateError::Write)?;
        fs_err::rename(temporary, folder.join(FILE)).map_err(CertificateError::Write)
    }

    /// Read it from the environment at `prefix`.
    pub fn read(env: &EnvName, prefix: &Path) -> Result<Self, CertificateError> {
        let path = layout::records(prefix).join(FILE);
        let text = fs_err::read_to_string(path).map_err(|source| CertificateError::Read {
            env: env.clone(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| CertificateError::Damaged {
            env: env.clone(),
            source,
        })
    }
}

impl Package {
    /// The packages of a lock, conda's first, each by name.
    #[must_use]
    pub fn of_lock(plan: &Plan, lock: &Lock) -> Vec<Self> {
        let requested_wheels: Vec<String> = plan
            .requirements
            .iter()
            .filter_map(|wanted| wanted.requirement.parse::<pep508_rs::Requirement>().ok())
            .map(|requirement| requirement.name.to_string())
            .collect();
        let requested_conda = |name: &str| {
            name == "python"
                || plan
                    .conda
                    .iter()
                    .any(|spec| spec.split([' ', '=', '<', '>', '!', '~']).next() == Some(name))
        };
        let conda = lock.conda.iter().map(|record| {
            let name = record.package_record.name.as_normalized().to_owned();
            Self {
                requested: requested_conda(&name),
                name,
                version: record.package_record.version.to_string(),
                kind: PackageKind::Conda,
                url: match record.url.scheme() {
                    // The host's Python, from a channel of this machine alone.
                    "file" => record.identifier.to_file_name(),
                    _ => record.url.to_string(),
                },
                sha256: record.package_record.sha256.as_ref().map(hex::encode),
            }
        });
        let pypi = lock.pypi.wheels.iter().map(|wheel| Self {
            name: wheel.name.clone(),
            version: wheel.version.clone(),
            kind: PackageKind::Pypi,
            url: wheel.url.clone().unwrap_or_else(|| wheel.file.clone()),
            sha256: Some(wheel.sha256.clone()),
            requested: requested_wheels.contains(&wheel.name),
        });
        let mut packages: Vec<_> = conda.chain(pypi).collect();
        packages.sort_by(|a, b| (a.kind as u8, &a.name).cmp(&(b.kind as u8, &b.name)));
        packages
    }
}
