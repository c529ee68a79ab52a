//! `error sending request for url`, `tunnel error: unsuccessful`, `407 Proxy Authentication Required`, `Could not resolve host`
//!
//! A package source does not answer within five seconds. There is no network, a firewall blocks it, or a
//! proxy is not set, is not running or wants credentials. Installed environments still work. The finding is a
//! *warning* if the index of wheels (`pypi`) does not answer, or if no checked source answers. Otherwise it is
//! an *info*: there is a fallback for conda-forge's Python and for the torch index, and only the profile
//! `gpu-trt` needs `nvidia`. matenv checks `pypi` only if a mirror or this machine's configuration names its
//! address. With `--offline`, matenv contacts no source.
//!
//! Remedy: set the proxy (`export HTTPS_PROXY=http://HOST:PORT`), set a mirror of the source
//! (`--mirror pypi=URL`), or use `--offline` with caches that were filled on another machine.

use crate::{
    context::sources::SourceName,
    doctor::host::HostFacts,
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let silent: Vec<_> = host
        .sources
        .iter()
        .filter_map(|source| Some((source, source.unreachable.as_ref()?)))
        .collect();
    let Some((first, _)) = silent.first() else {
        return Vec::new();
    };
    let all = silent.len() == host.sources.len();
    let needed = silent.iter().any(|(source, _)| source.name == SourceName::Pypi);
    let severity = if all || needed {
        Severity::Warning
    } else {
        Severity::Info
    };
    let names: Vec<String> = silent.iter().map(|(source, _)| source.name.to_string()).collect();
    let message = match names.as_slice() {
        [one] => format!("{one} does not answer"),
        [some @ .., last] => format!("{} and {last} do not answer", some.join(", ")),
        [] => return Vec::new(),
    };
    let lines = silent
        .iter()
        .map(|(source, why)| format!("{} ({}): {why}", source.name, source.described));
    let proxy = host.proxy.iter().map(|(variable, value)| format!("{variable}={value}"));
    let remedy = match &host.proxy {
        Some((variable, _)) => format!("fix {variable}=http://USER:PASSWORD@HOST:PORT"),
        None => "behind a proxy: export HTTPS_PROXY=http://HOST:PORT".to_owned(),
    };
    vec![
        Finding::new(Code::SourceSilent, severity, Scope::Host, message)
            .with_evidence(lines.chain(proxy))
            .with_remedy(format!("{remedy}; or set a mirror: --mirror {}=URL", first.name)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        host::SourceFacts,
        tests::{host, source},
    };

    fn facts(name: SourceName, silent: Option<&str>) -> SourceFacts {
        SourceFacts {
            name,
            unreachable: silent.map(ToOwned::to_owned),
            ..source()
        }
    }

    #[test]
    fn sources_with_a_fallback_are_an_info_and_the_index_of_wheels_is_a_warning() {
        let of = |silent: &[SourceName]| {
            let mut host = host();
            let all = [SourceName::CondaForge, SourceName::Pypi, SourceName::Torch];
            host.sources = all
                .iter()
                .map(|name| facts(*name, silent.contains(name).then_some("connection refused")))
                .collect();
            host.proxy = Some(("HTTPS_PROXY".to_owned(), "http://proxy.example.org:3128".to_owned()));
            detect(&host).pop()
        };
        assert_eq!(of(&[]), None);
        let found = of(&[SourceName::CondaForge, SourceName::Torch]).expect("found");
        insta::assert_snapshot!(found.render(), @"
        [info] ME064 conda-forge and torch do not answer
          conda-forge (the machine's configuration (/etc/pip.conf)): connection refused
          torch (the machine's configuration (/etc/pip.conf)): connection refused
          HTTPS_PROXY=http://proxy.example.org:3128
          do: fix HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT; or set a mirror: --mirror conda-forge=URL
        ");
        assert_eq!(
            of(&[SourceName::Pypi]).map(|found| found.severity),
            Some(Severity::Warning)
        );
    }
}
