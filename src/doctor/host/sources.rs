//! How this machine reaches the places that packages come from.

use futures::future::join_all;
use jiff::Timestamp;

use super::issuer::issuer;
use crate::{
    context::{
        Context,
        sources::{Index, SourceName},
    },
    names::Backend,
    net::{Trust, glance, glance_at_page, is_about_the_certificate},
    process::Variables,
};

/// How a source was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFacts {
    pub(crate) name: SourceName,
    /// What stands for it on this machine, in words.
    pub(crate) described: String,
    pub(crate) tls: Tls,
    /// Seconds that this machine's clock is ahead of the source's.
    pub(crate) clock_ahead_s: Option<i64>,
    /// Whether an index of wheels gives their metadata alone (PEP 658); absent where that was not asked.
    pub(crate) metadata: Option<Metadata>,
    /// Why it does not answer, if it does not.
    pub(crate) silent: Option<String>,
}

/// Who vouches for a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Nobody was asked: no HTTPS, or no answer.
    Unknown,
    /// Somebody whom everybody trusts.
    Public,
    /// Somebody whom this machine trusts and others do not.
    Private { issuer: String },
    /// Nobody whom this machine trusts.
    Refused { issuer: String, why: String },
}

/// Whether an index gives a wheel's metadata without the wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metadata {
    Served,
    Missing,
}

/// A project that every index of wheels has.
const ASKED_FOR: &str = "pip";

/// Ask each source that has a URL, all at once.
pub(super) async fn all(ctx: &Context) -> Vec<SourceFacts> {
    if ctx.settings.offline {
        return Vec::new();
    }
    let sources = &ctx.settings.sources;
    let described = sources.described();
    let asked = SourceName::ALL.into_iter().filter_map(|name| {
        // What another source stands in for is that one's business.
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
        matches!(url.scheme(), "http" | "https").then(|| look(name, described, url))
    });
    join_all(asked).await
}

/// The proxy that HTTPS goes through, without credentials, and the variable that says so.
pub(super) fn proxy(variables: &Variables) -> Option<(String, String)> {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find_map(|name| Some((name.to_owned(), without_credentials(variables.text(name)?))))
}

/// A proxy as people write it, with a scheme or without, and with passwords that are no part of any URL.
fn without_credentials(proxy: &str) -> String {
    let (scheme, rest) = proxy
        .split_once("://")
        .map_or((String::new(), proxy), |(scheme, rest)| (format!("{scheme}://"), rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}{host}")
}

async fn look(name: SourceName, described: String, url: url::Url) -> SourceFacts {
    let https = url.scheme() == "https";
    let with_metadata = async {
        if name != SourceName::Pypi {
            return None;
        }
        let page = format!("{}/{ASKED_FOR}/", url.as_str().trim_end_matches('/'));
        let page = glance_at_page(&page).await.ok().filter(|page| page.status == 200)?;
        Some(metadata(&page.text))
    };
    let (machine, public, metadata) = tokio::join!(
        glance(url.as_str(), Trust::Machine),
        async {
            if https {
                Some(glance(url.as_str(), Trust::Public).await)
            } else {
                None
            }
        },
        with_metadata
    );
    let tls = match (&machine, &public) {
        (Ok(_), Some(Err(words))) if is_about_the_certificate(words) => Tls::Private {
            issuer: who(machine.as_ref().ok().and_then(|glance| glance.certificate.as_deref())),
        },
        (Ok(_), Some(Ok(_))) => Tls::Public,
        (Err(words), Some(_)) if is_about_the_certificate(words) => {
            // Nothing secret is sent to whoever this is.
            let origin = url.origin().ascii_serialization();
            let seen = glance(&origin, Trust::Anybody).await.ok();
            Tls::Refused {
                issuer: who(seen.as_ref().and_then(|glance| glance.certificate.as_deref())),
                why: words.clone(),
            }
        }
        _ => Tls::Unknown,
    };
    let silent = match (&machine, &tls) {
        (Err(words), Tls::Unknown) => Some(words.clone()),
        (Ok(glance), _) if glance.status == 407 => Some("407 Proxy Authentication Required".to_owned()),
        _ => None,
    };
    let now = Timestamp::now();
    let clock_ahead_s = machine
        .ok()
        .and_then(|glance| glance.date)
        .and_then(|(date, age)| ahead(&date, age, now));
    SourceFacts {
        name,
        described,
        tls,
        clock_ahead_s,
        metadata,
        silent,
    }
}

fn who(certificate: Option<&[u8]>) -> String {
    certificate
        .and_then(issuer)
        .unwrap_or_else(|| "somebody unnamed".to_owned())
}

/// What the page of a project says of metadata: PEP 714's name, PEP 658's, or PEP 691's.
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
    fn a_clock_is_compared_with_what_a_cache_may_have_kept() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().expect("a time");
        assert_eq!(ahead("Wed, 25 Nov 2026 11:50:00 GMT", 0, now), Some(600));
        assert_eq!(ahead("Wed, 25 Nov 2026 11:50:00 GMT", 598, now), Some(2));
        assert_eq!(ahead("yesterday", 0, now), None);
    }

    #[test]
    fn nothing_of_a_proxys_credentials_is_told() {
        for (said, told) in [
            (
                "http://you:secret@proxy.example.org:3128",
                "http://proxy.example.org:3128",
            ),
            ("you:secret@proxy.example.org:3128", "proxy.example.org:3128"),
            ("http://you:se#cr/e@t@proxy.example.org", "http://proxy.example.org"),
            ("socks5h://127.0.0.1:1080/", "socks5h://127.0.0.1:1080/"),
        ] {
            assert_eq!(without_credentials(said), told);
        }
    }

    #[test]
    fn pages_with_and_without_metadata_are_told_apart() {
        assert_eq!(
            metadata("<a href=\"x.whl\" data-dist-info-metadata=\"sha256=1\">"),
            Metadata::Served
        );
        assert_eq!(metadata("{\"files\": [{\"core-metadata\": true}]}"), Metadata::Served);
        assert_eq!(metadata("<a href=\"x.whl\">x</a>"), Metadata::Missing);
    }
}
