//! `Permission denied` although the file is executable: the disk is mounted `noexec`
//!
//! The environments are on a file system that does not allow programs to run. Their programs cannot start,
//! and their libraries cannot be loaded.
//!
//! Remedy: set a folder on another disk with `MATENV_HOME=DIR`, then run `matenv install ENV`.

use crate::{
    doctor::host::HostFacts,
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let noexec = host.places.iter().filter(|place| {
        // Nothing runs from a cache.
        place.variable == "MATENV_HOME" && place.filesystem.is_some_and(|filesystem| filesystem.noexec)
    });
    noexec
        .map(|place| {
            Finding::new(
                Code::NoExec,
                Severity::Error,
                Scope::Host,
                format!("programs cannot run from {} (noexec)", place.folder.display()),
            )
            .with_evidence([format!("findmnt --target {}", place.folder.display())])
            .with_remedy("set a folder on another disk: MATENV_HOME=DIR")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::{host, place};

    #[test]
    fn only_a_store_on_a_noexec_disk_is_reported() {
        let mut host = host();
        host.places = vec![place(1, None)];
        assert_eq!(detect(&host), []);
        if let Some(filesystem) = &mut host.places[0].filesystem {
            filesystem.noexec = true;
        }
        insta::assert_snapshot!(detect(&host)[0].render(), @"
        [error] ME052 programs cannot run from /home/you/.matenv (noexec)
          findmnt --target /home/you/.matenv
          do: set a folder on another disk: MATENV_HOME=DIR
        ");
        host.places[0].variable = "UV_CACHE_DIR";
        assert_eq!(detect(&host), []);
    }
}
