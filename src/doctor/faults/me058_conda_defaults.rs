//! `CondaToSNonInteractiveError: Terms of Service have not been accepted for the following channels`
//!
//! conda on this machine installs packages from Anaconda's `defaults` channel, which has terms of service and
//! costs larger institutions money. matenv never uses that channel. This machine's conda does, and a script
//! then stops at conda's question.
//!
//! Remedy: run `conda config --add channels conda-forge`, then `conda config --remove channels defaults`.
//! Miniforge does not have that channel.

use crate::{
    doctor::host::{Defaults, HostFacts},
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let Some(Defaults { base, says }) = &host.conda.defaults else {
        return Vec::new();
    };
    let evidence = match says {
        Some(file) => format!("{} lists that channel", file.display()),
        None => "no .condarc lists a channel, so conda uses `defaults`".to_owned(),
    };
    vec![
        Finding::new(
            Code::CondaDefaults,
            Severity::Warning,
            Scope::Host,
            format!(
                "the conda of {} installs packages from Anaconda's `defaults` (CondaToSNonInteractiveError), \
                 unlike matenv",
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
    fn a_conda_that_uses_defaults_is_reported() {
        let mut host = host();
        assert_eq!(detect(&host), []);
        host.conda.defaults = Some(Defaults {
            base: "/home/you/miniconda3".into(),
            says: None,
        });
        insta::assert_snapshot!(detect(&host)[0].render(), @"
        [warning] ME058 the conda of /home/you/miniconda3 installs packages from Anaconda's `defaults` (CondaToSNonInteractiveError), unlike matenv
          no .condarc lists a channel, so conda uses `defaults`
          do: conda config --add channels conda-forge; conda config --remove channels defaults
        ");
    }
}
