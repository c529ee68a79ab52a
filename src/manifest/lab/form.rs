//! The file's own form, before its strings are understood, and what is wrong in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use pep508_rs::{Requirement, VerbatimUrl, VersionOrUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::{LabEnvironment, LabPlatform};
use crate::{
    context::sources::Mirror,
    files::toml_file::{TomlError, TomlFile},
    names::{Backend, EnvName, ProfileName, closest, requirement},
    profile::{CudaVersion, Platforms, stack::Backends},
};

// Doc comments here are what editors show: they are the descriptions of the JSON Schema.

/// A lab's recipe: `matenv.toml`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lab {
    /// The environments by name; those of the default manifests if none is listed.
    #[serde(default)]
    environments: BTreeMap<EnvName, Environment>,
    /// What a lock is made for.
    #[serde(default)]
    lock: Lock,
    /// What is asked instead of a source: by a source's name (`conda-forge`, `pypi`, `torch`, `nvidia`) or the beginning of a
    /// URL, a URL or another source's name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    mirrors: BTreeMap<String, Spanned<String>>,
}

/// An environment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Environment {
    /// The manifest that it is made from, if that has another name.
    manifest: Option<EnvName>,
    /// Those of the manifest's profiles that the lab wants; all if left out. One alone is taken without `--profile`.
    #[schemars(with = "Option<Vec<ProfileName>>")]
    profiles: Option<Spanned<Vec<ProfileName>>>,
    /// Packages from PyPI beside the manifest's, as PEP 508 texts such as `ipykernel>=6`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    packages: Vec<Spanned<String>>,
}

/// What a lock is made for.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Lock {
    /// The platforms: a conda subdir such as `linux-64`, or a table with what can be counted on there; this machine's if left out.
    #[schemars(with = "Option<Vec<Platform>>")]
    platforms: Option<Spanned<Vec<Spanned<Platform>>>>,
    /// torch's builds for GPUs; `cu130` and `cu128` if left out.
    #[schemars(with = "Option<Vec<Backend>>")]
    backends: Option<Vec<Spanned<Backend>>>,
    /// Nothing published later is taken: a date such as `2026-11-01`.
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

/// A platform: its name alone, or with what can be counted on there.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema has to tell both forms; they are read as one")]
enum PlatformSchema {
    /// A conda subdir, such as `linux-64`.
    Name(String),
    /// A conda subdir with what can be counted on there.
    Table(PlatformTable),
}

/// A platform in either form.
struct Platform(PlatformTable);

/// A platform with what can be counted on there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlatformTable {
    /// A conda subdir, such as `linux-64`.
    platform: String,
    /// The oldest glibc that has to do, on Linux, such as `2.28`.
    glibc: Option<String>,
    /// The oldest macOS that has to do, such as `14.0`.
    macos: Option<String>,
    /// The CUDA that the drivers there serve, such as `12.8`.
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

// By hand: serde's untagged enums say neither the key nor the line.
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

/// The file as a lab in `root`, with its mirrors.
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
                0 => Some("is empty: name a profile, or leave it out"),
                count if names.iter().collect::<BTreeSet<_>>().len() < count => Some("names a profile twice"),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(file.error(Some(profiles.span()), format!("{} {fault}", key("profiles"))));
            }
        }
        let mut seen = BTreeSet::new();
        for package in &self.packages {
            let fault = |words: &str| file.error(Some(package.span()), format!("{}: {words}", key("packages")));
            let parsed = self::package(package.get_ref())
                .map_err(|because| fault(&format!("`{}` {because}", package.get_ref())))?;
            if !seen.insert(parsed.name.clone()) {
                return Err(fault(&format!("{} stands there twice: join its bounds", parsed.name)));
            }
        }
        Ok(LabEnvironment {
            manifest: self.manifest.unwrap_or_else(|| name.clone()),
            profiles: self.profiles.map(Spanned::into_inner),
            packages: self.packages.into_iter().map(Spanned::into_inner).collect(),
        })
    }
}

/// A package from PyPI, or why it is none, to be read after the text.
pub(super) fn package(text: &str) -> Result<Requirement<VerbatimUrl>, String> {
    let parsed = requirement::parse(text).map_err(|fault| format!("is no PEP 508 requirement: {fault}"))?;
    match parsed.version_or_url {
        Some(VersionOrUrl::Url(_)) => Err("names a URL: packages come from PyPI, or from a mirror of it".to_owned()),
        _ => Ok(parsed),
    }
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
            "`lock.platforms` is empty: name a platform, or leave it out",
        ));
    }
    let mut platforms: Vec<LabPlatform> = Vec::new();
    for row in rows.into_inner() {
        let span = row.span();
        let Platform(row) = row.into_inner();
        let name = &row.platform;
        let fault = |words: String| file.error(Some(span.clone()), format!("`lock.platforms`: {words}"));
        let known: Vec<&str> = Platforms::table().targets().collect();
        if !known.contains(&name.as_str()) {
            let similar = closest(name, known.iter().copied());
            let similar = similar.map(|similar| format!(" (did you mean `{similar}`?)"));
            let words = format!(
                "no packages for `{name}`{}: there are {}",
                similar.unwrap_or_default(),
                known.join(", ")
            );
            return Err(fault(words));
        }
        if platforms.iter().any(|other| other.platform == *name) {
            return Err(fault(format!("`{name}` stands there twice")));
        }
        let counted_on = [
            ("glibc", &row.glibc, name.starts_with("linux")),
            ("macos", &row.macos, name.starts_with("osx")),
            ("cuda", &row.cuda, !name.starts_with("osx")),
        ];
        for (key, version, fits) in counted_on {
            let Some(version) = version else { continue };
            if !fits {
                return Err(fault(format!("`{key}` says nothing of `{name}`")));
            }
            let is_version = match key {
                "cuda" => version.parse::<CudaVersion>().is_ok(),
                _ => version.parse::<pep440_rs::Version>().is_ok(),
            };
            if !is_version {
                let such_as = if key == "cuda" { "12.8" } else { "2.28" };
                return Err(fault(format!(
                    "`{key} = \"{version}\"` is no version, such as \"{such_as}\""
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
            "`cpu` is always there for the profile cpu: name builds for GPUs, such as cu130".to_owned()
        } else if Backends::table().get(&name).is_none() {
            format!("torch has no build `{name}`: name one that has, such as cu130")
        } else if backends.contains(&name) {
            format!("`{name}` stands there twice")
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
        let words = format!("`lock.exclude-newer`: `{text}` is no date, such as \"2026-11-01\"");
        return Err(file.error(Some(span), words));
    }
    Ok(Some(text))
}
