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

/// Runtimes of which one process should load one copy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// What they are for: `OpenMP`.
    pub name: String,
    /// How bad two copies of one kind are; absent means that nothing is said.
    #[serde(default)]
    pub copies: Option<Severity>,
    /// How bad two kinds are, where no conflict names them.
    #[serde(default)]
    pub between: Option<Severity>,
    /// Why.
    pub because: String,
    /// How that is known.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
    /// The kinds, by name.
    pub kinds: BTreeMap<String, Files>,
    /// Kinds that cannot stand together.
    #[serde(default)]
    pub conflict: Vec<Conflict>,
}

/// Two kinds that cannot stand together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// The two.
    pub kinds: [String; 2],
    /// How bad that is.
    #[serde(default = "error")]
    pub severity: Severity,
    /// What users see then.
    pub says: String,
}

fn error() -> Severity {
    Severity::Error
}

/// The files that hold a kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Files(#[serde(deserialize_with = "super::shared_files::patterns")] Vec<Pattern>);

impl Family {
    /// The families of `profiles/runtimes.toml`.
    ///
    /// # Panics
    /// Never in a released program: the data file is compiled in and a test reads it.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &FAMILIES
    }

    /// Which kind a file holds, by its path below the prefix.
    #[must_use]
    pub fn kind(&self, path: &str) -> Option<&str> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let holds = |pattern: &Pattern| pattern.matches(if pattern.as_str().contains('/') { path } else { name });
        self.kinds
            .iter()
            .find(|(_, files)| files.0.iter().any(holds))
            .map(|(kind, _)| kind.as_str())
    }

    /// The conflict of two kinds.
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
    fn every_family_says_why_and_where_it_is_known_from_and_conflicts_name_kinds() {
        for family in Family::all() {
            assert!(!family.because.is_empty() && !family.source.is_empty(), "{family:?}");
            assert!(family.seen.date.is_some());
            for kind in family.conflict.iter().flat_map(|conflict| &conflict.kinds) {
                assert!(family.kinds.contains_key(kind), "{kind}");
            }
        }
    }

    #[test]
    fn kinds_are_told_by_the_files_of_real_wheels() {
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
