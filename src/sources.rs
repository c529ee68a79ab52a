//! Where packages come from, by name, and what stands in for each source on this machine.
//!
//! In: `profiles/sources.toml` and the mirrors of configuration files and `--mirror`. Out: the URL to ask now
//! ([`Sources::channel`], [`Sources::index`]) and the way back to the canonical URL ([`Sources::canonical`]).
//! Absent on purpose: sockets. Nothing outside the data file knows a host name.

mod mirror;

pub use mirror::{Mirror, MirrorError, Replaced, Target};

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::names::Backend;

/// The data file of the defaults.
const DEFAULTS: &str = include_str!("../profiles/sources.toml");

/// A source that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceName {
    /// The conda channel.
    CondaForge,
    /// The machine's PyPI.
    Pypi,
    /// The torch index, one per backend.
    Torch,
    /// NVIDIA's index.
    Nvidia,
}

impl SourceName {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::CondaForge, Self::Pypi, Self::Torch, Self::Nvidia];

    /// The name as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CondaForge => "conda-forge",
            Self::Pypi => "pypi",
            Self::Torch => "torch",
            Self::Nvidia => "nvidia",
        }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SourceName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(())
    }
}

/// Where a wheel index is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Index {
    /// uv's built-in default: no URL of it is written down.
    UvDefault,
    /// A URL.
    Url(Url),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[expect(dead_code, reason = "read by people; the kind decides the place in the plan")]
    kind: String,
    url: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    #[expect(dead_code, reason = "read by people")]
    because: String,
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
}

#[derive(Debug, Clone, Deserialize)]
struct File {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    #[serde(flatten)]
    rows: BTreeMap<SourceName, Row>,
}

/// The sources as this machine reaches them.
#[derive(Debug, Clone)]
pub struct Sources {
    rows: BTreeMap<SourceName, Row>,
    mirrors: Vec<Mirror>,
    machine_pypi: Option<MachinePypi>,
}

/// The index that this machine's pip or uv configuration names instead of PyPI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachinePypi {
    /// Its URL, credentials included: never printed.
    #[serde(skip)]
    pub url: Url,
    /// Where it was found, for people: `PIP_INDEX_URL`, `/etc/pip.conf`, ….
    pub found_in: String,
}

impl Sources {
    /// The defaults with `mirrors`, the first that fits counts, and the machine's own PyPI if it names one.
    ///
    /// # Panics
    /// Never in a released program: the data file is compiled in and a test reads it.
    #[must_use]
    pub fn new(mirrors: Vec<Mirror>, machine_pypi: Option<MachinePypi>) -> Self {
        let file: File = toml::from_str(DEFAULTS).expect("tested: profiles/sources.toml parses");
        Self {
            rows: file.rows,
            mirrors,
            machine_pypi,
        }
    }

    /// The machine's own PyPI, where its configuration names one and no mirror overrides it.
    #[must_use]
    pub fn machine_pypi(&self) -> Option<&MachinePypi> {
        self.machine_pypi
            .as_ref()
            .filter(|_| self.named(SourceName::Pypi).is_none())
    }

    fn named(&self, name: SourceName) -> Option<&Target> {
        self.mirrors
            .iter()
            .find(|mirror| mirror.replaced == Replaced::Source(name))
            .map(|mirror| &mirror.target)
    }

    /// Whether a mirror of the user's stands for it.
    #[must_use]
    pub fn is_mirrored(&self, name: SourceName) -> bool {
        matches!(self.named(name), Some(Target::Url(_)))
    }

    /// The source that really answers for `name`: itself, or the source that a mirror names.
    #[must_use]
    pub fn effective(&self, name: SourceName) -> SourceName {
        let mut at = name;
        for _ in SourceName::ALL {
            match self.named(at) {
                Some(Target::Source(other)) => at = *other,
                Some(Target::Url(_)) | None => return at,
            }
        }
        at
    }

    /// The sources that another source stands in for.
    #[must_use]
    pub fn redirects(&self) -> BTreeMap<SourceName, SourceName> {
        SourceName::ALL
            .into_iter()
            .map(|name| (name, self.effective(name)))
            .filter(|(name, stand_in)| name != stand_in)
            .collect()
    }

    /// The canonical URL of a source, mirrors left aside; `None` for PyPI.
    #[must_use]
    pub fn default_url(&self, name: SourceName, backend: &Backend) -> Option<String> {
        let row = self.rows.get(&name)?;
        row.url.as_ref().map(|url| fill(url, backend))
    }

    /// The URL of a conda channel to ask now.
    ///
    /// # Errors
    /// The mirror's URL is none.
    pub fn channel(&self, name: SourceName) -> Result<Url, url::ParseError> {
        let url = match self.named(self.effective(name)) {
            Some(Target::Url(url)) => url.clone(),
            Some(Target::Source(_)) | None => self.default_url(name, &Backend::cpu()).unwrap_or_default(),
        };
        Url::parse(&self.mirrored(&url))
    }

    /// The wheel index to ask now for what comes from `name`.
    ///
    /// # Errors
    /// The mirror's URL is none.
    pub fn index(&self, name: SourceName, backend: &Backend) -> Result<Index, url::ParseError> {
        let name = self.effective(name);
        if let Some(Target::Url(url)) = self.named(name) {
            return Ok(Index::Url(Url::parse(&fill(url, backend))?));
        }
        match self.default_url(name, backend) {
            Some(url) => Ok(Index::Url(Url::parse(&self.mirrored(&url))?)),
            None => Ok(self
                .machine_pypi
                .as_ref()
                .map_or(Index::UvDefault, |machine| Index::Url(machine.url.clone()))),
        }
    }

    /// `url` with the mirror of the source that it belongs to, or the longest fitting mirror prefix, put in its place: the
    /// way back from [`Self::canonical`].
    #[must_use]
    pub fn mirrored(&self, url: &str) -> String {
        for (name, row) in &self.rows {
            if let (Some(canonical), Some(Target::Url(target))) = (&row.url, self.named(*name))
                && let Some((backend, rest)) = below(url, canonical)
            {
                return format!("{}{rest}", target.trim_end_matches('/').replace(BACKEND, backend));
            }
        }
        let best = self
            .mirrors
            .iter()
            .filter_map(|mirror| match (&mirror.replaced, &mirror.target) {
                (Replaced::Prefix(prefix), Target::Url(target)) if url.starts_with(prefix.as_str()) => {
                    Some((prefix, target))
                }
                _ => None,
            })
            .max_by_key(|(prefix, _)| prefix.len());
        let Some((prefix, target)) = best else {
            return url.to_owned();
        };
        let rest = url[prefix.len()..].trim_start_matches('/');
        if rest.is_empty() {
            target.clone()
        } else {
            format!("{}/{rest}", target.trim_end_matches('/'))
        }
    }

    /// Whether URLs are mirrored by their beginning.
    #[must_use]
    pub fn has_prefix_mirrors(&self) -> bool {
        let is_prefix = |mirror: &Mirror| matches!(mirror.replaced, Replaced::Prefix(_));
        self.mirrors.iter().any(is_prefix)
    }

    /// A page of an index with the mirrors in its links.
    #[must_use]
    pub fn mirrored_links(&self, page: &str) -> String {
        let mut page = page.to_owned();
        for mirror in &self.mirrors {
            if let (Replaced::Prefix(prefix), Target::Url(target)) = (&mirror.replaced, &mirror.target) {
                let below = |url: &str| format!("\"{}/", url.trim_end_matches('/'));
                page = page.replace(&below(prefix), &below(target));
            }
        }
        page
    }

    /// The canonical form of a URL that a mirror of `name` served; the same URL if no mirror did.
    #[must_use]
    pub fn canonical(&self, name: SourceName, backend: &Backend, url: &str) -> String {
        // Clients leave credentials out of what they report, or mask them.
        let bare = without_credentials(url);
        let below = |target: &str| {
            let target = without_credentials(target);
            let rest = bare.strip_prefix(target.trim_end_matches('/'))?;
            // A longer name of another folder is not below it.
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        if let (Some(Target::Url(target)), Some(default)) = (self.named(name), self.default_url(name, backend))
            && let Some(rest) = below(&fill(target, backend))
        {
            return format!("{}{rest}", default.trim_end_matches('/'));
        }
        let prefixes = self
            .mirrors
            .iter()
            .filter_map(|mirror| match (&mirror.replaced, &mirror.target) {
                (Replaced::Prefix(prefix), Target::Url(target)) => Some((prefix, target)),
                _ => None,
            });
        prefixes
            .filter_map(|(prefix, target)| {
                Some((
                    target.len(),
                    format!("{}{}", prefix.trim_end_matches('/'), below(target)?),
                ))
            })
            .max()
            .map_or_else(|| url.to_owned(), |(_, canonical)| canonical)
    }

    /// `text` with the names of sources in the place of their mirrors' URLs: messages are shared, and a mirror is the
    /// lab's own business.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for mirror in &self.mirrors {
            if let Target::Url(url) = &mirror.target {
                let stands_for = match &mirror.replaced {
                    Replaced::Source(name) => format!("<{name}>"),
                    Replaced::Prefix(prefix) => prefix.trim_end_matches('/').to_owned(),
                };
                // A filled in `{backend}` is no secret: what stands before it is.
                let known = url.split("/{backend}").next().unwrap_or(url);
                hidden = hidden.replace(known.trim_end_matches('/'), &stands_for);
            }
        }
        if let Some(machine) = &self.machine_pypi {
            let mut masked = machine.url.clone();
            // As uv prints it. Fails for URLs that can have no password.
            let _ = masked.set_password(masked.password().map(|_| "****"));
            for url in [machine.url.as_str(), masked.as_str()] {
                hidden = hidden.replace(url.trim_end_matches('/'), "<pypi>");
            }
        }
        hidden
    }

    /// The hosts on which a source keeps its files, beside the index's own.
    #[must_use]
    pub fn file_hosts(&self, name: SourceName) -> &[String] {
        self.rows.get(&name).map_or(&[], |row| &row.files)
    }

    /// What stands in for each source, for the plan and the certificate: `default`, `mirror`, `the machine's
    /// configuration (FILE)` or another source's name. Names no mirror's URL.
    #[must_use]
    pub fn described(&self) -> BTreeMap<SourceName, String> {
        SourceName::ALL
            .into_iter()
            .map(|name| {
                let text = match self.named(name) {
                    Some(Target::Url(_)) => "mirror".to_owned(),
                    Some(Target::Source(other)) => other.to_string(),
                    None => match (&self.machine_pypi, name) {
                        (Some(machine), SourceName::Pypi) => {
                            format!("the machine's configuration ({})", machine.found_in)
                        }
                        _ => "default".to_owned(),
                    },
                };
                (name, text)
            })
            .collect()
    }
}

/// Stands for torch's backend in the URL of a source or of a mirror.
const BACKEND: &str = "{backend}";

/// The URL without user name and password.
fn without_credentials(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        return url.to_owned();
    };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // Fails for URLs that can have none.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.into()
}

fn fill(url: &str, backend: &Backend) -> String {
    url.replace(BACKEND, backend.as_str())
}

/// The backend (empty where `template` names none) and the rest of a URL that begins as `template` does.
fn below<'a>(url: &'a str, template: &str) -> Option<(&'a str, &'a str)> {
    let (before, after) = template.split_once(BACKEND).unwrap_or((template, ""));
    let rest = url.strip_prefix(before.trim_end_matches('/'))?;
    let ends = match rest.strip_prefix('/') {
        Some(inner) if template.contains(BACKEND) => inner.find('/').map_or(rest.len(), |at| at + 1),
        _ => 0,
    };
    let (backend, rest) = rest.split_at(ends);
    let rest = rest.strip_prefix(after)?;
    (rest.is_empty() || rest.starts_with('/')).then_some((backend.trim_start_matches('/'), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(mirrors: &[&str]) -> Sources {
        Sources::new(
            mirrors.iter().map(|text| text.parse().expect("a mirror")).collect(),
            None,
        )
    }

    #[test]
    fn a_mirrors_credentials_do_not_hide_it() {
        let sources = sources(&[
            "conda-forge=https://u:secret@proxy.example.org/cf",
            "nvidia=https://u:p@proxy.example.org/nv",
        ]);
        let forge = sources
            .default_url(SourceName::CondaForge, &Backend::cpu())
            .expect("a default");
        for served in [
            "https://proxy.example.org/cf/noarch/pip.conda",
            "https://u:********@proxy.example.org/cf/noarch/pip.conda",
            "https://u:secret@proxy.example.org/cf/noarch/pip.conda",
        ] {
            let canonical = sources.canonical(SourceName::CondaForge, &Backend::cpu(), served);
            assert_eq!(canonical, format!("{forge}/noarch/pip.conda"));
        }
        let other = "https://proxy.example.org/cf-files/pip.conda";
        assert_eq!(sources.canonical(SourceName::CondaForge, &Backend::cpu(), other), other);
    }

    #[test]
    fn what_a_mirror_served_is_found_there_again() {
        let sources = sources(&[
            "torch=http://127.0.0.1:1/torch/{backend}",
            "nvidia=http://127.0.0.1:2",
            "conda-forge=file:///srv/channel",
        ]);
        let cu130: Backend = "cu130".parse().expect("a backend");
        for (name, url) in [
            (
                SourceName::Torch,
                "http://127.0.0.1:1/torch/cu130/torch/torch-2.12.1%2Bcu130.whl",
            ),
            (
                SourceName::Nvidia,
                "http://127.0.0.1:2/tensorrt-cu13-libs/tensorrt_cu13_libs.whl",
            ),
            (SourceName::CondaForge, "file:///srv/channel/noarch/pip.conda"),
        ] {
            let canonical = sources.canonical(name, &cu130, url);
            assert_ne!(canonical, url);
            assert_eq!(sources.mirrored(&canonical), url);
        }
        let elsewhere = "https://example.org/whl/cu130/torch.whl";
        assert_eq!(sources.mirrored(elsewhere), elsewhere);
    }

    #[test]
    fn every_source_has_a_row() {
        let sources = sources(&[]);
        for name in SourceName::ALL {
            assert!(sources.rows.contains_key(&name), "{name} has no row");
        }
        assert_eq!(sources.index(SourceName::Pypi, &Backend::cpu()), Ok(Index::UvDefault));
    }

    #[test]
    fn torch_can_be_another_sources_name() {
        let sources = sources(&["torch=pypi", "pypi=http://127.0.0.1:1/simple"]);
        assert_eq!(sources.effective(SourceName::Torch), SourceName::Pypi);
        let url = Url::parse("http://127.0.0.1:1/simple").expect("a URL");
        assert_eq!(sources.index(SourceName::Torch, &Backend::cpu()), Ok(Index::Url(url)));
    }

    #[test]
    fn a_mirror_is_forgotten_in_canonical_urls() {
        let sources = sources(&["conda-forge=file:///srv/channel"]);
        let served = "file:///srv/channel/noarch/pip-26.3.conda";
        let canonical = sources.canonical(SourceName::CondaForge, &Backend::cpu(), served);
        assert!(canonical.ends_with("/conda-forge/noarch/pip-26.3.conda"), "{canonical}");
        assert_eq!(sources.mirrored(&canonical), served);
    }

    /// A mirror of NVIDIA's index was asked for the pages, and NVIDIA's own index for the files.
    #[test]
    fn every_canonical_url_finds_its_mirror_again() {
        let backend: Backend = "cu130".parse().expect("a backend");
        for (mirror, served) in [
            (
                "torch=http://127.0.0.1:1/whl/{backend}",
                "http://127.0.0.1:1/whl/cu130/torch-2.15.0.whl",
            ),
            (
                "torch=http://127.0.0.1:1/simple/",
                "http://127.0.0.1:1/simple/torch/torch-2.15.0.whl",
            ),
            (
                "nvidia=http://127.0.0.1:1",
                "http://127.0.0.1:1/tensorrt-cu13-libs/libs.whl",
            ),
            (
                "https://files.example.org=http://127.0.0.1:1/a",
                "http://127.0.0.1:1/a/torch.whl",
            ),
        ] {
            let sources = sources(&[mirror]);
            let name = mirror
                .split('=')
                .next()
                .and_then(|name| name.parse().ok())
                .unwrap_or(SourceName::Torch);
            let canonical = sources.canonical(name, &backend, served);
            assert!(!canonical.contains("127.0.0.1"), "{canonical}");
            assert_eq!(sources.mirrored(&canonical), served, "{canonical}");
        }
    }

    #[test]
    fn messages_name_sources_and_no_mirrors() {
        let machine = MachinePypi {
            url: Url::parse("http://lab:secret@proxy.example.org/simple/").expect("a URL"),
            found_in: "PIP_INDEX_URL".to_owned(),
        };
        let mirrors = [
            "conda-forge=http://127.0.0.1:1/c",
            "torch=http://127.0.0.1:1/whl/{backend}",
        ];
        let mirrors = mirrors.map(|mirror| mirror.parse().expect("a mirror"));
        let sources = Sources::new(mirrors.to_vec(), Some(machine));
        for (text, hidden) in [
            ("http://127.0.0.1:1/c/noarch", "<conda-forge>/noarch"),
            ("http://127.0.0.1:1/whl/cu130/torch/", "<torch>/cu130/torch/"),
            ("http://lab:****@proxy.example.org/simple/torch/", "<pypi>/torch/"),
        ] {
            assert_eq!(sources.hide(text), hidden);
        }
    }

    /// A lock named the mirror where its folder had a space in its name.
    #[test]
    fn a_mirror_in_a_folder_with_a_space_is_forgotten_too() {
        let sources = sources(&[
            "conda-forge=file:///srv/our channel",
            "torch=https://h.example.org/our whl/{backend}",
        ]);
        let served = "file:///srv/our%20channel/noarch/pip-26.3.conda";
        let canonical = sources.canonical(SourceName::CondaForge, &Backend::cpu(), served);
        assert!(canonical.ends_with("/conda-forge/noarch/pip-26.3.conda"), "{canonical}");
        assert_eq!(sources.mirrored(&canonical), served);
        let url = Url::parse("https://h.example.org/our%20whl/cpu").expect("a URL");
        assert_eq!(sources.index(SourceName::Torch, &Backend::cpu()), Ok(Index::Url(url)));
    }

    #[test]
    fn mirrors_that_make_no_sense_are_refused() {
        for bad in ["torch", "tosh=pypi", "torch=pipi", "torch=torch", "conda-forge=pypi"] {
            assert!(bad.parse::<Mirror>().is_err(), "{bad} was accepted");
        }
        assert!("https://a.example.org/x=http://127.0.0.1/y".parse::<Mirror>().is_ok());
    }
}
