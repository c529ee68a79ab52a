//! A bill of materials, `CycloneDX` 1.6 as JSON. The same packages give the same bytes: the serial number is a
//! hash of them, and there is a timestamp only if `SOURCE_DATE_EPOCH` is set.

use purl::GenericPurlBuilder;
use rattler_conda_types::RepoDataRecord;
use rattler_digest::{Sha256, compute_bytes_digest};
use serde::Serialize;

use super::ExportError;
use crate::{
    context::sources::SourceName,
    lock::{LabEntry, LockedWheel},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "bomFormat")]
    format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Depends>,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    tools: Tools,
    component: Component,
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<License>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

/// Not all license texts of conda packages are SPDX expressions, so each is written as a name.
#[derive(Serialize)]
struct License {
    license: Named,
}

#[derive(Serialize)]
struct Named {
    name: String,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Depends {
    #[serde(rename = "ref")]
    component: String,
    depends_on: Vec<String>,
}

/// Writes the packages of an entry. `epoch` is the value of `SOURCE_DATE_EPOCH`.
pub(super) fn sbom(entry: &LabEntry, epoch: Option<&str>) -> Result<String, ExportError> {
    let conda = entry.lock.conda.iter().map(conda_component);
    let pypi = entry.lock.pypi.wheels.iter().map(pypi_component);
    let components: Vec<Component> = conda.chain(pypi).collect::<Result<_, _>>()?;
    let mut bom = Bom {
        format: "CycloneDX",
        spec_version: "1.6",
        serial_number: None,
        version: 1,
        metadata: Metadata {
            timestamp: epoch.map(timestamp).transpose()?,
            tools: Tools {
                components: vec![Component {
                    kind: "application",
                    name: "matenv".to_owned(),
                    version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                    ..Component::default()
                }],
            },
            component: Component {
                kind: "application",
                bom_ref: Some(entry.name.clone()),
                name: entry.name.clone(),
                ..Component::default()
            },
            properties: [
                ("matenv:profile", entry.profile.to_string()),
                ("matenv:backend", entry.backend.to_string()),
                ("matenv:platform", entry.platform.clone()),
            ]
            .map(|(name, value)| Property { name, value })
            .into(),
        },
        dependencies: dependencies(entry, &components),
        components,
    };
    bom.serial_number = Some(serial_number(&text(&bom)?));
    Ok(text(&bom)? + "\n")
}

fn text(bom: &Bom) -> Result<String, ExportError> {
    serde_json::to_string_pretty(bom).map_err(|error| ExportError::Form(error.to_string()))
}

fn conda_component(record: &RepoDataRecord) -> Result<Component, ExportError> {
    let package = &record.package_record;
    let file = record.identifier.to_string();
    let kind = if file.ends_with("bz2") { "tar.bz2" } else { "conda" };
    // A purl contains the name of the channel, not its URL.
    let channel = record.channel.as_deref().unwrap_or_default().trim_end_matches('/');
    let channel = channel.rsplit('/').next().unwrap_or_default();
    let purl = GenericPurlBuilder::new("conda".to_owned(), package.name.as_normalized())
        .with_version(package.version.to_string())
        .with_qualifier("build", package.build.as_str())
        .and_then(|builder| builder.with_qualifier("channel", channel))
        .and_then(|builder| builder.with_qualifier("subdir", package.subdir.as_str()))
        .and_then(|builder| builder.with_qualifier("type", kind))
        .and_then(GenericPurlBuilder::build)
        .map_err(|error| ExportError::Form(error.to_string()))?
        .to_string();
    let sha256 = package.sha256.map(|hash| ("SHA-256", hex::encode(hash)));
    let md5 = package.md5.map(|hash| ("MD5", hex::encode(hash)));
    let hashes = sha256
        .into_iter()
        .chain(md5)
        .map(|(alg, content)| Hash { alg, content });
    let license = package
        .license
        .clone()
        .filter(|name| !name.is_empty())
        .map(|name| License {
            license: Named { name },
        });
    Ok(Component {
        kind: "library",
        bom_ref: Some(purl.clone()),
        name: package.name.as_normalized().to_owned(),
        version: Some(package.version.to_string()),
        hashes: hashes.collect(),
        licenses: license.into_iter().collect(),
        purl: Some(purl),
        external_references: vec![Reference {
            kind: "distribution",
            url: record.url.to_string(),
        }],
    })
}

fn pypi_component(wheel: &LockedWheel) -> Result<Component, ExportError> {
    let mut builder =
        GenericPurlBuilder::new("pypi".to_owned(), wheel.name.as_str()).with_version(wheel.version.as_str());
    let mut qualifier = ("file_name", wheel.file.as_str());
    if let (Some(url), true) = (&wheel.url, wheel.source != SourceName::Pypi) {
        qualifier = ("download_url", url);
    }
    builder = builder
        .with_qualifier(qualifier.0, qualifier.1)
        .map_err(|error| ExportError::Form(error.to_string()))?;
    let purl = builder
        .build()
        .map_err(|error| ExportError::Form(error.to_string()))?
        .to_string();
    Ok(Component {
        kind: "library",
        bom_ref: Some(purl.clone()),
        name: wheel.name.clone(),
        version: Some(wheel.version.clone()),
        hashes: vec![Hash {
            alg: "SHA-256",
            content: wheel.sha256.clone(),
        }],
        purl: Some(purl),
        external_references: (wheel.url.iter())
            .map(|url| Reference {
                kind: "distribution",
                url: url.clone(),
            })
            .collect(),
        ..Component::default()
    })
}

/// Lists the packages of the environment and the dependencies between conda packages. The lock does not contain
/// the dependencies of wheels. In this format, a component that is not listed here has unknown dependencies.
fn dependencies(entry: &LabEntry, components: &[Component]) -> Vec<Depends> {
    let refs = |components: &[Component]| components.iter().filter_map(|one| one.bom_ref.clone()).collect();
    let mut all = vec![Depends {
        component: entry.name.clone(),
        depends_on: refs(components),
    }];
    // conda's components come first, in the order of the lock.
    let conda = &components[..entry.lock.conda.len()];
    for (record, component) in entry.lock.conda.iter().zip(conda) {
        let wants = |name: &str| {
            let mut specs = record.package_record.depends.iter();
            specs.any(|spec| spec.split([' ', '=', '<', '>', '!', '[']).next() == Some(name))
        };
        let wanted = conda.iter().filter(|other| wants(&other.name));
        all.push(Depends {
            component: component.bom_ref.clone().unwrap_or_default(),
            depends_on: wanted.filter_map(|other| other.bom_ref.clone()).collect(),
        });
    }
    all
}

/// Returns a UUID of version 8 (RFC 9562), which allows a custom hash.
fn serial_number(text: &str) -> String {
    let digest = compute_bytes_digest::<Sha256>(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn timestamp(epoch: &str) -> Result<String, ExportError> {
    let seconds = epoch
        .parse()
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    seconds.map(|time| time.to_string()).ok_or_else(|| ExportError::Epoch {
        given: epoch.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures;

    #[test]
    fn the_same_packages_give_the_same_bytes() {
        let text = sbom(&fixtures::entry(), None).expect("JSON");
        assert_eq!(text, sbom(&fixtures::entry(), None).expect("JSON"));
        insta::assert_snapshot!(fixtures::shown(&text));
        let mut other = fixtures::entry();
        other.lock.pypi.wheels.pop();
        let serial = |text: &str| {
            text.lines()
                .find(|line| line.contains("serialNumber"))
                .map(str::to_owned)
        };
        assert_ne!(serial(&text), serial(&sbom(&other, None).expect("JSON")));
    }

    #[test]
    fn a_timestamp_needs_source_date_epoch() {
        let text = sbom(&fixtures::entry(), Some("86400")).expect("JSON");
        assert!(text.contains(r#""timestamp": "1970-01-02T00:00:00Z""#), "{text}");
        assert!(matches!(
            sbom(&fixtures::entry(), Some("now")),
            Err(ExportError::Epoch { .. })
        ));
    }
}
