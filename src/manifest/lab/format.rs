//! The format of the lab's file, before its strings are parsed, and the checks on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::{LabEnvironment, LabPlatform};
use crate::{
    context::sources::Mirror,
    files::toml_file::{TomlError, TomlFile},
    names::{
        Backend, EnvName, ProfileName, closest,
        requirement::{self, Requirement, has_url},
    },
    profile::{CudaVersion, Platforms, stack::Backends},
};

// The doc comments here become the descriptions in the JSON Schema, which editors show.

/// The recipe of a lab: `matenv.toml`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lab {
    /// The environments by name. If none is listed, those of the default manifests.
    #[serde(default)]
    environments: BTreeMap<EnvName, Environment>,
    /// The platforms and backends to lock for.
    #[serde(default)]
    lock: Lock,
    /// Replacements for sources. The key is the name of a source (`conda-forge`, `pypi`, `torch`, `nvidia`) or
    /// the beginning of a URL. The value is a URL or the name of another source.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    mirrors: BTreeMap<String, Spanned<String>>,
}

/// An environment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Environment {
    /// The manifest to use, if it has another name.
    manifest: Option<EnvName>,
    /// The profiles to use. All profiles of the manifest if omitted. A single one is the default for `--profile`.
    #[schemars(with = "Option<Vec<ProfileName>>")]
    profiles: Option<Spanned<Vec<ProfileName>>>,
    /// Additional packages from PyPI, as PEP 508 texts such as `ipykernel>=6`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    packages: Vec<Spanned<String>>,
}

/// The platforms and backends to lock for.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Lock {
    /// The platforms to lock for: a conda subdir such as `linux-64`, or a table with minimum versions. This
    /// machine's platform if omitted.
    #[schemars(with = "Option<Vec<Platform>>")]
    platforms: Option<Spanned<Vec<Spanned<Platform>>>>,
    /// The GPU builds of torch to lock for. `cu130` and `cu128` if omitted.
    #[schemars(with = "Option<Vec<Backend>>")]
    backends: Option<Vec<Spanned<Backend>>>,
    /// Packages published after this date are ignored, such as `2026-11-01`.
    #[schemars(with = "Option<String>")]
    exclude_newer: Option<Spanned<Date>>,
}

/// A date, in quotes or without.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a date, such as \"2026-11-01\"")]
enum Date {
    Text(String),
    Toml(toml::value::Datetime),
}

/// A platform: its name, or a table with minimum versions.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only for the schema, which lists both forms")]
enum PlatformSchema {
    /// A conda subdir, such as `linux-64`.
    Name(String),
    /// A conda subdir with minimum versions.
    Table(PlatformTable),
}

/// A platform in either form.
struct Platform(PlatformTable);

/// A platform with minimum versions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlatformTable {
    /// A conda subdir, such as `linux-64`.
    platform: String,
    /// The oldest glibc to support, on Linux, such as `2.28`.
    glibc: Option<String>,
    /// The oldest macOS to support, such as `14.0`.
    macos: Option<String>,
    /// The CUDA version that the drivers support, such as `12.8`.
    cuda: Option<String>,
}

impl JsonSchema for Platform {
    fn inline_schema() -> bool {
        PlatformSchema::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Platform".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        PlatformSchema::json_schema(generator)
    }
}

// Not derived: errors of serde's untagged enums contain neither the key nor the line.
impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Platform;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a platform, such as \"linux-64\" or { platform = \"win-64\", cuda = \"12.8\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Platform, E> {
                Ok(Platform(PlatformTable {
                    platform: text.to_owned(),
                    glibc: None,
                    macos: None,
                    cuda: None,
                }))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Platform, A::Error> {
                PlatformTable::deserialize(de::value::MapAccessDeserializer::new(map)).map(Platform)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Parses the file of the lab in `root`. Returns the lab and its mirrors.
pub(super) fn parse(file: &TomlFile, root: &Path) -> Result<(super::Lab, Vec<Mirror>), TomlError> {
    let form: Lab = file.parse()?;
    let mirrors = mirrors(&form.mirrors, file)?;
    let environments = form
        .environments
        .into_iter()
        .map(|(name, one)| Ok((name.clone(), one.checked(&name, file)?)))
        .collect::<Result<_, TomlError>>()?;
    let lab = super::Lab {
        root: root.to_owned(),
        environments,
        platforms: platforms(form.lock.platforms, file)?,
        backends: backends(form.lock.backends, file)?,
        exclude_newer: date(form.lock.exclude_newer, file)?,
    };
    Ok((lab, mirrors))
}

fn mirrors(rows: &BTreeMap<String, Spanned<String>>, file: &TomlFile) -> Result<Vec<Mirror>, TomlError> {
    rows.iter()
        .map(|(from, to)| {
            let mirror: Result<Mirror, _> = format!("{from}={}", to.get_ref()).parse();
            mirror.map_err(|error| file.error(Some(to.span()), format!("`mirrors.{from}`: {error}")))
        })
        .collect()
}

impl Environment {
    fn checked(self, name: &EnvName, file: &TomlFile) -> Result<LabEnvironment, TomlError> {
        let key = |part: &str| format!("`environments.{name}.{part}`");
        if let Some(profiles) = &self.profiles {
            let names = profiles.get_ref();
            let fault = match names.len() {
                0 => Some("is empty: list a profile or remove the key"),
                count if names.iter().collect::<BTreeSet<_>>().len() < count => Some("lists a profile twice"),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(file.error(Some(profiles.span()), format!("{} {fault}", key("profiles"))));
            }
        }
        let mut seen = BTreeSet::new();
        for package in &self.packages {
            let fault = |message: &str| file.error(Some(package.span()), format!("{}: {message}", key("packages")));
            let parsed = self::package(package.get_ref())
                .map_err(|because| fault(&format!("`{}` {because}", package.get_ref())))?;
            if !seen.insert(parsed.name.clone()) {
                return Err(fault(&format!("{} is listed twice: combine its bounds", parsed.name)));
            }
        }
        Ok(LabEnvironment {
            manifest: self.manifest.unwrap_or_else(|| name.clone()),
            profiles: self.profiles.map(Spanned::into_inner),
            packages: self.packages.into_iter().map(Spanned::into_inner).collect(),
        })
    }
}

/// Parses a package from PyPI. The error message is written to follow the given text.
pub(super) fn package(text: &str) -> Result<Requirement, String> {
    let parsed = requirement::parse(text).map_err(|fault| format!("is not a valid PEP 508 requirement: {fault}"))?;
    if has_url(&parsed) {
        return Err("contains a URL: packages must come from PyPI or a mirror of it".to_owned());
    }
    Ok(parsed)
}

fn platforms(rows: Option<Spanned<Vec<Spanned<Platform>>>>, file: &TomlFile) -> Result<Vec<LabPlatform>, TomlError> {
    let Some(rows) = rows else {
        let here = crate::profile::subdir(&target_lexicon::HOST.to_string());
        return Ok(here
            .into_iter()
            .map(|subdir| LabPlatform::plain(subdir.as_str()))
            .collect());
    };
    if rows.get_ref().is_empty() {
        return Err(file.error(
            Some(rows.span()),
            "`lock.platforms` is empty: list a platform or remove the key",
        ));
    }
    let mut platforms: Vec<LabPlatform> = Vec::new();
    for row in rows.into_inner() {
        let span = row.span();
        let Platform(row) = row.into_inner();
        let name = &row.platform;
        let fault = |message: String| file.error(Some(span.clone()), format!("`lock.platforms`: {message}"));
        let known: Vec<&str> = Platforms::table().targets().collect();
        if !known.contains(&name.as_str()) {
            let similar = closest(name, known.iter().copied());
            let similar = similar.map(|similar| format!(" (did you mean `{similar}`?)"));
            let message = format!(
                "unknown platform `{name}`{}: expected one of {}",
                similar.unwrap_or_default(),
                known.join(", ")
            );
            return Err(fault(message));
        }
        if platforms.iter().any(|other| other.platform == *name) {
            return Err(fault(format!("`{name}` is listed twice")));
        }
        let counted_on = [
            ("glibc", &row.glibc, name.starts_with("linux")),
            ("macos", &row.macos, name.starts_with("osx")),
            ("cuda", &row.cuda, !name.starts_with("osx")),
        ];
        for (key, version, fits) in counted_on {
            let Some(version) = version else { continue };
            if !fits {
                return Err(fault(format!("`{key}` does not apply to `{name}`")));
            }
            let is_version = match key {
                "cuda" => version.parse::<CudaVersion>().is_ok(),
                _ => version.parse::<pep440_rs::Version>().is_ok(),
            };
            if !is_version {
                let such_as = if key == "cuda" { "12.8" } else { "2.28" };
                return Err(fault(format!(
                    "`{key} = \"{version}\"` is not a version, such as \"{such_as}\""
                )));
            }
        }
        platforms.push(LabPlatform {
            platform: row.platform,
            glibc: row.glibc,
            macos: row.macos,
            cuda: row.cuda,
        });
    }
    Ok(platforms)
}

impl LabPlatform {
    fn plain(platform: &str) -> Self {
        Self {
            platform: platform.to_owned(),
            glibc: None,
            macos: None,
            cuda: None,
        }
    }
}

fn backends(rows: Option<Vec<Spanned<Backend>>>, file: &TomlFile) -> Result<Vec<Backend>, TomlError> {
    let Some(rows) = rows else {
        return Ok(["cu130", "cu128"].iter().filter_map(|name| name.parse().ok()).collect());
    };
    let mut backends: Vec<Backend> = Vec::new();
    for row in rows {
        let span = row.span();
        let name = row.into_inner();
        let fault = if name.is_cpu() {
            "`cpu` is always locked for the profile cpu: list only GPU builds, such as cu130".to_owned()
        } else if Backends::table().get(&name).is_none() {
            format!("torch has no build `{name}`: use another one, such as cu130")
        } else if backends.contains(&name) {
            format!("`{name}` is listed twice")
        } else {
            backends.push(name);
            continue;
        };
        return Err(file.error(Some(span), format!("`lock.backends`: {fault}")));
    }
    Ok(backends)
}

fn date(given: Option<Spanned<Date>>, file: &TomlFile) -> Result<Option<String>, TomlError> {
    let Some(given) = given else { return Ok(None) };
    let span = given.span();
    let text = match given.into_inner() {
        Date::Text(text) => text,
        Date::Toml(date) => date.to_string(),
    };
    if text.parse::<jiff::Timestamp>().is_err() && text.parse::<jiff::civil::Date>().is_err() {
        let message = format!("`lock.exclude-newer`: `{text}` is not a date, such as \"2026-11-01\"");
        return Err(file.error(Some(span), message));
    }
    Ok(Some(text))
}
