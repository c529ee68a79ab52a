//! `conda: command not found`, or an empty list of environments in the host program (MAT, HYDRA)
//!
//! Programs that use matenv's environments run `conda` to find them, and there is no `conda` on PATH.
//! `matenv run` and `matenv launch` do not need it.
//!
//! Remedy: install Miniforge and start the program from a shell in which `conda env list` works.

use crate::{
    doctor::host::HostFacts,
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    if host.conda.program.is_some() {
        return Vec::new();
    }
    vec![
        Finding::new(
            Code::NoCondaOnPath,
            Severity::Info,
            Scope::Host,
            "no `conda` on PATH: MAT, HYDRA and PoseKit need it to find environments",
        )
        .with_remedy("install Miniforge, then in a new shell: conda env list"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::host;

    #[test]
    fn no_conda_is_an_info() {
        let mut host = host();
        assert_eq!(detect(&host), []);
        host.conda.program = None;
        insta::assert_snapshot!(detect(&host)[0].render(), @"
        [info] ME059 no `conda` on PATH: MAT, HYDRA and PoseKit need it to find environments
          do: install Miniforge, then in a new shell: conda env list
        ");
    }
}
