//! Whether a lock still holds what a plan asks for: no connection is opened.

use std::str::FromStr as _;

use pep440_rs::Version;
use pep508_rs::{Requirement, VerbatimUrl, VersionOrUrl};
use rattler_conda_types::{MatchSpec, Matches as _, ParseMatchSpecOptions};

use crate::{lock::LabEntry, plan::Plan};

/// What `plan` asks for and `entry` does not hold, one sentence each; empty if it holds.
#[must_use]
pub fn unmet(plan: &Plan, entry: &LabEntry) -> Vec<String> {
    let mut unmet = Vec::new();
    let supported = entry
        .python
        .parse()
        .is_ok_and(|version: Version| plan.python.supports(&version));
    if !supported {
        unmet.push(format!("python {} is not {}", entry.python, plan.python.supported));
    }
    unmet.extend(
        plan.conda
            .iter()
            .filter(|spec| !has_conda(entry, spec))
            .map(|spec| format!("the conda package `{spec}` is not in the lock")),
    );
    for (wanted, asked) in plan
        .requirements
        .iter()
        .map(|wanted| (wanted, true))
        .chain(plan.bounds.iter().map(|bound| (bound, false)))
    {
        unmet.extend(requirement(&wanted.requirement, asked, entry));
    }
    unmet
}

fn has_conda(entry: &LabEntry, spec: &str) -> bool {
    let Ok(spec) = MatchSpec::from_str(spec, ParseMatchSpecOptions::strict()) else {
        return false;
    };
    entry.lock.conda.iter().any(|record| spec.matches(record))
}

/// Why a requirement does not hold; `asked` if it has to be there at all.
fn requirement(text: &str, asked: bool, entry: &LabEntry) -> Option<String> {
    let wanted = Requirement::<VerbatimUrl>::from_str(text).ok()?;
    let name = wanted.name.to_string();
    let by_conda = entry.lock.conda.iter().map(|record| {
        let record = &record.package_record;
        (record.name.as_normalized(), record.version.to_string())
    });
    let wheels = &entry.lock.pypi.wheels;
    let locked = wheels
        .iter()
        .map(|wheel| (wheel.name.as_str(), wheel.version.clone()))
        .chain(by_conda)
        .find(|(known, _)| *known == name);
    let Some((_, version)) = locked else {
        // A marker may leave it out on this platform.
        let missing = asked && wanted.marker.is_true();
        return missing.then(|| format!("`{text}` is not in the lock"));
    };
    if let Some(VersionOrUrl::VersionSpecifier(range)) = &wanted.version_or_url
        && !version.parse::<Version>().is_ok_and(|version| range.contains(&version))
    {
        return Some(format!("`{text}` does not hold: the lock has {version}"));
    }
    // Extras that were not asked for when it was locked may lack what they need.
    let known = entry
        .requirements
        .iter()
        .filter_map(|known| Requirement::<VerbatimUrl>::from_str(&known.requirement).ok())
        .find(|known| known.name == wanted.name)
        .map(|known| known.extras)
        .unwrap_or_default();
    let new = wanted.extras.iter().find(|extra| !known.contains(extra))?;
    Some(format!("`{text}` was locked without its extra `{new}`"))
}
