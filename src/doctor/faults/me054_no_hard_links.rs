//! An environment and its caches need twice the disk space: no `hard links`, `Invalid cross-device link`
//!
//! A hard link gives a file of a cache a second name in the environment. It needs no disk space and no time.
//! Both must be on one file system that supports hard links (exFAT does not). Otherwise, every file is
//! copied. The environment still works.
//!
//! Remedy: put the caches and the environments on one disk: `UV_CACHE_DIR=DIR`, `RATTLER_CACHE_DIR=DIR`, or
//! `MATENV_HOME=DIR`.

use crate::{
    doctor::host::HostFacts,
    finding::{Code, Finding, Scope, Severity},
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
                    "files of {} are copied into environments instead of linked",
                    place.folder.display()
                ),
            )
            .with_evidence([why])
            .with_remedy(format!(
                "set a folder on the disk of the environments: {}=DIR",
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
    fn copies_are_only_an_info() {
        let mut host = host();
        host.places = vec![place(1, None)];
        assert_eq!(detect(&host), []);
        host.places[0].link_refused = Some("it is on another file system than the store".to_owned());
        insta::assert_snapshot!(detect(&host)[0].render(), @"
        [info] ME054 files of /home/you/.matenv are copied into environments instead of linked
          it is on another file system than the store
          do: set a folder on the disk of the environments: MATENV_HOME=DIR
        ");
    }
}
