//! The sources that this machine uses: defaults, mirrors, and the machine's own PyPI.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mirror, Replaced, SourceName, Target, canonical::fill};
use crate::{
    names::Backend,
    net::{Credentials, Keyring, split},
};

/// The data file with the default sources.
const DEFAULTS: &str = include_str!("../../../profiles/sources.toml");

/// The location of a wheel index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Index {
    /// uv's built-in default, whose URL matenv does not know.
    UvDefault,
    /// A URL.
    Url(Url),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    #[expect(dead_code, reason = "read by people; the kind decides the place in the plan")]
    kind: String,
    pub(super) url: Option<String>,
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "read by people: the hosts of the files, which need a mirror of their own"
    )]
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

/// The sources that this machine uses.
#[derive(Debug, Clone)]
pub struct Sources {
    pub(super) rows: BTreeMap<SourceName, Row>,
    pub(super) mirrors: Vec<Mirror>,
    pub(super) machine_pypi: Option<MachinePypi>,
}

/// The index that this machine's pip or uv configuration names instead of PyPI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachinePypi {
    /// URL of the index, without credentials; never printed.
    #[serde(skip)]
    pub url: Url,
    /// The credentials of the index.
    #[serde(skip)]
    pub(crate) credentials: Option<Credentials>,
    /// The variable or file that sets it, for messages: `PIP_INDEX_URL`, `/etc/pip.conf`, ….
    pub found_in: String,
}

impl MachinePypi {
    /// Splits the credentials from the URL of an index.
    #[must_use]
    pub fn new(url: &Url, found_in: impl Into<String>) -> Self {
        let (url, credentials) = split(url);
        Self {
            url,
            credentials,
            found_in: found_in.into(),
        }
    }
}

impl Sources {
    /// Returns the default sources with `mirrors` and the machine's own PyPI, if any. The first matching mirror is
    /// used.
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

    /// Returns the credentials of the mirrors and of the machine's own PyPI.
    #[must_use]
    pub(crate) fn keyring(&self) -> Keyring {
        let mut keyring = Keyring::default();
        for (url, credentials) in self.mirrors.iter().filter_map(|mirror| mirror.credentials.as_ref()) {
            keyring.add(url, credentials.clone());
        }
        if let Some(machine) = self.machine_pypi()
            && let Some(credentials) = &machine.credentials
        {
            keyring.add(&machine.url, credentials.clone());
        }
        keyring
    }

    /// Returns the machine's own PyPI, if its configuration names one and no mirror overrides it.
    #[must_use]
    pub fn machine_pypi(&self) -> Option<&MachinePypi> {
        self.machine_pypi
            .as_ref()
            .filter(|_| self.mirror_target(SourceName::Pypi).is_none())
    }

    /// Returns the target of the mirror that replaces `name`, or `None` if there is no such mirror.
    pub(super) fn mirror_target(&self, name: SourceName) -> Option<&Target> {
        self.mirrors
            .iter()
            .find(|mirror| mirror.replaced == Replaced::Source(name))
            .map(|mirror| &mirror.target)
    }

    /// Returns whether a mirror with a URL replaces this source.
    #[must_use]
    pub fn is_mirrored(&self, name: SourceName) -> bool {
        matches!(self.mirror_target(name), Some(Target::Url(_)))
    }

    /// Returns the source that is used for `name`: `name` itself, or another source that a mirror names (`torch=pypi`).
    #[must_use]
    pub fn effective(&self, name: SourceName) -> SourceName {
        let mut at = name;
        for _ in SourceName::ALL {
            match self.mirror_target(at) {
                Some(Target::Source(other)) => at = *other,
                Some(Target::Url(_)) | None => return at,
            }
        }
        at
    }

    /// Returns the sources that are replaced by another source.
    #[must_use]
    pub fn redirects(&self) -> BTreeMap<SourceName, SourceName> {
        SourceName::ALL
            .into_iter()
            .map(|name| (name, self.effective(name)))
            .filter(|(name, replacement)| name != replacement)
            .collect()
    }

    /// Returns the canonical URL of a source: its official address, without mirrors. `None` for PyPI.
    #[must_use]
    pub fn default_url(&self, name: SourceName, backend: &Backend) -> Option<String> {
        let row = self.rows.get(&name)?;
        row.url.as_ref().map(|url| fill(url, backend))
    }

    /// Returns the URL to use for a conda channel.
    ///
    /// # Errors
    /// The URL of the mirror is invalid.
    pub fn channel(&self, name: SourceName) -> Result<Url, url::ParseError> {
        let url = match self.mirror_target(self.effective(name)) {
            Some(Target::Url(url)) => url.clone(),
            Some(Target::Source(_)) | None => self.default_url(name, &Backend::cpu()).unwrap_or_default(),
        };
        Url::parse(&self.mirrored(&url))
    }

    /// Returns the wheel index to use for packages from `name`.
    ///
    /// # Errors
    /// The URL of the mirror is invalid.
    pub fn index(&self, name: SourceName, backend: &Backend) -> Result<Index, url::ParseError> {
        let name = self.effective(name);
        if let Some(Target::Url(url)) = self.mirror_target(name) {
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

    /// Describes what is used for each source, for the plan and the certificate: `default`, `mirror`, `the machine's
    /// configuration (FILE)` or the name of another source. The text never contains the URL of a mirror.
    #[must_use]
    pub fn described(&self) -> BTreeMap<SourceName, String> {
        SourceName::ALL
            .into_iter()
            .map(|name| {
                let text = match self.mirror_target(name) {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::context::sources) fn sources(mirrors: &[&str]) -> Sources {
        Sources::new(
            mirrors.iter().map(|text| text.parse().expect("a mirror")).collect(),
            None,
        )
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
    fn a_mirror_can_name_another_source() {
        let sources = sources(&["torch=pypi", "pypi=http://127.0.0.1:1/simple"]);
        assert_eq!(sources.effective(SourceName::Torch), SourceName::Pypi);
        let url = Url::parse("http://127.0.0.1:1/simple").expect("a URL");
        assert_eq!(sources.index(SourceName::Torch, &Backend::cpu()), Ok(Index::Url(url)));
    }
}
