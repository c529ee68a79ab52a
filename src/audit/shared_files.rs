use std::sync::LazyLock;

use glob::Pattern;
use serde::{Deserialize, Deserializer, de::Error};

const FILE: &str = include_str!("../../profiles/shared_files.toml");

static SHARED: LazyLock<Vec<SharedFiles>> = LazyLock::new(|| {
    let file: File = toml::from_str(FILE).expect("tested: profiles/shared_files.toml parses");
    file.shared
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    shared: Vec<SharedFiles>,
}

/// Files that several distributions may contain without harm.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedFiles {
    /// Patterns of the files, relative to `site-packages`.
    #[serde(deserialize_with = "patterns")]
    pub files: Vec<Pattern>,
    /// Patterns of the distributions. Empty means any.
    #[serde(default, deserialize_with = "patterns")]
    pub packages: Vec<Pattern>,
    /// The reason why it does no harm.
    pub because: String,
    /// The source of this fact.
    pub source: String,
    /// The date when the source was checked.
    pub seen: toml::value::Datetime,
}

pub(super) fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pattern>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| Pattern::new(text).map_err(D::Error::custom))
        .collect()
}

impl SharedFiles {
    /// Returns the row of `profiles/shared_files.toml` that allows all of `packages` to contain `file`, relative to
    /// `site-packages`, with different contents.
    ///
    /// # Panics
    /// Never in a released program: the data file is compiled in and a test reads it.
    #[must_use]
    pub fn find(file: &str, packages: &[&str]) -> Option<&'static Self> {
        SHARED.iter().find(|row| {
            let one_of = |package: &&str| row.packages.iter().any(|pattern| pattern.matches(package));
            row.files.iter().any(|pattern| pattern.matches(file))
                && (row.packages.is_empty() || packages.iter().all(one_of))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_reason_and_a_source() {
        for row in SHARED.iter() {
            assert!(
                !row.because.is_empty() && !row.source.is_empty() && !row.files.is_empty(),
                "{row:?}"
            );
            assert!(row.seen.date.is_some());
        }
    }

    #[test]
    fn rows_apply_only_to_their_packages() {
        assert!(SharedFiles::find("PySide6/_config.py", &["pyside6-addons", "pyside6"]).is_some());
        assert!(SharedFiles::find("PySide6/_config.py", &["pyside6-addons", "other"]).is_none());
        assert!(SharedFiles::find("tests/__init__.py", &["one", "other"]).is_some());
        assert!(SharedFiles::find("cv2/__init__.py", &["opencv-python", "opencv-contrib-python-headless"]).is_none());
    }
}
