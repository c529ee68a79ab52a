use std::fmt;

use serde::Serialize;

/// What became of a package. The order is that of the sentence: what breaks most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Another version or build is there.
    Changed,
    /// It is gone.
    Removed,
    /// The same version was installed once more, from another file or by another tool.
    Reinstalled,
    /// It was not there.
    Added,
}

/// A package that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Normalized name.
    pub name: String,
    /// What became of it.
    pub kind: ChangeKind,
    /// Its version then.
    pub before: Option<String>,
    /// Its version now.
    pub after: Option<String>,
    /// When, as far as the disk tells; RFC 3339.
    pub at: Option<jiff::Timestamp>,
}

impl Change {
    /// Other versions than before; none before or after means added or removed. `when` is in nanoseconds since 1970.
    pub(super) fn between(name: &str, before: &[String], after: &[String], when: Option<u64>) -> Self {
        let words = |versions: &[String]| (!versions.is_empty()).then(|| versions.join(" and "));
        let (before, after) = (words(before), words(after));
        let kind = match (&before, &after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        Self {
            name: name.to_owned(),
            kind,
            before,
            after,
            at: when.and_then(timestamp),
        }
    }

    /// The same version from another file.
    pub(super) fn again(name: &str, version: &str, when: Option<u64>) -> Self {
        Self {
            name: name.to_owned(),
            kind: ChangeKind::Reinstalled,
            before: Some(version.to_owned()),
            after: Some(version.to_owned()),
            at: when.and_then(timestamp),
        }
    }

    /// Whether it is the same change, seen in another folder.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        (&self.name, self.kind, &self.before, &self.after) == (&other.name, other.kind, &other.before, &other.after)
    }
}

fn timestamp(nanoseconds: u64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(nanoseconds.into()).ok()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |version: &Option<String>| version.clone().unwrap_or_default();
        let (before, after) = (version(&self.before), version(&self.after));
        match self.kind {
            ChangeKind::Changed => write!(f, "{} {before} -> {after}", self.name),
            ChangeKind::Removed => write!(f, "{} {before} removed", self.name),
            ChangeKind::Reinstalled => write!(f, "{} {after} installed again", self.name),
            ChangeKind::Added => write!(f, "{} {after} added", self.name),
        }
    }
}
