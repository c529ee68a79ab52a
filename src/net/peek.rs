//! A single small request that shows a source's clock and its TLS certificate.

use reqwest::{Certificate, header, tls::TlsInfo};

use super::{ANSWER_TIMEOUT, Keyring, innermost};

/// Which certificates to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The certificates that this machine trusts.
    Machine,
    /// Mozilla's list of public certificate authorities.
    Public,
    /// Any certificate, to read it. The response must not be trusted.
    Anybody,
}

/// The response to a peek request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peek {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The `Date` header, and the seconds that a cache kept the response (`Age`).
    pub(crate) date: Option<(String, i64)>,
    /// The server's certificate, in DER format.
    pub(crate) certificate: Option<Vec<u8>>,
    /// The text of the page; empty unless it comes from [`peek_page`].
    pub(crate) text: String,
}

/// Sends a HEAD request to `url`, without credentials and without retries.
///
/// # Errors
/// The reason why there is no response, as text.
pub(crate) async fn peek(url: &str, trust: Trust) -> Result<Peek, String> {
    ask(url, trust, reqwest::Method::HEAD, &Keyring::default()).await
}

/// Returns the page at `url` in the format that an index sends to pip and uv. Sends the credentials of `keyring`.
///
/// # Errors
/// The reason why there is no response, as text.
pub(crate) async fn peek_page(url: &str, keyring: &Keyring) -> Result<Peek, String> {
    ask(url, Trust::Machine, reqwest::Method::GET, keyring).await
}

/// Returns whether the error message of a failed request is about an untrusted certificate.
pub(crate) fn is_about_the_certificate(message: &str) -> bool {
    // This is the text of rustls. reqwest's errors do not expose the reason in another way.
    message.contains("invalid peer certificate")
}

async fn ask(url: &str, trust: Trust, method: reqwest::Method, keyring: &Keyring) -> Result<Peek, String> {
    let describe = |error: reqwest::Error| innermost(&error);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("matenv/", env!("CARGO_PKG_VERSION")))
        .tls_info(true)
        .referer(false)
        .timeout(ANSWER_TIMEOUT);
    builder = match trust {
        Trust::Machine => builder,
        Trust::Public => {
            let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            builder.tls_certs_only(roots.filter_map(|root| Certificate::from_der(root).ok()))
        }
        Trust::Anybody => builder
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none()),
    };
    let parsed: url::Url = url.parse().map_err(|error: url::ParseError| error.to_string())?;
    let (url, header) = keyring.authorized(&parsed);
    let mut request = builder.build().map_err(describe)?.request(method.clone(), url);
    if let Some(header) = header {
        request = request.header(header::AUTHORIZATION, header);
    }
    let response = request
        .header(
            header::ACCEPT,
            "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01, */*;q=0.001",
        )
        .send()
        .await
        .map_err(describe)?;
    let text_of = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let age = text_of(header::AGE).and_then(|age| age.parse().ok()).unwrap_or(0);
    let mut peek = Peek {
        status: response.status().as_u16(),
        date: text_of(header::DATE).map(|date| (date.to_owned(), age)),
        certificate: response
            .extensions()
            .get::<TlsInfo>()
            .and_then(|info| info.peer_certificate().map(ToOwned::to_owned)),
        text: String::new(),
    };
    if method == reqwest::Method::GET {
        peek.text = response.text().await.map_err(describe)?;
    }
    Ok(peek)
}
