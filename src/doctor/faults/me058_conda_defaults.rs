//! `CondaToSNonInteractiveError: Terms of Service have not been accepted for the following channels`
//!
//! The conda of this machine takes packages from Anaconda's `defaults`, which has terms of service and costs larger institutions money. matenv
//! never asks that channel; commands of that conda do, and a script then stops at its question.
//!
//! Remedy: `conda config --add channels conda-forge`, then `conda config --remove channels defaults`; with Miniforge there is no such channel.

use crate::finding::Code;
use crate::{
    doctor::host::{Defaults, HostFacts},
    finding::{Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let Some(Defaults { base, says }) = &host.conda.defaults else {
        return Vec::new();
    };
    let evidence = match says {
        Some(file) => format!("{} names it", file.display()),
        None => "no .condarc names a channel, and then it is taken".to_owned(),
    };
    vec![
        Finding::new(
            Code::CondaDefaults,
            Severity::Warning,
            Scope::Host,
            format!(
                "the conda of {} takes packages from Anaconda's `defaults` (CondaToSNonInteractiveError); matenv does not",
                base.display()
            ),
        )
        .with_evidence([evidence])
        .with_remedy("conda config --add channels conda-forge; conda config --remove channels defaults"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::host;

    #[test]
    fn a_conda_that_asks_for_defaults_is_told() {
        let mut host = host();
        assert_eq!(detect(&host), []);
        host.conda.defaults = Some(Defaults {
            base: "/home/you/miniconda3".into(),
            says: None,
        });
        assert_eq!(detect(&host)[0].severity, Severity::Warning);
    }
}
