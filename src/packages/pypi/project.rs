//! The files that uv reads: a project, its configuration, constraints. They are written to their own folder.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::Serialize;
use url::Url;

use crate::{
    context::sources::{Index, SourceName},
    files::TemporaryFolder,
    names::requirement::{normalized, package_of},
    net::Keyring,
    plan::Plan,
};

/// A generated project, in a temporary folder that is removed when this value is dropped.
pub(super) struct Project {
    folder: TemporaryFolder,
}

#[derive(Serialize)]
struct PyProject<'a> {
    project: ProjectTable<'a>,
    tool: ToolTable,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ProjectTable<'a> {
    name: &'static str,
    version: &'static str,
    requires_python: String,
    dependencies: Vec<&'a str>,
}

#[derive(Serialize)]
struct ToolTable {
    uv: UvTable,
}

#[derive(Serialize)]
struct UvTable {
    sources: toml::Table,
    index: Vec<IndexTable>,
}

#[derive(Serialize)]
struct IndexTable {
    name: String,
    url: Url,
    explicit: bool,
}

#[derive(Serialize)]
struct Configuration {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    index: Vec<ConfiguredIndex>,
}

#[derive(Serialize)]
struct ConfiguredIndex {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    url: Url,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    explicit: bool,
}

impl Project {
    pub(super) fn new(home: &Path) -> std::io::Result<Self> {
        let folder = TemporaryFolder::new(home)?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that only its owner may read: it may contain credentials.
    pub(super) fn write(&self, name: &str, text: &str) -> std::io::Result<PathBuf> {
        let path = self.path(name);
        let mut options = fs_err::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?.write_all(text.as_bytes())?;
        Ok(path)
    }
}

/// Returns the `pyproject.toml` of a plan. Packages from an explicit index are direct dependencies with a source,
/// because uv applies sources only to direct dependencies.
pub(super) fn pyproject(
    plan: &Plan,
    python_version: &str,
    extra: &[String],
    explicit: &[(SourceName, Url)],
    keyring: &Keyring,
) -> Result<String, toml::ser::Error> {
    let mut dependencies: Vec<&str> = plan
        .requirements
        .iter()
        .map(|wanted| wanted.requirement.as_str())
        .collect();
    dependencies.extend(extra.iter().map(String::as_str));
    let mut sources = toml::Table::new();
    for wanted in &plan.requirements {
        let is_explicit = explicit.iter().any(|(name, _)| *name == wanted.source);
        if let (true, Some(package)) = (is_explicit, package_of(&wanted.requirement)) {
            let mut source = toml::Table::new();
            source.insert("index".to_owned(), wanted.source.as_str().into());
            sources.insert(package, source.into());
        }
    }
    if let Some(checkout) = plan.source.as_ref().filter(|checkout| checkout.is_project()) {
        let mut source = toml::Table::new();
        source.insert("path".to_owned(), checkout.path.to_string_lossy().into_owned().into());
        source.insert("editable".to_owned(), checkout.editable.into());
        sources.insert(checkout.package.clone(), source.into());
    }
    toml::to_string(&PyProject {
        project: ProjectTable {
            name: "matenv-plan",
            version: "0",
            requires_python: format!("=={python_version}.*"),
            dependencies,
        },
        tool: ToolTable {
            uv: UvTable {
                sources,
                index: explicit
                    .iter()
                    .map(|(name, url)| IndexTable {
                        name: name.to_string(),
                        url: keyring.joined(url),
                        explicit: true,
                    })
                    .collect(),
            },
        },
    })
}

/// Returns the `uv.toml` that is used instead of the user's. It contains the default index, if that is not uv's own, and
/// the `explicit` indexes: uv finds only wheels of known indexes in its cache. Every URL with credentials is an explicit
/// index too: uv sends them to the host of the URL, and looks up no package there. It is a file and not an argument or a
/// variable, which other programs could see.
pub(super) fn configuration(
    pypi: &Index,
    explicit: &[(SourceName, Url)],
    keyring: &Keyring,
) -> Result<String, toml::ser::Error> {
    let explicit = explicit
        .iter()
        .map(|(name, url)| (name.to_string(), keyring.joined(url)));
    let of_hosts = keyring
        .joined_all()
        .enumerate()
        .map(|(at, url)| (format!("host-{at}"), url));
    let explicit = explicit.chain(of_hosts).map(|(name, url)| ConfiguredIndex {
        name: Some(name),
        url,
        default: false,
        explicit: true,
    });
    let default = match pypi {
        Index::UvDefault => None,
        Index::Url(url) => Some(ConfiguredIndex {
            name: None,
            url: keyring.joined(url),
            default: true,
            explicit: false,
        }),
    };
    let index = explicit.chain(default).collect();
    toml::to_string(&Configuration { index })
}

/// Returns the names and versions of the Python packages that conda linked, as constraints.
pub(super) fn constraints(site_packages: &Path) -> Vec<(String, String)> {
    let Ok(entries) = fs_err::read_dir(site_packages) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let (package, version) = name.strip_suffix(".dist-info")?.split_once('-')?;
            Some((normalized(package)?, version.to_owned()))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hardware::Hardware, manifest::Manifests, plan, profile::Profiles};

    fn sleap() -> Plan {
        let manifests = Manifests::load(None).expect("valid");
        let hardware: Hardware =
            serde_json::from_str(r#"{"schema": 1, "triple": "x86_64-unknown-linux-gnu"}"#).expect("a hardware file");
        let profiles = Profiles::load().expect("valid");
        let manifest = manifests.get("sleap").expect("there");
        plan::plan(manifest, &profiles, &hardware, &plan::Request::default()).expect("a plan")
    }

    #[test]
    fn torch_is_direct_and_from_an_explicit_index() {
        let index: Url = "https://torch.example.org/whl/cpu".parse().expect("a URL");
        let text = pyproject(
            &sleap(),
            "3.13",
            &["pip".to_owned()],
            &[(SourceName::Torch, index)],
            &Keyring::default(),
        )
        .expect("TOML");
        insta::assert_snapshot!(text, @r#"
        [project]
        name = "matenv-plan"
        version = "0"
        requires-python = "==3.13.*"
        dependencies = ["sleap[nn,nn-export]>=1.6,<2", "sleap-nn>=0.1,<0.3", "omegaconf>=2.3", "hydra-core>=1.3", "torch", "torchvision", "pip"]

        [tool.uv.sources.torch]
        index = "torch"

        [tool.uv.sources.torchvision]
        index = "torch"

        [[tool.uv.index]]
        name = "torch"
        url = "https://torch.example.org/whl/cpu"
        explicit = true
        "#);
    }

    #[test]
    fn uvs_default_index_is_not_written() {
        assert_eq!(
            configuration(&Index::UvDefault, &[], &Keyring::default()),
            Ok(String::new())
        );
    }
}
