//! Resolving takes minutes and gigabytes behind Nexus, Artifactory or AWS: no `data-dist-info-metadata`
//!
//! This machine's package index does not serve the metadata of its wheels as separate files (PEP 658). So uv
//! has to read the wheels themselves to learn what they require. This works, but it is slow.
//!
//! Remedy: use a lock (`matenv lock`), which needs no metadata. Or ask the administrator of the index to
//! update it.

use crate::{
    doctor::host::{HostFacts, Metadata},
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let without = host
        .sources
        .iter()
        .filter(|source| source.metadata == Some(Metadata::Missing));
    without
        .map(|source| {
            Finding::new(
                Code::NoMetadata,
                Severity::Info,
                Scope::Host,
                format!(
                    "{} serves no separate metadata for its wheels (PEP 658), so resolving has to read wheels",
                    source.name
                ),
            )
            .with_evidence([format!("{}: {}", source.name, source.described)])
            .with_remedy("run `matenv lock` once: `matenv install --locked` needs no metadata")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        host::SourceFacts,
        tests::{host, source},
    };

    #[test]
    fn an_index_that_was_not_asked_or_that_serves_metadata_is_fine() {
        let of = |metadata| {
            let mut host = host();
            host.sources = vec![SourceFacts { metadata, ..source() }];
            detect(&host)
        };
        assert_eq!(of(None), []);
        assert_eq!(of(Some(Metadata::Served)), []);
        let missing = of(Some(Metadata::Missing));
        assert_eq!(missing.len(), 1);
        insta::assert_snapshot!(missing[0].render(), @"
        [info] ME056 pypi serves no separate metadata for its wheels (PEP 658), so resolving has to read wheels
          pypi: the machine's configuration (/etc/pip.conf)
          do: run `matenv lock` once: `matenv install --locked` needs no metadata
        ");
    }
}
