//! One small request that shows how a source is reached: its clock, and who vouches for it.

use reqwest::{Certificate, header, tls::TlsInfo};

use super::{SILENCE, innermost};

/// Whom to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those whom this machine trusts.
    Machine,
    /// Those whom everybody trusts: Mozilla's list.
    Public,
    /// Anybody, to see who it is. Nothing is believed of the answer.
    Anybody,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glance {
    /// The status.
    pub(crate) status: u16,
    /// `Date`, and the seconds that a cache in between kept it.
    pub(crate) date: Option<(String, i64)>,
    /// The certificate, in DER.
    pub(crate) certificate: Option<Vec<u8>>,
    /// The text, of a [`glance_at_page`].
    pub(crate) text: String,
}

/// Ask for the head of `url`, without credentials and without retries.
///
/// # Errors
/// Why there is no answer, in words.
pub(crate) async fn glance(url: &str, trust: Trust) -> Result<Glance, String> {
    ask(url, trust, reqwest::Method::HEAD).await
}

/// The page at `url` as an index shows it to pip and uv.
///
/// # Errors
/// Why there is no answer, in words.
pub(crate) async fn glance_at_page(url: &str) -> Result<Glance, String> {
    ask(url, Trust::Machine, reqwest::Method::GET).await
}

/// Whether the words of a failed request say that nobody trusted vouches for the other side.
pub(crate) fn is_about_the_certificate(words: &str) -> bool {
    // rustls' own words; it gives no other sign through reqwest's errors.
    words.contains("invalid peer certificate")
}

async fn ask(url: &str, trust: Trust, method: reqwest::Method) -> Result<Glance, String> {
    let words = |error: reqwest::Error| innermost(&error);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("matenv/", env!("CARGO_PKG_VERSION")))
        .tls_info(true)
        .timeout(SILENCE);
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
    let request = builder.build().map_err(words)?.request(method.clone(), url);
    let response = request
        .header(
            header::ACCEPT,
            "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01, */*;q=0.001",
        )
        .send()
        .await
        .map_err(words)?;
    let text_of = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let age = text_of(header::AGE).and_then(|age| age.parse().ok()).unwrap_or(0);
    let mut glance = Glance {
        status: response.status().as_u16(),
        date: text_of(header::DATE).map(|date| (date.to_owned(), age)),
        certificate: response
            .extensions()
            .get::<TlsInfo>()
            .and_then(|info| info.peer_certificate().map(ToOwned::to_owned)),
        text: String::new(),
    };
    if method == reqwest::Method::GET {
        glance.text = response.text().await.map_err(words)?;
    }
    Ok(glance)
}
