use std::{collections::HashSet, path::Path, str::FromStr};

use rattler_conda_types::{GenericVirtualPackage, MatchSpec, ParseMatchSpecOptions, RepoDataRecord, subdir::Subdir};
use rattler_digest::Sha256Hash;
use rattler_repodata_gateway::RepoData;
use rattler_solve::{SolveError, SolverImpl as _, SolverTask, resolvo};
use rattler_virtual_packages::{VirtualPackageOverrides, VirtualPackages};
use url::Url;

use super::{CondaError, HostPython, channel, host_python};
use crate::{
    context::{Context, sources::SourceName},
    hardware::target::Target,
    plan::Plan,
};

/// The conda part of an environment, solved.
#[derive(Debug, Clone)]
pub struct Solved {
    /// The records to link. Their URLs are canonical, without mirrors.
    pub records: Vec<RepoDataRecord>,
    /// The host's interpreter, if it is used because a channel does not answer.
    pub host_python: Option<HostPython>,
    /// Version of the Python among the records.
    pub python: pep440_rs::Version,
    /// conda packages that the host's Python does not have and that are installed as wheels instead.
    pub missing: Vec<String>,
}

/// Solves the conda part of `plan` with its channels. If a channel does not answer and the settings allow it, falls
/// back to the host's Python. `keep` contains records that are kept if possible.
pub async fn solve(ctx: &Context, plan: &Plan, keep: &[RepoDataRecord]) -> Result<Solved, CondaError> {
    let subdir = Subdir::from_str(&plan.subdir).map_err(|_| CondaError::Unsolvable {
        explanation: format!("unknown conda platform `{}`", plan.subdir),
    })?;
    let mut urls = Vec::new();
    for name in &plan.channels {
        match channel::reachable_url(ctx, *name, subdir).await {
            Ok(url) => urls.push(url),
            Err(CondaError::Unreachable { channel, because }) if ctx.settings.host_python => {
                let text = format!(
                    "the conda channel `{channel}` does not answer: {}",
                    ctx.settings.sources.hide(&because)
                );
                // The user configured this mirror, and its URL may be invalid.
                if ctx.settings.sources.is_mirrored(*name) {
                    ctx.events.warn(text);
                } else {
                    ctx.events.note(text);
                }
                return from_host(ctx, plan, subdir).await;
            }
            Err(error) => return Err(error),
        }
    }
    let offered = virtual_packages(ctx, subdir)?;
    match from_channels(ctx, plan, subdir, &urls, &offered, keep).await {
        // Offline only the caches are available, and they may not contain this channel.
        Err(CondaError::Records { channel, .. }) if ctx.settings.offline && ctx.settings.host_python => {
            ctx.events.note(format!(
                "the caches contain no records of the conda channel `{channel}`"
            ));
            from_host(ctx, plan, subdir).await
        }
        solved => solved,
    }
}

/// Solves the conda part of `plan` for a platform that may differ from this machine's. `keep` contains records that are
/// kept if possible.
pub async fn solve_for(
    ctx: &Context,
    plan: &Plan,
    target: &Target,
    keep: &[RepoDataRecord],
) -> Result<Solved, CondaError> {
    let mut urls = Vec::new();
    for name in &plan.channels {
        urls.push(channel::reachable_url(ctx, *name, target.subdir).await?);
    }
    let offered = target.virtual_packages(&plan.backend);
    from_channels(ctx, plan, target.subdir, &urls, &offered, keep).await
}

async fn from_channels(
    ctx: &Context,
    plan: &Plan,
    subdir: Subdir,
    urls: &[Url],
    offered: &[GenericVirtualPackage],
    keep: &[RepoDataRecord],
) -> Result<Solved, CondaError> {
    let mut specs = vec![parse(&format!("python {}.*", plan.python.preferred))?];
    for spec in &plan.conda {
        specs.push(parse(spec)?);
    }
    // Query the records of every supported Python, so that a second attempt needs no second query.
    let mut any_python = specs.clone();
    any_python[0] = parse(&format!("python {}", plan.python.supported))?;
    let available = channel::records(ctx, urls, subdir, &any_python).await?;
    // A record that the channel lists with another hash is not the kept one.
    let listed: HashSet<_> = available.iter().flat_map(RepoData::iter).map(identity).collect();
    let keep: Vec<RepoDataRecord> = keep
        .iter()
        .filter(|record| listed.contains(&identity(record)))
        .cloned()
        .collect();
    let solved = |specs| run_solver(plan.exclude_newer.as_deref(), offered, &keep, &available, specs);
    let records = match solved(&specs) {
        Ok(records) => records,
        Err(CondaError::Unsolvable { explanation }) => {
            let Ok(records) = solved(&any_python) else {
                return Err(CondaError::Unsolvable { explanation });
            };
            ctx.events.note(format!(
                "python {} cannot be resolved for this platform: using another supported version",
                plan.python.preferred
            ));
            records
        }
        Err(error) => return Err(error),
    };
    let python = python_of(&records)?;
    Ok(Solved {
        records: records.into_iter().map(|record| canonical(ctx, plan, record)).collect(),
        host_python: None,
        python,
        missing: Vec::new(),
    })
}

/// Returns name, version, build and hash of a record, without its URL.
fn identity(record: &RepoDataRecord) -> (String, Option<Sha256Hash>) {
    (record.identifier.to_string(), record.package_record.sha256)
}

async fn from_host(ctx: &Context, plan: &Plan, subdir: Subdir) -> Result<Solved, CondaError> {
    let missing = plan
        .conda
        .iter()
        .map(|spec| host_python::as_wheel(spec).ok_or_else(|| CondaError::OnlyInChannel { spec: spec.clone() }))
        .collect::<Result<Vec<_>, _>>()?;
    // Two environments may use the same interpreter, and then the same local channel.
    let _alone = ctx.shared.tools.lock().await;
    let host = host_python::find_best(ctx, &plan.python).await?;
    let url = host_python::pack(ctx, &host, subdir).await?;
    let specs = [parse(&format!("python =={}", host.version))?];
    let available = channel::records(ctx, &[url], subdir, &specs).await?;
    // The package was packed just now, whatever the date of the interpreter, so a cutoff would exclude it.
    let records = run_solver(None, &virtual_packages(ctx, subdir)?, &[], &available, &specs)?;
    let python = python_of(&records)?;
    Ok(Solved {
        records,
        host_python: Some(host),
        python,
        missing,
    })
}

/// Installs the package that `spec` names, with its dependencies, into `prefix`: for programs that matenv runs.
pub async fn fetch_tool(ctx: &Context, spec: &str, prefix: &Path) -> Result<(), CondaError> {
    let Some(subdir) = Subdir::current() else {
        return Err(CondaError::OnlyInChannel { spec: spec.to_owned() });
    };
    let url = channel::reachable_url(ctx, SourceName::CondaForge, subdir).await?;
    let specs = [parse(spec)?];
    let available = channel::records(ctx, &[url], subdir, &specs).await?;
    let records = run_solver(None, &virtual_packages(ctx, subdir)?, &[], &available, &specs)?;
    Box::pin(super::link(ctx, prefix, &records)).await?;
    Ok(())
}

fn parse(spec: &str) -> Result<MatchSpec, CondaError> {
    MatchSpec::from_str(spec, ParseMatchSpecOptions::strict()).map_err(|source| CondaError::Spec {
        spec: spec.to_owned(),
        source,
    })
}

fn run_solver(
    exclude_newer: Option<&str>,
    offered: &[GenericVirtualPackage],
    keep: &[RepoDataRecord],
    available: &[RepoData],
    specs: &[MatchSpec],
) -> Result<Vec<RepoDataRecord>, CondaError> {
    let exclude_newer = exclude_newer.map(cutoff).transpose()?;
    let task = SolverTask {
        virtual_packages: offered.to_vec(),
        locked_packages: keep.iter().collect(),
        specs: specs.to_vec(),
        exclude_newer: exclude_newer.map(Into::into),
        ..SolverTask::from_iter(available)
    };
    match resolvo::Solver.solve(task) {
        Ok(solved) => Ok(solved.records),
        Err(SolveError::Unsolvable(reasons)) => Err(CondaError::Unsolvable {
            explanation: reasons.join("\n"),
        }),
        Err(other) => Err(CondaError::Unsolvable {
            explanation: other.to_string(),
        }),
    }
}

/// Returns the virtual packages of this machine (glibc, CUDA, …), with `CONDA_OVERRIDE_*` applied.
fn virtual_packages(ctx: &Context, subdir: Subdir) -> Result<Vec<GenericVirtualPackage>, CondaError> {
    let found = VirtualPackages::detect_for_platform(
        subdir,
        &VirtualPackageOverrides::from_env(),
        Some(&ctx.settings.rattler_cache),
    )
    .map_err(CondaError::VirtualPackages)?;
    Ok(found.into_generic_virtual_packages().collect())
}

/// Returns the cutoff time for `given`. A date such as `2026-11-01` means the end of that day in UTC, whatever the
/// local time zone. A timestamp is used as it is.
pub(crate) fn cutoff(given: &str) -> Result<jiff::Timestamp, CondaError> {
    let invalid = |source| CondaError::Date {
        given: given.to_owned(),
        source,
    };
    if let Ok(timestamp) = given.parse::<jiff::Timestamp>() {
        return Ok(timestamp);
    }
    let day: jiff::civil::Date = given.parse().map_err(invalid)?;
    let next = day.tomorrow().map_err(invalid)?;
    Ok(next.to_zoned(jiff::tz::TimeZone::UTC).map_err(invalid)?.timestamp())
}

fn python_of(records: &[RepoDataRecord]) -> Result<pep440_rs::Version, CondaError> {
    records
        .iter()
        .find(|record| record.package_record.name.as_normalized() == "python")
        .and_then(|record| record.package_record.version.to_string().parse().ok())
        .ok_or_else(|| CondaError::Unsolvable {
            explanation: "the solution contains no Python".to_owned(),
        })
}

/// Returns the record with canonical URLs, without the mirror that served it.
fn canonical(ctx: &Context, plan: &Plan, mut record: RepoDataRecord) -> RepoDataRecord {
    let sources = &ctx.settings.sources;
    let name = SourceName::CondaForge;
    if let Ok(url) = sources
        .canonical(name, &plan.backend, record.url.as_str())
        .parse::<Url>()
    {
        record.url = url;
    }
    record.channel = record
        .channel
        .map(|channel| sources.canonical(name, &plan.backend, &channel));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_included_up_to_its_end() {
        let end = cutoff("2026-11-01").expect("a day");
        assert_eq!(end.to_string(), "2026-11-02T00:00:00Z");
        assert!(cutoff("2026-11-01T12:00:00Z").is_ok());
        assert!(matches!(cutoff("yesterday"), Err(CondaError::Date { .. })));
    }
}
