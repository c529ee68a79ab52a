use std::fmt;

use serde::Serialize;

/// The kind of a change. The order is that of the message: changes that break most come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Another version or build is installed.
    Changed,
    /// The package was removed.
    Removed,
    /// The same version was installed again, from another file or by another tool.
    Reinstalled,
    /// The package was not installed before.
    Added,
}

/// A changed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Normalized name.
    pub name: String,
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The version before.
    pub before: Option<String>,
    /// The version now.
    pub after: Option<String>,
    /// The time of the change (RFC 3339), if the file system shows it.
    pub at: Option<jiff::Timestamp>,
}

impl Change {
    /// Creates a change between versions; no versions before or after means added or removed. `when` is in nanoseconds
    /// since 1970.
    pub(super) fn between(name: &str, before: &[String], after: &[String], when: Option<u64>) -> Self {
        let joined = |versions: &[String]| (!versions.is_empty()).then(|| versions.join(" and "));
        let (before, after) = (joined(before), joined(after));
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

    /// Creates a reinstallation of the same version from another file.
    pub(super) fn again(name: &str, version: &str, when: Option<u64>) -> Self {
        Self {
            name: name.to_owned(),
            kind: ChangeKind::Reinstalled,
            before: Some(version.to_owned()),
            after: Some(version.to_owned()),
            at: when.and_then(timestamp),
        }
    }

    /// Returns whether it is the same change, found in another folder.
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
