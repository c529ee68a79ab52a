//! `Bad file descriptor (os error 9)`, `Function not implemented (os error 38)`, `No locks available`, or a hang without a message: `flock`
//!
//! A network file system without its lock daemon does not support file locks. Several processes can then use
//! the packages of uv and conda at the same time, or none can.
//!
//! Remedy: set a folder on a local disk: `UV_CACHE_DIR=DIR`, `RATTLER_CACHE_DIR=DIR` or `MATENV_HOME=DIR`.

use crate::{
    doctor::host::HostFacts,
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let refused = |place: &crate::doctor::host::Place| {
        let why = place.lock_refused.clone()?;
        Some(
            Finding::new(
                Code::NoLocking,
                Severity::Warning,
                Scope::Host,
                format!(
                    "the file system of {} does not support file locks",
                    place.folder.display()
                ),
            )
            .with_evidence([why])
            .with_remedy(format!("set a folder on a local disk: {}=DIR", place.variable)),
        )
    };
    host.places.iter().filter_map(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::{host, place};

    #[test]
    fn a_folder_without_locks_is_reported_with_the_reason() {
        let mut host = host();
        host.places = vec![place(1, None)];
        assert_eq!(detect(&host), []);
        host.places[0].lock_refused = Some("no answer within 5 seconds".to_owned());
        insta::assert_snapshot!(detect(&host)[0].render(), @"
        [warning] ME053 the file system of /home/you/.matenv does not support file locks
          no answer within 5 seconds
          do: set a folder on a local disk: MATENV_HOME=DIR
        ");
    }
}
