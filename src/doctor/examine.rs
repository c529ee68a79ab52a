//! The examination of host, process and environment, done concurrently.

use std::{path::PathBuf, sync::Arc};

use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    TargetMachine, faults,
    host::{HostFacts, PrefixFacts},
    imports::{self, Imports},
    process::ProcessFacts,
    target::{Seen, Target, examined_prefixes, lost},
};
use crate::{
    audit::{self, AuditError, Depth, Installed, Subject},
    context::{Context, settings::Settings},
    doctor::{examined::ExaminedPrefix, foreign},
    finding::{Code, Finding, Scope, Severity},
    hardware::Hardware,
    install::{self, PlatformError},
    manifest::{
        Manifests,
        lab::{self, Lab},
    },
    names::EnvName,
    store::StoreError,
    verify::{self, VerifyError},
};

/// The result of an examination.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Examination {
    /// The version of the format.
    pub schema: u32,
    /// `true` if no finding is an error.
    pub ok: bool,
    /// The environment; absent if none was named, and for a foreign prefix.
    pub env: Option<EnvName>,
    /// The folder of the environment; absent if none was named.
    pub prefix: Option<PathBuf>,
    /// The target machine from a hardware file; absent for this machine.
    pub hardware: Option<Hardware>,
    /// The findings, errors first.
    pub findings: Vec<Finding>,
}

/// Errors of the examination itself. A problem of the examined environment is a [`Finding`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The described machine has another platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The files of the environment cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The named folder is not an environment.
    #[error("{} is not a conda or virtual environment", prefix.display())]
    NoEnvironment {
        /// The named folder.
        prefix: PathBuf,
    },
    /// The probes cannot be run.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A program failed to start, or its folder could not be created.
    #[error("failed to test the variables of this shell")]
    Trial(#[source] std::io::Error),
}

/// Examines the machine, this shell and `target`. `depth` says how closely the files are checked. Driver and GPUs are
/// judged for the `described` machine, if there is one; everything else is about this machine.
///
/// # Errors
/// The target is missing, or it cannot be read.
pub(crate) async fn examine(
    ctx: &Context,
    target: &Target,
    depth: Depth,
    described: Option<&TargetMachine>,
    lab: Option<&Lab>,
) -> Result<Examination, DoctorError> {
    if let Some(described) = described {
        install::check_platform(&described.hardware)?;
    }
    let Seen {
        prefixes,
        findings: unreadable,
    } = examined_prefixes(ctx, target, described)?;
    let alone = !matches!(target, Target::Everything);
    let (host, parts) = tokio::try_join!(
        async { HostFacts::gather(ctx, described).await.map_err(DoctorError::Trial) },
        try_join_all(
            prefixes
                .iter()
                .map(|examined| examine_prefix(ctx, examined, alone, depth, described))
        )
    )?;
    let mut findings = faults::detect_host(&host, &prefixes);
    findings.extend(parts.into_iter().flatten().chain(unreadable));
    for lost in lost(ctx, target)? {
        let manifests = Manifests::load(ctx.settings.manifest_dir.as_deref());
        let known = manifests.is_ok_and(|manifests| lab::knows(lab, &manifests, &lost.env));
        findings.push(faults::detect_lost(&lost, known));
    }
    let findings = ordered(findings);
    let (env, prefix) = match (target, prefixes.first().filter(|_| alone)) {
        (Target::Lost(lost), _) => (Some(lost.env.clone()), Some(lost.target.clone())),
        (Target::Environment(generation), _) => (Some(generation.env.clone()), Some(generation.prefix.clone())),
        (_, Some(named)) => (named.env().cloned(), Some(named.prefix.clone())),
        (_, None) => (None, None),
    };
    Ok(Examination {
        schema: 1,
        ok: !findings.iter().any(Finding::blocks),
        env,
        prefix,
        hardware: described.map(|described| described.hardware.clone()),
        findings,
    })
}

/// Returns the findings about one prefix. Programs are started only if it is the named one.
async fn examine_prefix(
    ctx: &Context,
    examined: &ExaminedPrefix,
    alone: bool,
    depth: Depth,
    described: Option<&TargetMachine>,
) -> Result<Vec<Finding>, DoctorError> {
    let installed = {
        let prefix = examined.prefix.clone();
        blocking(move || Installed::read(&prefix)).await?
    };
    let (installed, unreadable) = match (installed, examined.env()) {
        (Ok(installed), _) => (Some(Arc::new(installed)), None),
        // A repair from its lock fixes it, and the other environments are examined anyway.
        (Err(error), Some(env)) => (None, Some(error.finding(env))),
        (Err(error), None) => return Err(error.into()),
    };
    let at_hand = {
        let (settings, examined, installed) = (ctx.settings.clone(), examined.clone(), installed.clone());
        let described = described.cloned();
        blocking(move || {
            rayon::join(
                || installed.map(|installed| files(&settings, &examined, installed, depth, described.as_ref())),
                || PrefixFacts::inspect(&settings, &examined),
            )
        })
    };
    let broken = broken_python(examined);
    let starts = broken.is_none();
    let installed = installed.as_deref();
    let (at_hand, process, probes, imports) = tokio::try_join!(
        at_hand,
        async {
            if !starts {
                return Ok(None);
            }
            let gathered = Box::pin(ProcessFacts::gather(ctx, examined, installed)).await;
            gathered.map(Some).map_err(DoctorError::Trial)
        },
        async {
            if alone && starts {
                probes(ctx, examined, installed).await
            } else {
                Ok(Vec::new())
            }
        },
        async {
            if alone && starts {
                imports::try_imports(ctx, examined).await.map_err(DoctorError::Trial)
            } else {
                Ok(Imports::default())
            }
        },
    )?;
    let (audited, facts) = at_hand;
    let mut found: Vec<Finding> = audited.into_iter().flatten().chain(unreadable).collect();
    found.extend(broken);
    if !alone {
        for finding in &mut found {
            finding.message = format!("{}: {}", examined.name(), finding.message);
        }
    }
    found.extend(faults::detect_prefix(&facts, &imports.missing, examined));
    found.extend(
        process
            .iter()
            .flat_map(|process| faults::detect_process(process, examined)),
    );
    found.extend(probes);
    found.extend(imports.findings);
    Ok(found)
}

/// Runs work that reads many files on a blocking thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DoctorError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| DoctorError::Trial(std::io::Error::other(error)))
}

/// Returns a finding if the Python of the prefix is missing, a broken link or not executable.
fn broken_python(examined: &ExaminedPrefix) -> Option<Finding> {
    let python = examined.python();
    which::which(&python).err()?;
    let message = format!("the Python of {} is missing or not executable", examined.name());
    let finding = Finding::new(Code::FileMissing, Severity::Error, Scope::Environment, message);
    Some(
        finding
            .with_evidence([python.display().to_string()])
            .with_remedy(match examined.env() {
                Some(env) => format!("matenv repair {env}"),
                None => "create the environment again, with a Python that exists".to_owned(),
            }),
    )
}

/// Returns the findings of the static audit.
fn files(
    settings: &Settings,
    examined: &ExaminedPrefix,
    installed: Arc<Installed>,
    depth: Depth,
    described: Option<&TargetMachine>,
) -> Vec<Finding> {
    let (env, mut subject) = match (&examined.records, described) {
        (Some(made), _) => (examined.install_arguments.clone(), Subject::from_plan(&made.plan)),
        (None, described) => {
            let here = || Hardware::peek(settings);
            let hardware = described.map_or_else(here, |described| described.hardware.clone());
            (
                foreign::manifest(&installed).map(ToOwned::to_owned),
                foreign::subject(&installed, &hardware),
            )
        }
    };
    described.inspect(|described| described.serve(&mut subject));
    audit::audit_installed(installed, env.as_deref(), &subject, depth).findings
}

/// Runs the environment's own probes; for a foreign prefix, the probes of the manifest that matches it.
async fn probes(
    ctx: &Context,
    examined: &ExaminedPrefix,
    installed: Option<&Installed>,
) -> Result<Vec<Finding>, DoctorError> {
    let Some(made) = &examined.records else {
        return match installed.and_then(foreign::manifest) {
            Some(manifest) => Ok(foreign::probe(ctx, &examined.prefix, manifest).await?),
            None => Ok(Vec::new()),
        };
    };
    let absent = install::absent(&ctx.settings, made.certificate.cross, &made.plan);
    let verification = verify::verify(
        ctx,
        &examined.prefix,
        &made.plan.install_command_arguments(),
        &made.plan.probes,
        absent,
    )
    .await?;
    Ok(verification
        .probes
        .into_iter()
        .filter_map(|probe| probe.finding)
        .collect())
}

/// Sorts the findings and removes duplicates: errors before warnings, the machine before the files on it, and causes
/// before the probe that shows them.
fn ordered(mut findings: Vec<Finding>) -> Vec<Finding> {
    let place = |scope| match scope {
        Scope::Host => 0,
        Scope::Process => 1,
        Scope::Environment => 2,
    };
    findings.sort_by_key(|finding| {
        let shows = finding.code == Code::ProbeFailed;
        (
            std::cmp::Reverse(finding.severity),
            place(finding.scope),
            shows,
            finding.code,
        )
    });
    // A probe and the audit of the files may report the same problem.
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        if !kept.iter().any(|other| finding.repeats(other)) {
            kept.push(finding);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_first_and_duplicates_are_removed() {
        let of = |code, severity, scope, message: &str| Finding::new(code, severity, scope, message);
        let missing = |message, libraries: &[&str]| {
            let finding = of(Code::SystemLibraryMissing, Severity::Warning, Scope::Host, message);
            finding.with_libraries(libraries.iter().copied())
        };
        let found = ordered(vec![
            of(Code::NoCondaOnPath, Severity::Info, Scope::Host, "a"),
            of(Code::LibraryMissing, Severity::Error, Scope::Environment, "b"),
            of(Code::ShadowedLibrary, Severity::Error, Scope::Process, "c"),
            of(Code::DiskFull, Severity::Error, Scope::Host, "d"),
            of(Code::LibraryMissing, Severity::Error, Scope::Environment, "b"),
            missing("windows cannot open", &["libEGL.so.1", "libGL.so.1"]),
            missing("the window cannot open", &["libEGL.so.1"]),
            missing("another window cannot open", &["libxcb-cursor.so.0"]),
        ]);
        let messages: Vec<_> = found.iter().map(|one| one.message.as_str()).collect();
        let windows = ["windows cannot open", "another window cannot open"];
        assert_eq!(messages, ["d", "c", "b", windows[0], windows[1], "a"]);
    }
}
