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
    files::{self, layout},
    finding::Finding,
    hardware::Hardware,
    input::{self, Input},
    lock::{Fallback, Lock, PackageKind},
    manifest::checkout::Checkout,
    names::{
        Backend, EnvName, ProfileName,
        requirement::{name_of, package_of},
    },
    plan::{Choice, Plan},
    store::Size,
    verify::Verification,
};

const FILE: &str = "certificate.json";

/// The description and the proof of an environment (design section 9). Fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Certificate {
    /// The version of the format.
    pub schema: u32,
    /// The version of matenv.
    pub matenv: String,
    /// Whether the environment is proven and has no errors.
    pub ok: bool,
    /// Whether audit, verification and benchmark ran completely, with no part skipped.
    pub proven: bool,
    /// Whether the environment was created for another machine (`--cross`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cross: bool,
    /// The name of the environment.
    pub env: EnvName,
    /// The name of its manifest.
    pub manifest: EnvName,
    /// The profile.
    pub profile: ProfileName,
    /// The planned torch backend.
    pub backend: Backend,
    /// The number of the generation, from 1 for each environment.
    pub generation: u64,
    /// The folder of the generation.
    pub prefix: PathBuf,
    /// The time of its creation (RFC 3339).
    pub created: String,
    /// The machine that the environment was proven on.
    pub hardware: Hardware,
    /// The place that was used for each source.
    pub sources: BTreeMap<SourceName, String>,
    /// The fallbacks that were used.
    pub fallbacks: Vec<Fallback>,
    /// The choices of the plan.
    pub plan: ChosenPlan,
    /// The command that `matenv launch` starts.
    #[serde(default)]
    pub launch: Option<String>,
    /// The program's source, if it was installed instead of a release.
    #[serde(default)]
    pub source: Option<Checkout>,
    /// The installed packages.
    pub packages: Vec<Package>,
    /// The size of the environment; absent if it was not audited.
    #[serde(default)]
    pub size: Option<Size>,
    /// The findings of the static audit and of earlier stages.
    pub audit: Audit,
    /// The results of the probes and smoke tests.
    pub verification: Verification,
    /// The benchmark; absent if it did not run.
    pub bench: Option<Benchmark>,
    /// The duration of each stage.
    pub timings: Vec<Timing>,
}

/// The choices of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ChosenPlan {
    /// The choices, each with its reason.
    pub choices: Vec<Choice>,
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Package {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The kind of the package.
    pub kind: PackageKind,
    /// The canonical URL; for packages from PyPI the file name, because the URL depends on the index.
    pub url: String,
    /// The SHA-256 of the archive.
    pub sha256: Option<String>,
    /// Whether the plan names it.
    pub requested: bool,
}

/// The duration of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Timing {
    /// The stage.
    pub stage: Stage,
    /// The duration in milliseconds.
    pub ms: u64,
}

/// The verdict of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No errors.
    Good,
    /// Audit or verification found an error.
    Faulty,
    /// The benchmark failed, or it ran on another execution provider than requested.
    BenchFailed,
}

/// Errors of reading and writing certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("failed to read the certificate of `{env}`")]
    Read {
        /// The environment.
        env: EnvName,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a valid certificate.
    #[error("the certificate of `{env}` is damaged")]
    Damaged {
        /// The environment.
        env: EnvName,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("failed to write the certificate")]
    Write(#[source] std::io::Error),
}

impl Certificate {
    /// Returns all findings: of the audit, the probes and the benchmark.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let probes = self
            .verification
            .probes
            .iter()
            .filter_map(|probe| probe.finding.as_ref());
        let bench = self.bench.iter().flat_map(Benchmark::all_findings);
        self.audit.findings.iter().chain(probes).chain(bench)
    }

    /// Returns the verdict.
    #[must_use]
    pub(crate) fn verdict(&self) -> Verdict {
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

    /// Returns whether a probe, a smoke test or a benchmark was skipped because this machine does not support it.
    #[must_use]
    pub(crate) fn skipped(&self) -> bool {
        let probe = self.verification.probes.iter().any(|probe| probe.skipped.is_some());
        let bench = self.bench.as_ref().is_some_and(Benchmark::is_skipped);
        probe || bench
    }

    /// Sets `proven` and `ok` from the results. With skipped parts, the environment is not proven.
    pub(crate) fn set_proven(&mut self) {
        self.proven &= !self.skipped();
        self.ok = self.proven && self.verdict() == Verdict::Good;
    }

    /// Returns the version of an installed package.
    #[must_use]
    pub(crate) fn version_of(&self, name: &str) -> Option<&str> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .map(|package| package.version.as_str())
    }

    /// Writes the certificate into the environment at `prefix`.
    pub(crate) fn write(&self, prefix: &Path) -> Result<(), CertificateError> {
        let folder = layout::records(prefix);
        fs_err::create_dir_all(&folder).map_err(CertificateError::Write)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| CertificateError::Write(error.into()))?;
        files::write_whole(&folder.join(FILE), text).map_err(CertificateError::Write)
    }

    /// Reads the certificate from the environment at `prefix`.
    pub(crate) fn read(env: &EnvName, prefix: &Path) -> Result<Self, CertificateError> {
        let path = layout::records(prefix).join(FILE);
        let text = input::read_text(&path, Input::Record).map_err(|source| CertificateError::Read {
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
    /// Returns the packages of a lock, conda packages first, sorted by name.
    #[must_use]
    pub(crate) fn of_lock(plan: &Plan, lock: &Lock) -> Vec<Self> {
        let requested_wheels: Vec<String> = plan
            .requirements
            .iter()
            .filter_map(|wanted| package_of(&wanted.requirement))
            .collect();
        let requested_conda = |name: &str| name == "python" || plan.conda.iter().any(|spec| name_of(spec) == name);
        let conda = lock.conda.iter().map(|record| {
            let name = record.package_record.name.as_normalized().to_owned();
            Self {
                requested: requested_conda(&name),
                name,
                version: record.package_record.version.to_string(),
                kind: PackageKind::Conda,
                url: match record.url.scheme() {
                    // The host's Python, from a local channel of this machine.
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
