//! conda's `environment.yml`: names, versions and builds of conda packages, and a `pip` section.

use serde::Serialize;

use super::{ExportError, headline};
use crate::{
    context::sources::{SourceName, Sources},
    lock::{LabEntry, LockedWheel},
    names::{Backend, EnvName},
};

#[derive(Serialize)]
struct EnvironmentYml<'a> {
    name: &'a EnvName,
    channels: Vec<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Dependency {
    Conda(String),
    Pip { pip: Vec<String> },
}

/// Writes all packages of an entry.
pub(super) fn environment_yml(entry: &LabEntry) -> Result<String, ExportError> {
    let mut dependencies: Vec<Dependency> = entry
        .lock
        .conda
        .iter()
        .map(|record| &record.package_record)
        .map(|record| format!("{}={}={}", record.name.as_normalized(), record.version, record.build))
        .map(Dependency::Conda)
        .collect();
    let wheels = &entry.lock.pypi.wheels;
    if !wheels.is_empty() {
        let has_pip =
            |record: &rattler_conda_types::RepoDataRecord| record.package_record.name.as_normalized() == "pip";
        if !entry.lock.conda.iter().any(has_pip) {
            // conda runs the environment's own pip, and warns if it is not listed.
            dependencies.push(Dependency::Conda("pip".to_owned()));
        }
        dependencies.push(Dependency::Pip {
            pip: wheels.iter().map(requirement).collect(),
        });
    }
    let text = serde_yaml::to_string(&EnvironmentYml {
        name: &entry.env,
        channels: channels(entry),
        dependencies,
    })
    .map_err(|error| ExportError::Form(error.to_string()))?;
    Ok(format!(
        "# {}\n# Names and versions only. The formats `explicit`, `requirements` and `pylock` contain hashes.\n{text}",
        headline(entry)
    ))
}

/// Formats a wheel for pip. The `pip` section cannot set an index for a single package, so wheels of other
/// indexes are given by URL.
fn requirement(wheel: &LockedWheel) -> String {
    match &wheel.url {
        Some(url) => format!("{} @ {url}#sha256={}", wheel.name, wheel.sha256),
        None => format!("{}=={}", wheel.name, wheel.version),
    }
}

/// Lists the channels. conda-forge is given by name, so that a lab's conda configuration can mirror it. Others
/// are given by URL. conda's default channels are excluded.
fn channels(entry: &LabEntry) -> Vec<String> {
    let conda_forge = Sources::new(Vec::new(), None).default_url(SourceName::CondaForge, &Backend::cpu());
    let mut channels: Vec<String> = Vec::new();
    for channel in entry.lock.conda.iter().filter_map(|record| record.channel.as_deref()) {
        let channel = channel.trim_end_matches('/');
        let name = if Some(channel) == conda_forge.as_deref() {
            SourceName::CondaForge.as_str()
        } else {
            channel
        };
        if !channels.iter().any(|known| known == name) {
            channels.push(name.to_owned());
        }
    }
    channels.push("nodefaults".to_owned());
    channels
}

#[cfg(test)]
mod tests {
    use rattler_conda_types::{EnvironmentYaml, MatchSpecOrSubSection};

    use super::*;
    use crate::export::fixtures;

    #[test]
    fn rattler_reads_the_file_back() {
        let text = environment_yml(&fixtures::entry()).expect("YAML");
        let read: EnvironmentYaml = serde_yaml::from_str(&text).expect("an environment.yml");
        assert_eq!(read.name.as_deref(), Some("demo"));
        let specs = read
            .dependencies
            .iter()
            .filter_map(MatchSpecOrSubSection::as_match_spec);
        assert_eq!(specs.count(), 4);
        insta::assert_snapshot!(fixtures::shown(&text));
    }
}
