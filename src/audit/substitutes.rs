use std::sync::LazyLock;

use serde::Deserialize;

use crate::profile::stack::Stacks;

const FILE: &str = include_str!("../../profiles/substitutes.toml");

static SUBSTITUTES: LazyLock<Vec<Substitute>> = LazyLock::new(|| {
    let file: File = toml::from_str(FILE).expect("tested: profiles/substitutes.toml parses");
    file.substitute
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    substitute: Vec<Substitute>,
}

/// Distributions that contain the modules of another one and satisfy a requirement for it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitute {
    /// The required distribution.
    pub name: String,
    /// The distributions that can replace it.
    pub by: Vec<String>,
    /// The reason.
    pub because: String,
    /// The source of this fact.
    pub source: String,
    /// The date when the source was checked.
    pub seen: toml::value::Datetime,
}

impl Substitute {
    /// Returns the distributions that can replace `name`: those listed in `profiles/substitutes.toml` and, for
    /// `onnxruntime`, its variants in `profiles/stacks.toml`.
    ///
    /// # Panics
    /// Never in a released program: the data file is compiled in and a test reads it.
    pub fn names_for(name: &str) -> impl Iterator<Item = &'static str> {
        let listed = SUBSTITUTES.iter().filter(move |row| row.name == name);
        let listed = listed.flat_map(|row| row.by.iter().map(String::as_str));
        // A GPU variant also runs on the CPU, but not the other way around.
        let variants = if name == "onnxruntime" {
            Stacks::table().onnxruntime()
        } else {
            &[]
        };
        let variants = variants
            .iter()
            .map(String::as_str)
            .filter(|variant| *variant != "onnxruntime");
        listed.chain(variants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_reason_and_a_source() {
        for row in SUBSTITUTES.iter() {
            assert!(!row.by.is_empty() && !row.by.contains(&row.name), "{row:?}");
            assert!(!row.because.is_empty() && !row.source.is_empty() && row.seen.date.is_some());
        }
    }

    #[test]
    fn the_cpu_runtime_does_not_replace_a_gpu_runtime() {
        assert!(Substitute::names_for("onnxruntime").any(|name| name == "onnxruntime-gpu"));
        assert_eq!(Substitute::names_for("onnxruntime-gpu").next(), None);
        assert_eq!(Substitute::names_for("numpy").next(), None);
    }
}
