use std::{collections::BTreeMap, sync::LazyLock};

use glob::Pattern;
use serde::Deserialize;

use crate::finding::Severity;

const FILE: &str = include_str!("../../profiles/runtimes.toml");

static FAMILIES: LazyLock<Vec<Family>> = LazyLock::new(|| {
    let file: File = toml::from_str(FILE).expect("tested: profiles/runtimes.toml parses");
    file.family
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    family: Vec<Family>,
}

/// A group of runtimes. A process should load only one copy of one of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// The name of the group, such as `OpenMP`.
    pub name: String,
    /// The severity of two copies of one kind. Not reported if absent.
    #[serde(default)]
    pub copies: Option<Severity>,
    /// The severity of two kinds that are not listed in `conflict`.
    #[serde(default)]
    pub between: Option<Severity>,
    /// The reason.
    pub because: String,
    /// The source of this fact.
    pub source: String,
    /// The date when the source was checked.
    pub seen: toml::value::Datetime,
    /// The kinds, by name.
    pub kinds: BTreeMap<String, Files>,
    /// Pairs of kinds that conflict.
    #[serde(default)]
    pub conflict: Vec<Conflict>,
}

/// Two kinds that conflict.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// The two kinds.
    pub kinds: [String; 2],
    /// The severity.
    #[serde(default = "error")]
    pub severity: Severity,
    /// The symptom that users see.
    pub says: String,
}

fn error() -> Severity {
    Severity::Error
}

/// Patterns of the files that contain a kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Files(#[serde(deserialize_with = "super::shared_files::patterns")] Vec<Pattern>);

impl Family {
    /// Returns the families in `profiles/runtimes.toml`.
    ///
    /// # Panics
    /// Never in a released program: the data file is compiled in and a test reads it.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &FAMILIES
    }

    /// Returns the kind that a file contains, by its path relative to the prefix.
    #[must_use]
    pub fn kind(&self, path: &str) -> Option<&str> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let holds = |pattern: &Pattern| pattern.matches(if pattern.as_str().contains('/') { path } else { name });
        self.kinds
            .iter()
            .find(|(_, files)| files.0.iter().any(holds))
            .map(|(kind, _)| kind.as_str())
    }

    /// Returns the conflict between two kinds.
    #[must_use]
    pub fn conflict(&self, one: &str, other: &str) -> Option<&Conflict> {
        self.conflict
            .iter()
            .find(|conflict| conflict.kinds == [one, other] || conflict.kinds == [other, one])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_a_reason_and_a_source_and_conflicts_list_known_kinds() {
        for family in Family::all() {
            assert!(!family.because.is_empty() && !family.source.is_empty(), "{family:?}");
            assert!(family.seen.date.is_some());
            for kind in family.conflict.iter().flat_map(|conflict| &conflict.kinds) {
                assert!(family.kinds.contains_key(kind), "{kind}");
            }
        }
    }

    #[test]
    fn kinds_are_detected_in_files_of_real_wheels() {
        let kind = |path: &str| Family::all().iter().find_map(|family| family.kind(path));
        for (path, known) in [
            ("lib/libiomp5.so", Some("libiomp5")),
            ("lib/libiomp5_db.so", None),
            ("lib/libiompstubs5.so", None),
            ("lib/libomptarget.so", None),
            ("S/scikit_learn.libs/libgomp-e985bcbb.so.1.0.0", Some("libgomp")),
            ("S/torch/lib/libgomp.so.1", Some("libgomp")),
            ("S/PySide6/Qt/lib/libQt6Core.so.6", Some("Qt6")),
            ("S/PyQt6/Qt6/lib/libQt6Core5Compat.so.6", None),
            ("S/opencv_python.libs/libQt5Core-9088e21b.so.5.15.19", None),
            ("S/cv2/qt/plugins/platforms/libqxcb.so", Some("OpenCV's own Qt")),
            ("S/PyQt6/Qt6/plugins/platforms/libqxcb.so", None),
            ("S/PyQt6/Qt6/lib/QtCore.framework/Versions/A/QtCore", Some("Qt6")),
            ("S/PyQt5/Qt5/lib/QtCore.framework/Versions/5/QtCore", Some("Qt5")),
        ] {
            assert_eq!(kind(path), known, "{path}");
        }
    }
}
