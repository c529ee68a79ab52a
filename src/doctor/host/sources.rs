//! The connection of this machine to the package sources.

use futures::future::join_all;
use jiff::Timestamp;

use super::issuer::issuer;
use crate::{
    context::{
        Context,
        sources::{Index, SourceName},
    },
    names::Backend,
    net::{Keyring, Trust, is_about_the_certificate, peek, peek_page},
    process::Variables,
};

/// The connection to one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFacts {
    pub(crate) name: SourceName,
    /// A description of the URL that this machine uses for it.
    pub(crate) described: String,
    pub(crate) tls: Tls,
    /// The seconds by which this machine's clock is ahead of the source's clock.
    pub(crate) clock_ahead_s: Option<i64>,
    /// Whether an index serves the metadata of wheels separately (PEP 658); `None` if this was not checked.
    pub(crate) metadata: Option<Metadata>,
    /// Why the source does not answer; `None` if it does.
    pub(crate) unreachable: Option<String>,
}

/// The trust in a source's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not checked: no HTTPS, or no answer.
    Unknown,
    /// Issued by a publicly trusted authority.
    Public,
    /// Issued by an authority that only this machine trusts.
    Private { issuer: String },
    /// Issued by an authority that this machine does not trust.
    Refused { issuer: String, why: String },
}

/// Whether an index serves a wheel's metadata without the wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metadata {
    Served,
    Missing,
}

/// A project that every package index contains.
const SAMPLE_PROJECT: &str = "pip";

/// Contacts all sources that have a URL, concurrently.
pub(super) async fn all(ctx: &Context) -> Vec<SourceFacts> {
    if ctx.settings.offline {
        return Vec::new();
    }
    let sources = &ctx.settings.sources;
    let described = sources.described();
    let keyring = sources.keyring();
    let asked = SourceName::ALL.into_iter().filter_map(|name| {
        // A source that is replaced by another one is checked there.
        if sources.effective(name) != name {
            return None;
        }
        let url = match name {
            SourceName::CondaForge => sources.channel(name).ok()?,
            SourceName::Pypi | SourceName::Torch | SourceName::Nvidia => {
                match sources.index(name, &Backend::cpu()).ok()? {
                    Index::Url(url) => url,
                    Index::UvDefault => return None,
                }
            }
        };
        let described = described.get(&name).cloned().unwrap_or_default();
        matches!(url.scheme(), "http" | "https").then(|| look(name, described, url, &keyring))
    });
    join_all(asked).await
}

/// Returns the variable that sets the HTTPS proxy, and the proxy without credentials.
pub(super) fn proxy(variables: &Variables) -> Option<(String, String)> {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find_map(|name| Some((name.to_owned(), without_credentials(variables.text(name)?))))
}

/// Removes the credentials from a proxy. The scheme may be missing, and the password may contain characters that are
/// invalid in a URL.
fn without_credentials(proxy: &str) -> String {
    let (scheme, rest) = proxy
        .split_once("://")
        .map_or((String::new(), proxy), |(scheme, rest)| (format!("{scheme}://"), rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}{host}")
}

async fn look(name: SourceName, described: String, url: url::Url, keyring: &Keyring) -> SourceFacts {
    let https = url.scheme() == "https";
    let with_metadata = async {
        if name != SourceName::Pypi {
            return None;
        }
        let page = format!("{}/{SAMPLE_PROJECT}/", url.as_str().trim_end_matches('/'));
        let page = peek_page(&page, keyring).await.ok().filter(|page| page.status == 200)?;
        Some(metadata(&page.text))
    };
    let (machine, public, metadata) = tokio::join!(
        peek(url.as_str(), Trust::Machine),
        async {
            if https {
                Some(peek(url.as_str(), Trust::Public).await)
            } else {
                None
            }
        },
        with_metadata
    );
    let tls = match (&machine, &public) {
        (Ok(_), Some(Err(error))) if is_about_the_certificate(error) => Tls::Private {
            issuer: issuer_name(machine.as_ref().ok().and_then(|peek| peek.certificate.as_deref())),
        },
        (Ok(_), Some(Ok(_))) => Tls::Public,
        (Err(error), Some(_)) if is_about_the_certificate(error) => {
            // The server is untrusted: send nothing secret.
            let origin = url.origin().ascii_serialization();
            let seen = peek(&origin, Trust::Anybody).await.ok();
            Tls::Refused {
                issuer: issuer_name(seen.as_ref().and_then(|peek| peek.certificate.as_deref())),
                why: error.clone(),
            }
        }
        _ => Tls::Unknown,
    };
    let not_answering = match (&machine, &tls) {
        (Err(error), Tls::Unknown) => Some(error.clone()),
        (Ok(peek), _) if peek.status == 407 => Some("407 Proxy Authentication Required".to_owned()),
        _ => None,
    };
    let now = Timestamp::now();
    let clock_ahead_s = machine
        .ok()
        .and_then(|peek| peek.date)
        .and_then(|(date, age)| ahead(&date, age, now));
    SourceFacts {
        name,
        described,
        tls,
        clock_ahead_s,
        metadata,
        unreachable: not_answering,
    }
}

fn issuer_name(certificate: Option<&[u8]>) -> String {
    certificate
        .and_then(issuer)
        .unwrap_or_else(|| "an unnamed issuer".to_owned())
}

/// Checks a project's page for separate metadata: the names of PEP 714, PEP 658 and PEP 691.
fn metadata(page: &str) -> Metadata {
    if page.contains("core-metadata") || page.contains("dist-info-metadata") {
        Metadata::Served
    } else {
        Metadata::Missing
    }
}

fn ahead(date: &str, age: i64, now: Timestamp) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(now.as_second() - theirs.as_second() - age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_cached_answer_counts_for_the_clock() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().expect("a time");
        assert_eq!(ahead("Wed, 25 Nov 2026 11:50:00 GMT", 0, now), Some(600));
        assert_eq!(ahead("Wed, 25 Nov 2026 11:50:00 GMT", 598, now), Some(2));
        assert_eq!(ahead("yesterday", 0, now), None);
    }

    #[test]
    fn credentials_of_a_proxy_are_removed() {
        for (proxy, expected) in [
            (
                "http://you:secret@proxy.example.org:3128",
                "http://proxy.example.org:3128",
            ),
            ("you:secret@proxy.example.org:3128", "proxy.example.org:3128"),
            ("http://you:se#cr/e@t@proxy.example.org", "http://proxy.example.org"),
            ("socks5h://127.0.0.1:1080/", "socks5h://127.0.0.1:1080/"),
        ] {
            assert_eq!(without_credentials(proxy), expected);
        }
    }

    #[test]
    fn pages_with_and_without_metadata_are_distinguished() {
        assert_eq!(
            metadata("<a href=\"x.whl\" data-dist-info-metadata=\"sha256=1\">"),
            Metadata::Served
        );
        assert_eq!(metadata("{\"files\": [{\"core-metadata\": true}]}"), Metadata::Served);
        assert_eq!(metadata("<a href=\"x.whl\">x</a>"), Metadata::Missing);
    }
}
