//! The one HTTP client: TLS with the operating system's roots, proxies, credentials, retries, offline.
//!
//! In: settings. Out: [`Client`], made on first use and then shared by every stage.
//! Absent on purpose: mirrors. URLs are rewritten before they get here ([`crate::context::sources`]).

mod glance;

pub(crate) use glance::{Trust, glance, glance_at_page, is_about_the_certificate};

use std::{path::PathBuf, sync::Arc, time::Duration};

use rattler_networking::{AuthenticationMiddleware, AuthenticationStorage, LazyClient, OfflineMiddleware};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};

use url::Url;

/// A source that sends nothing for this long does not answer (design section 4).
pub const SILENCE: Duration = Duration::from_secs(5);

/// Why a source does not answer (design section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// 401: it answers, and wants credentials.
    Unauthorized,
    /// A page of an error or of a proxy: 403, 404, 5xx.
    Status(u16),
    /// No DNS, refused, or nothing for five seconds.
    NoAnswer(String),
}

/// The client of every stage; made when it is first asked for, for a no-op needs none.
#[derive(Clone)]
pub struct Client {
    patient: LazyClient,
    quick: LazyClient,
}

impl Client {
    /// A client; with `offline` it refuses every request.
    #[must_use]
    pub fn new(offline: bool) -> Self {
        Self {
            patient: LazyClient::new(move || build(offline, true)),
            quick: LazyClient::new(move || build(offline, false)),
        }
    }

    /// The form that rattler's crates take: with retries.
    #[must_use]
    pub fn lazy(&self) -> LazyClient {
        self.patient.clone()
    }

    /// The text at `url`.
    ///
    /// # Errors
    /// Why it cannot be had, in words.
    pub async fn text(&self, url: &str) -> Result<String, String> {
        let words = |error: &(dyn std::error::Error + 'static)| innermost(error);
        if let Some(path) = Url::parse(url).ok().as_ref().and_then(file_path) {
            return fs_err::read_to_string(path.join("index.html")).map_err(|error| words(&error));
        }
        let response = self
            .patient
            .client()
            .get(url)
            .send()
            .await
            .map_err(|error| words(&error))?;
        let response = response.error_for_status().map_err(|error| words(&error))?;
        response.text().await.map_err(|error| words(&error))
    }

    /// Bytes of the file at `url`, where its server tells them.
    pub async fn size(&self, url: &Url) -> Option<u64> {
        if let Some(path) = file_path(url) {
            return Some(fs_err::metadata(path).ok()?.len());
        }
        let response = self.patient.client().head(url.as_str()).send().await.ok()?;
        let response = response.error_for_status().ok()?;
        // Of a body that was not asked for, reqwest counts nothing.
        let length = response.headers().get(reqwest::header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    /// Whether `url` answers, without retries and within [`SILENCE`].
    ///
    /// # Errors
    /// How it does not answer.
    pub async fn answers(&self, url: &str) -> Result<(), Silence> {
        let asked = tokio::time::timeout(SILENCE, self.quick.client().head(url).send()).await;
        match asked {
            Err(_) => Err(Silence::NoAnswer("nothing came for 5 seconds".to_owned())),
            Ok(Err(error)) => Err(Silence::NoAnswer(innermost(&error))),
            Ok(Ok(response)) => match response.status().as_u16() {
                401 => Err(Silence::Unauthorized),
                status @ (403 | 404 | 500..) => Err(Silence::Status(status)),
                _ => Ok(()),
            },
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// The folder behind a `file://` URL.
#[must_use]
pub fn file_path(url: &Url) -> Option<PathBuf> {
    (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten()
}

/// The last cause of an error: `connection refused` says more than `error sending request`.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}

fn build(offline: bool, retries: bool) -> ClientWithMiddleware {
    // Built from constants only: the builder fails when the operating system's TLS roots cannot be loaded at all.
    let plain = reqwest::Client::builder()
        .user_agent(concat!("matenv/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(SILENCE)
        .read_timeout(Duration::from_secs(30))
        .build()
        .unwrap_or_default();
    // Without a readable store there are no credentials; a source that wants some answers 401 and is named then.
    let credentials = AuthenticationStorage::from_env_and_defaults().unwrap_or_else(|_| AuthenticationStorage::empty());
    let mut builder = ClientBuilder::new(plain);
    if offline {
        builder = builder.with_arc(Arc::new(OfflineMiddleware));
    }
    if retries {
        builder = builder.with(RetryTransientMiddleware::new_with_policy(
            ExponentialBackoff::builder().build_with_max_retries(3),
        ));
    }
    builder
        .with_arc(Arc::new(AuthenticationMiddleware::from_auth_storage(credentials)))
        .build()
}
