//! `invalid peer certificate: UnknownIssuer`, `CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate`
//!
//! Something between this machine and a package source, usually an institute's proxy that inspects HTTPS,
//! presents its own certificate. The finding is an *error* if this machine does not trust the issuer of that
//! certificate, and an *info* if it does.
//!
//! Remedy: get the issuer's certificate from your network administrator and set `SSL_CERT_FILE=FILE`.

use crate::{
    doctor::host::{HostFacts, SourceFacts, Tls},
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    host.sources.iter().filter_map(check_source).collect()
}

fn check_source(source: &SourceFacts) -> Option<Finding> {
    let (severity, message, mut evidence) = match &source.tls {
        Tls::Unknown | Tls::Public => return None,
        Tls::Private { issuer } => (
            Severity::Info,
            format!(
                "the certificate of {} is issued by {issuer}, which this machine trusts but others do not",
                source.name
            ),
            Vec::new(),
        ),
        Tls::Refused { issuer, why } => (
            Severity::Error,
            format!(
                "the certificate of {} is issued by {issuer}, which this machine does not trust",
                source.name
            ),
            vec![why.clone()],
        ),
    };
    evidence.push(format!("{}: {}", source.name, source.described));
    let finding = Finding::new(Code::TlsIntercepted, severity, Scope::Host, message).with_evidence(evidence);
    Some(if severity == Severity::Error {
        finding.with_remedy(
            "ask your network administrator for that issuer's certificate, then: export SSL_CERT_FILE=FILE",
        )
    } else {
        finding
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::{host, source};

    #[test]
    fn the_issuer_is_named() {
        let of = |tls| {
            let mut host = host();
            host.sources = vec![SourceFacts { tls, ..source() }];
            detect(&host)
        };
        assert_eq!(of(Tls::Public), []);
        assert_eq!(of(Tls::Unknown), []);
        let issuer = "Institute Proxy CA (Institute)".to_owned();
        assert_eq!(of(Tls::Private { issuer: issuer.clone() })[0].severity, Severity::Info);
        let refused = of(Tls::Refused {
            issuer,
            why: "invalid peer certificate: UnknownIssuer".to_owned(),
        });
        insta::assert_snapshot!(refused[0].render(), @"
        [error] ME055 the certificate of pypi is issued by Institute Proxy CA (Institute), which this machine does not trust
          invalid peer certificate: UnknownIssuer
          pypi: the machine's configuration (/etc/pip.conf)
          do: ask your network administrator for that issuer's certificate, then: export SSL_CERT_FILE=FILE
        ");
    }
}
