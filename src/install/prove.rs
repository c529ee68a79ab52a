//! The proving stages: audit, probes, smoke tests and benchmark of one prefix.

use crate::{
    audit::{self, Audit, AuditError, Depth, Subject},
    bench::{self, BenchError, BenchRequest, Benchmark, Model},
    certificate::{Certificate, CertificateError},
    context::{Context, event::Stage},
    files::{self, TemporaryFolder},
    names::ExecutionProvider,
    plan::Plan,
    store::{Generation, Store},
    verify::{self, ProbeResult, Tally, Verification, VerifyError},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Clock, RecordsError, machine::absent, read_certificate, read_plan};

/// An error when an environment is proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The audit could not be run.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The thread of the audit ended early.
    #[error("failed to finish the audit")]
    AuditThread(#[source] tokio::task::JoinError),
    /// The probes or the smoke tests could not be run.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The folder for the files of smoke tests could not be created.
    #[error("failed to create a temporary folder for the smoke tests")]
    TemporaryFolder(#[source] std::io::Error),
    /// The benchmark could not be run.
    #[error(transparent)]
    Bench(#[from] BenchError),
}

/// An error when an installed environment is proven again.
#[derive(Debug, thiserror::Error)]
pub enum ProveAgainError {
    /// The records of the environment could not be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The environment could not be proven.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The certificate could not be written.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Batch sizes of the built-in benchmark.
const BATCHES: [u64; 3] = [1, 4, 8];

/// The duration of the benchmark for each batch size, in seconds.
const SECONDS: f64 = 2.0;

/// The checks to run on an environment.
#[derive(Debug, Clone)]
pub(crate) struct Prove {
    /// Whether to run the audit and the probes.
    pub probes: bool,
    /// Whether to run the benchmark.
    pub bench: bool,
    /// How deeply to check the files of an installed environment. A new one is always checked completely.
    pub depth: Depth,
    /// A trained model for the smoke tests.
    pub model_dir: Option<PathBuf>,
}

impl Default for Prove {
    fn default() -> Self {
        Self {
            probes: true,
            bench: true,
            depth: Depth::Structure,
            model_dir: None,
        }
    }
}

impl Prove {
    /// Returns whether all checks are selected that make an environment proven.
    #[must_use]
    pub(crate) fn wanted(&self) -> bool {
        self.probes && self.bench
    }
}

/// The results of the checks. Missing parts were not run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proof {
    /// The static audit.
    pub audit: Option<Audit>,
    /// The probes.
    pub verification: Option<Verification>,
    /// The smoke tests.
    pub smoke: Option<Vec<ProbeResult>>,
    /// The benchmark of the built-in model, which contains those of other models.
    pub bench: Option<Benchmark>,
    /// The benchmark of the model that the smoke tests exported.
    pub exported: Option<Benchmark>,
}

/// Runs the audit, probes, smoke tests and benchmark of the environment at `prefix`. If `absent` is set, checks that
/// need a GPU are skipped with that reason.
pub(crate) async fn prove(
    ctx: &Context,
    clock: &mut Clock,
    plan: &Plan,
    prefix: &Path,
    wanted: &Prove,
    absent: Option<&str>,
) -> Result<Proof, ProveError> {
    let audit = if wanted.probes {
        Some(audit_prefix(ctx, clock, plan, prefix, wanted.depth).await?)
    } else {
        None
    };
    prove_audited(ctx, clock, plan, prefix, wanted, absent, audit).await
}

/// Audits the environment at `prefix`.
pub(super) async fn audit_prefix(
    ctx: &Context,
    clock: &mut Clock,
    plan: &Plan,
    prefix: &Path,
    depth: Depth,
) -> Result<Audit, ProveError> {
    let _at_work = ctx.shared.exclusive.read().await;
    clock.start(Stage::Audit);
    let (prefix, typed, subject) = (
        prefix.to_owned(),
        plan.install_command_arguments(),
        Subject::from_plan(plan),
    );
    // The audit takes seconds. In its own thread it does not delay Ctrl-C.
    let audit = tokio::task::spawn_blocking(move || audit::audit(&prefix, &typed, &subject, depth))
        .await
        .map_err(ProveError::AuditThread)??;
    let summary = match audit.findings.len() {
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    clock.finish(Stage::Audit, summary);
    Ok(audit)
}

/// Runs the rest of [`prove`] after the audit. Without an audit, no probes are run.
pub(super) async fn prove_audited(
    ctx: &Context,
    clock: &mut Clock,
    plan: &Plan,
    prefix: &Path,
    wanted: &Prove,
    absent: Option<&str>,
    audit: Option<Audit>,
) -> Result<Proof, ProveError> {
    let mut proof = Proof::default();
    if let Some(audit) = audit {
        let at_work = ctx.shared.exclusive.read().await;
        clock.start(Stage::Verify);
        let verification = verify::verify(ctx, prefix, &plan.install_command_arguments(), &plan.probes, absent).await?;
        clock.finish(Stage::Verify, describe_probes(&verification.probes));
        drop(at_work);
        let blocked = audit.findings.iter().any(crate::finding::Finding::blocks) || verification.blocks();
        proof.audit = Some(audit);
        proof.verification = Some(verification);
        if blocked {
            // Skip the benchmark of a broken environment: its numbers would be meaningless.
            return Ok(proof);
        }
    }
    let work = TemporaryFolder::new(&ctx.settings.home).map_err(ProveError::TemporaryFolder)?;
    if wanted.bench {
        proof.bench = Some(timed(ctx, clock, prefix, &built_in(plan), absent).await?);
    }
    if let Some(model_dir) = wanted.model_dir.as_ref().filter(|_| !plan.smoke.is_empty()) {
        let at_work = ctx.shared.exclusive.read().await;
        clock.start(Stage::Smoke);
        let smoke = verify::smoke(
            ctx,
            prefix,
            &plan.install_command_arguments(),
            &plan.smoke,
            model_dir,
            work.path(),
            absent,
        )
        .await?;
        clock.finish(Stage::Smoke, describe_probes(&smoke.probes));
        drop(at_work);
        proof.smoke = Some(smoke.probes);
        if let Some(path) = smoke.model {
            let request = BenchRequest {
                model: Model::File {
                    path,
                    shapes: smoke.shapes,
                },
                providers: plan.providers.clone(),
                batches: vec![1],
                seconds: SECONDS,
            };
            proof.exported = Some(timed(ctx, clock, prefix, &request, absent).await?);
        }
    }
    Ok(proof)
}

/// Audits and probes an installed environment and records the results.
pub(crate) async fn prove_again(
    ctx: &Context,
    generation: &Generation,
    wanted: &Prove,
) -> Result<Certificate, ProveAgainError> {
    Store::tidy_for(&ctx.settings);
    let plan = read_plan(generation)?;
    if let Some(model_dir) = &wanted.model_dir {
        verify::check_model_dir(model_dir, &plan.model_files).map_err(ProveError::from)?;
        if plan.smoke.is_empty() {
            ctx.events
                .note(format!("{} has no smoke tests: --model-dir has no effect", plan.env));
        }
    }
    let certificate = read_certificate(generation)?;
    let absent = absent(&ctx.settings, certificate.cross, &plan);
    let proof = prove(ctx, &mut Clock::new(ctx), &plan, &generation.prefix, wanted, absent).await?;
    Ok(proof.record(ctx, certificate, &generation.prefix)?)
}

/// The options of a benchmark.
#[derive(Debug, Clone, Default)]
pub(crate) struct BenchOptions {
    /// The model, or `None` for the built-in one.
    pub model: Option<PathBuf>,
    /// Shapes of inputs with dynamic axes.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Batch sizes. If empty, the default ones are used.
    pub batches: Vec<u64>,
}

/// Runs the benchmark of an installed environment and records the numbers. Those of another model are added to the
/// benchmark of the built-in model.
pub(crate) async fn bench_again(
    ctx: &Context,
    generation: &Generation,
    wanted: &BenchOptions,
) -> Result<Certificate, ProveAgainError> {
    Store::tidy_for(&ctx.settings);
    let plan = read_plan(generation)?;
    let mut certificate = read_certificate(generation)?;
    let mut request = built_in(&plan);
    if let Some(path) = &wanted.model {
        request.model = Model::File {
            path: path.clone(),
            shapes: wanted.shapes.clone(),
        };
        request.batches = vec![1];
    }
    if !wanted.batches.is_empty() {
        request.batches.clone_from(&wanted.batches);
    }
    let absent = absent(&ctx.settings, certificate.cross, &plan);
    let bench = timed(ctx, &mut Clock::new(ctx), &generation.prefix, &request, absent)
        .await
        .map_err(ProveError::from)?;
    match (&wanted.model, certificate.bench.as_mut()) {
        (Some(_), Some(built_in)) => {
            built_in.others.retain(|other| other.model != bench.model);
            built_in.others.push(bench);
        }
        (Some(_) | None, _) => certificate.bench = Some(bench),
    }
    certificate.set_proven();
    write(ctx, &certificate, &generation.prefix)?;
    Ok(certificate)
}

/// Runs a benchmark while all other work of this run waits.
async fn timed(
    ctx: &Context,
    clock: &mut Clock,
    prefix: &Path,
    request: &BenchRequest,
    absent: Option<&str>,
) -> Result<Benchmark, BenchError> {
    let on_processor = request
        .providers
        .first()
        .is_none_or(|provider| *provider == ExecutionProvider::Cpu);
    if let Some(reason) = absent.filter(|_| !on_processor) {
        return Ok(Benchmark::skipped(request, reason));
    }
    let _alone = ctx.shared.exclusive.write().await;
    clock.start(Stage::Bench);
    let bench = bench::bench(ctx, prefix, request).await?;
    clock.finish(Stage::Bench, describe_bench(&bench));
    Ok(bench)
}

/// Writes the certificate into the environment. In a store that only its owner may change, prints a note instead.
fn write(ctx: &Context, certificate: &Certificate, prefix: &Path) -> Result<(), CertificateError> {
    match certificate.write(prefix) {
        Err(CertificateError::Write(error)) if files::is_read_only(&error) => {
            ctx.events.note(
                "the result is not recorded, because you may not write to the environment; to keep it: --report FILE",
            );
            Ok(())
        }
        written => written,
    }
}

/// Returns the default benchmark of an environment.
fn built_in(plan: &Plan) -> BenchRequest {
    BenchRequest {
        model: Model::BuiltIn,
        providers: plan.providers.clone(),
        batches: BATCHES.to_vec(),
        seconds: SECONDS,
    }
}

impl Proof {
    /// Adds the results to the certificate, writes it to `prefix` and returns it. Failed smoke tests are returned but
    /// not written: they are about the model more than the environment.
    pub(crate) fn record(
        self,
        ctx: &Context,
        certificate: Certificate,
        prefix: &Path,
    ) -> Result<Certificate, CertificateError> {
        let mut shown = certificate.clone();
        let mut written = certificate;
        let failed = self
            .smoke
            .as_ref()
            .is_some_and(|smoke| smoke.iter().any(ProbeResult::failed));
        let lasting = Self {
            smoke: self.smoke.clone().filter(|_| !failed),
            ..self.clone()
        };
        lasting.enter(&mut written);
        write(ctx, &written, prefix)?;
        self.enter(&mut shown);
        Ok(shown)
    }

    /// Adds the results to the certificate. Leaves the parts that were not run unchanged.
    pub(crate) fn enter(self, certificate: &mut Certificate) {
        let ran_all = self.audit.is_some() && self.verification.is_some() && self.bench.is_some();
        if let Some(audit) = self.audit {
            // Findings of earlier stages stay. Findings of an earlier audit are replaced by the new ones.
            certificate
                .audit
                .findings
                .retain(|finding| !audit::CODES.contains(&finding.code));
            certificate.audit.findings.extend(audit.findings);
        }
        if let Some(verification) = self.verification {
            certificate.verification = verification;
        }
        if let Some(smoke) = self.smoke {
            let again = |name: &str| smoke.iter().any(|result| result.name == name);
            certificate.verification.probes.retain(|probe| !again(&probe.name));
            certificate.verification.probes.extend(smoke);
        }
        if let Some(bench) = self.bench {
            certificate.bench = Some(bench);
        }
        if let (Some(exported), Some(bench)) = (self.exported, certificate.bench.as_mut()) {
            bench.others = vec![exported];
        }
        certificate.proven |= ran_all;
        certificate.set_proven();
    }
}

fn describe_probes(probes: &[ProbeResult]) -> String {
    Tally::count(probes).describe(" probes")
}

fn describe_bench(bench: &Benchmark) -> String {
    match (bench.rows.first(), &bench.skipped) {
        (_, Some(reason)) => format!("{}: skipped: {reason}", bench.model),
        (Some(row), None) => format!(
            "{}: {:.1} ms an image on {}, {}",
            bench.model, row.p50_ms, bench.provider, bench.runtime
        ),
        (None, None) => format!("{}: failed", bench.model),
    }
}
