use std::sync::LazyLock;

use serde::Deserialize;

use crate::profile::stack::Stacks;

const FILE: &str = include_str!("../../profiles/stand_ins.toml");

static STAND_INS: LazyLock<Vec<StandIn>> = LazyLock::new(|| {
    let file: File = toml::from_str(FILE).expect("tested: profiles/stand_ins.toml parses");
    file.stand_in
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    stand_in: Vec<StandIn>,
}

/// Distributions that bring the modules of another one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    /// What is required.
    pub name: String,
    /// What answers for it.
    pub by: Vec<String>,
    /// Why.
    pub because: String,
    /// How that is known.
    pub source: String,
    /// When.
    pub seen: toml::value::Datetime,
}

impl StandIn {
    /// The distributions that answer for `name` where it is missing, by the row of `profiles/stand_ins.toml` and, for
    /// `onnxruntime`, by its flavours in `profiles/stacks.toml`.
    ///
    /// # Panics
    /// Never in a released program: the data file is compiled in and a test reads it.
    pub fn of(name: &str) -> impl Iterator<Item = &'static str> {
        let listed = STAND_INS.iter().filter(move |row| row.name == name);
        let listed = listed.flat_map(|row| row.by.iter().map(String::as_str));
        // A GPU's runtime computes on the processor too, and not the other way round.
        let flavours = if name == "onnxruntime" {
            Stacks::table().onnxruntime()
        } else {
            &[]
        };
        let flavours = flavours
            .iter()
            .map(String::as_str)
            .filter(|flavour| *flavour != "onnxruntime");
        listed.chain(flavours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_why_and_where_it_is_known_from() {
        for row in STAND_INS.iter() {
            assert!(!row.by.is_empty() && !row.by.contains(&row.name), "{row:?}");
            assert!(!row.because.is_empty() && !row.source.is_empty() && row.seen.date.is_some());
        }
    }

    #[test]
    fn the_processors_runtime_answers_for_no_gpus() {
        assert!(StandIn::of("onnxruntime").any(|name| name == "onnxruntime-gpu"));
        assert_eq!(StandIn::of("onnxruntime-gpu").next(), None);
        assert_eq!(StandIn::of("numpy").next(), None);
    }
}
