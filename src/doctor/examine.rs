//! The examination: host, process and environment, looked at side by side.

use std::{path::PathBuf, sync::Arc};

use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Described, elsewhere, faults,
    host::{HostFacts, PrefixFacts},
    imports::{self, Imports},
    patient::Patient,
    process::ProcessFacts,
    target::{Seen, Target, lost, patients},
};
use crate::finding::{Code, Finding, Scope, Severity};
use crate::{
    audit::{self, AuditError, Depth, Installed, Subject},
    context::{Context, settings::Settings},
    hardware::Hardware,
    install::{self, InstallError},
    manifest::{
        Manifests,
        lab::{self, Lab},
    },
    names::EnvName,
    store::StoreError,
    verify::{self, VerifyError},
};

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Examination {
    /// Version of the form.
    pub schema: u32,
    /// Nothing blocks.
    pub ok: bool,
    /// The environment; absent where none was named, and for what matenv did not make.
    pub env: Option<EnvName>,
    /// Its folder; absent where none was named.
    pub prefix: Option<PathBuf>,
    /// The machine of a hardware file that it was judged for; absent for this one.
    pub hardware: Option<Hardware>,
    /// By what blocks first.
    pub findings: Vec<Finding>,
}

/// Why something could not be examined. What is wrong with it is no error.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What matenv wrote down of an environment.
    #[error(transparent)]
    Records(#[from] InstallError),
    /// Its files.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// What was named is no environment.
    #[error("{} is no conda or virtual environment", prefix.display())]
    NoEnvironment {
        /// What was named.
        prefix: PathBuf,
    },
    /// Its probes.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A program could not be started, or a folder for it not be made.
    #[error("cannot try what this shell's variables do")]
    Trial(#[source] std::io::Error),
}

/// Examine the machine, this shell and `target`, whose files are looked at as closely as `depth` says. Whether driver and GPUs
/// serve it is judged for the machine that is `described`, if one is; all else is this machine's.
///
/// # Errors
/// What is to be examined is not there, or cannot be looked at.
pub async fn examine(
    ctx: &Context,
    target: &Target,
    depth: Depth,
    described: Option<&Described>,
    lab: Option<&Lab>,
) -> Result<Examination, DoctorError> {
    described.map_or(Ok(()), Described::check_platform)?;
    let Seen {
        patients,
        findings: unreadable,
    } = patients(ctx, target, described)?;
    let alone = !matches!(target, Target::Everything);
    let (host, parts) = tokio::try_join!(
        async { HostFacts::gather(ctx, described).await.map_err(DoctorError::Trial) },
        try_join_all(
            patients
                .iter()
                .map(|patient| of_patient(ctx, patient, alone, depth, described))
        )
    )?;
    let mut findings = faults::detect_host(&host, &patients);
    findings.extend(parts.into_iter().flatten().chain(unreadable));
    for lost in lost(ctx, target)? {
        let manifests = Manifests::load(ctx.settings.manifest_dir.as_deref());
        let known = manifests.is_ok_and(|manifests| lab::knows(lab, &manifests, &lost.env));
        findings.push(faults::detect_lost(&lost, known));
    }
    let findings = ordered(findings);
    let (env, prefix) = match (target, patients.first().filter(|_| alone)) {
        (Target::Lost(lost), _) => (Some(lost.env.clone()), Some(lost.leads_to.clone())),
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

/// What is wrong with one prefix. Programs are started only where it is the one that was named.
async fn of_patient(
    ctx: &Context,
    patient: &Patient,
    alone: bool,
    depth: Depth,
    described: Option<&Described>,
) -> Result<Vec<Finding>, DoctorError> {
    let installed = {
        let prefix = patient.prefix.clone();
        blocking(move || Installed::read(&prefix)).await?
    };
    let (installed, unreadable) = match (installed, patient.env()) {
        (Ok(installed), _) => (Some(Arc::new(installed)), None),
        // Its lock brings it back, and the others are looked at all the same.
        (Err(error), Some(env)) => (None, Some(error.finding(env))),
        (Err(error), None) => return Err(error.into()),
    };
    let at_hand = {
        let (settings, patient, installed) = (ctx.settings.clone(), patient.clone(), installed.clone());
        let described = described.cloned();
        blocking(move || {
            rayon::join(
                || installed.map(|installed| files(&settings, &patient, installed, depth, described.as_ref())),
                || PrefixFacts::look(&settings, &patient),
            )
        })
    };
    let dead = dead_python(patient);
    let starts = dead.is_none();
    let installed = installed.as_deref();
    let (at_hand, process, probes, imports) = tokio::try_join!(
        at_hand,
        async {
            if !starts {
                return Ok(None);
            }
            let gathered = Box::pin(ProcessFacts::gather(ctx, patient, installed)).await;
            gathered.map(Some).map_err(DoctorError::Trial)
        },
        async {
            if alone && starts {
                probes(ctx, patient, installed).await
            } else {
                Ok(Vec::new())
            }
        },
        async {
            if alone && starts {
                imports::try_imports(ctx, patient).await.map_err(DoctorError::Trial)
            } else {
                Ok(Imports::default())
            }
        },
    )?;
    let (audited, facts) = at_hand;
    let mut found: Vec<Finding> = audited.into_iter().flatten().chain(unreadable).collect();
    found.extend(dead);
    if !alone {
        for finding in &mut found {
            finding.message = format!("{}: {}", patient.name(), finding.message);
        }
    }
    found.extend(faults::detect_prefix(&facts, &imports.missing, patient));
    found.extend(
        process
            .iter()
            .flat_map(|process| faults::detect_process(process, patient)),
    );
    found.extend(probes);
    found.extend(imports.findings);
    Ok(found)
}

/// Look at many files beside the other work.
async fn blocking<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, DoctorError> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|error| DoctorError::Trial(std::io::Error::other(error)))
}

/// That nothing in the prefix can be started: its Python is gone, leads nowhere, or may not be run.
fn dead_python(patient: &Patient) -> Option<Finding> {
    let python = patient.python();
    which::which(&python).err()?;
    let message = format!("the Python of {} cannot be started", patient.name());
    let finding = Finding::new(Code::FileMissing, Severity::Error, Scope::Environment, message);
    Some(
        finding
            .with_evidence([python.display().to_string()])
            .with_remedy(match patient.env() {
                Some(env) => format!("matenv repair {env}"),
                None => "make the environment again, with a Python that is there".to_owned(),
            }),
    )
}

/// The static audit.
fn files(
    settings: &Settings,
    patient: &Patient,
    installed: Arc<Installed>,
    depth: Depth,
    described: Option<&Described>,
) -> Vec<Finding> {
    let (env, mut subject) = match (&patient.made, described) {
        (Some(made), _) => (patient.typed.clone(), Subject::of_plan(&made.plan)),
        (None, described) => {
            let here = || Hardware::glance(settings);
            let hardware = described.map_or_else(here, |described| described.hardware.clone());
            (
                elsewhere::manifest(&installed).map(ToOwned::to_owned),
                elsewhere::subject(&installed, &hardware),
            )
        }
    };
    described.inspect(|described| described.serve(&mut subject));
    audit::look(installed, env.as_deref(), &subject, depth).findings
}

/// The environment's own probes; of what matenv did not make, those of the manifest that makes the like.
async fn probes(ctx: &Context, patient: &Patient, installed: Option<&Installed>) -> Result<Vec<Finding>, DoctorError> {
    let Some(made) = &patient.made else {
        return match installed.and_then(elsewhere::manifest) {
            Some(manifest) => Ok(elsewhere::probe(ctx, &patient.prefix, manifest).await?),
            None => Ok(Vec::new()),
        };
    };
    let absent = install::absent(&ctx.settings, made.certificate.cross, &made.plan);
    let verification = verify::verify(ctx, &patient.prefix, &made.plan.typed(), &made.plan.probes, absent).await?;
    Ok(verification
        .probes
        .into_iter()
        .filter_map(|probe| probe.finding)
        .collect())
}

/// By what blocks first: errors before warnings, what lies in the machine before what lies in the files on it, and causes
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
    // A probe and a look at the files may see the same.
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        let same = |other: &Finding| {
            other.code == finding.code
                && (other.message == finding.message
                    || finding.code == crate::finding::Code::SystemLibraryMissing && says_the_same(other, &finding))
        };
        if !kept.iter().any(same) {
            kept.push(finding);
        }
    }
    kept
}

/// Whether two findings about missing libraries of the system name one.
fn says_the_same(one: &Finding, other: &Finding) -> bool {
    let names = |finding: &Finding| -> Vec<String> {
        let text = format!("{} {}", finding.message, finding.evidence.join(" "));
        text.split(|letter: char| letter.is_whitespace() || ",:;".contains(letter))
            .filter(|word| word.starts_with("lib") && word.contains(".so"))
            .map(ToOwned::to_owned)
            .collect()
    };
    let theirs = names(other);
    names(one).iter().any(|name| theirs.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_comes_first_and_nothing_is_said_twice() {
        let of = |code, severity, scope, message: &str| Finding::new(code, severity, scope, message);
        let found = ordered(vec![
            of(Code::NoCondaOnPath, Severity::Info, Scope::Host, "a"),
            of(Code::LibraryMissing, Severity::Error, Scope::Environment, "b"),
            of(Code::ShadowedLibrary, Severity::Error, Scope::Process, "c"),
            of(Code::DiskFull, Severity::Error, Scope::Host, "d"),
            of(Code::LibraryMissing, Severity::Error, Scope::Environment, "b"),
            of(
                Code::SystemLibraryMissing,
                Severity::Warning,
                Scope::Host,
                "no libEGL.so.1, libGL.so.1",
            ),
            of(
                Code::SystemLibraryMissing,
                Severity::Warning,
                Scope::Host,
                "this machine has no libEGL.so.1; rest",
            ),
        ]);
        let told: Vec<_> = found.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(told, ["d", "c", "b", "no libEGL.so.1, libGL.so.1", "a"]);
    }
}
