//! An environment takes as much disk as its caches again: no `hard links`, `Invalid cross-device link`
//!
//! Files of the caches become files of an environment by a second name, which takes no room and no time. That needs one file system for both, and
//! one that can do it (exFAT cannot). Else every file is copied. It works.
//!
//! Remedy: put the caches beside the environments: `UV_CACHE_DIR=DIR`, `RATTLER_CACHE_DIR=DIR`, or `MATENV_HOME=DIR`.

use crate::finding::Code;
use crate::{
    doctor::host::HostFacts,
    finding::{Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let refused = |place: &crate::doctor::host::Place| {
        let why = place.link_refused.clone()?;
        Some(
            Finding::new(
                Code::NoHardLinks,
                Severity::Info,
                Scope::Host,
                format!(
                    "files of {} are copied into environments, not linked",
                    place.folder.display()
                ),
            )
            .with_evidence([why])
            .with_remedy(format!(
                "put it on the disk of the environments: {}=DIR",
                place.variable
            )),
        )
    };
    host.places.iter().filter_map(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::{host, place};

    #[test]
    fn copies_are_worth_a_word_and_no_more() {
        let mut host = host();
        host.places = vec![place(1, None)];
        assert_eq!(detect(&host), []);
        host.places[0].link_refused = Some("it is on another filesystem than the store".to_owned());
        assert_eq!(detect(&host)[0].severity, Severity::Info);
    }
}
