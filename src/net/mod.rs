//! The HTTP client: TLS with the operating system's root certificates, proxies, credentials, retries, offline mode.
//!
//! Output: [`Client`], which is created on first use and shared by every stage.
//! Mirrors are not handled here, on purpose: URLs are rewritten before they get here ([`crate::context::sources`]).

mod page;
mod peek;

pub(crate) use peek::{Trust, is_about_the_certificate, peek, peek_page};

use std::{path::PathBuf, sync::Arc, time::Duration};

use rattler_networking::{AuthenticationMiddleware, AuthenticationStorage, LazyClient, OfflineMiddleware};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};

use url::Url;

use crate::input::{self, Input};

/// A source that sends nothing for this long counts as not answering.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason why a source does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAnswering {
    /// HTTP status 401: the source requires credentials.
    Unauthorized,
    /// Another HTTP error status, from the source or a proxy: 403, 404, 5xx.
    Status(u16),
    /// No connection: DNS failed, connection refused, or no response within five seconds.
    NoAnswer(String),
}

/// The HTTP client of every stage. It is created on first use, because many commands need none.
#[derive(Clone)]
pub struct Client {
    retrying: LazyClient,
    single_attempt: LazyClient,
}

impl Client {
    /// Returns a client. If `offline` is set, it refuses every request.
    #[must_use]
    pub fn new(offline: bool) -> Self {
        Self {
            retrying: LazyClient::new(move || build(offline, true)),
            single_attempt: LazyClient::new(move || build(offline, false)),
        }
    }

    /// Returns the retrying client, in the form that rattler's crates need.
    #[must_use]
    pub fn lazy(&self) -> LazyClient {
        self.retrying.clone()
    }

    /// Returns the text at `url`.
    ///
    /// # Errors
    /// The reason why it could not be downloaded, as text.
    pub async fn text(&self, url: &str) -> Result<String, String> {
        let describe = |error: &(dyn std::error::Error + 'static)| innermost(error);
        if let Some(path) = Url::parse(url).ok().as_ref().and_then(file_path) {
            return input::read_text(&path.join("index.html"), Input::Page).map_err(|error| describe(&error));
        }
        let response = self
            .retrying
            .client()
            .get(url)
            .send()
            .await
            .map_err(|error| describe(&error))?;
        let response = response.error_for_status().map_err(|error| describe(&error))?;
        page::text(response, Input::Page.limit()).await
    }

    /// Returns the size of the file at `url` in bytes, if the server reports it.
    pub async fn size(&self, url: &Url) -> Option<u64> {
        if let Some(path) = file_path(url) {
            return Some(fs_err::metadata(path).ok()?.len());
        }
        let response = self.retrying.client().head(url.as_str()).send().await.ok()?;
        let response = response.error_for_status().ok()?;
        // reqwest reports no body size for a HEAD request, so read the header.
        let length = response.headers().get(reqwest::header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    /// Checks whether `url` answers within [`ANSWER_TIMEOUT`], without retries.
    ///
    /// # Errors
    /// The reason why it does not answer.
    pub async fn answers(&self, url: &str) -> Result<(), NotAnswering> {
        let response = tokio::time::timeout(ANSWER_TIMEOUT, self.single_attempt.client().head(url).send()).await;
        match response {
            Err(_) => Err(NotAnswering::NoAnswer("no response within 5 seconds".to_owned())),
            Ok(Err(error)) => Err(NotAnswering::NoAnswer(innermost(&error))),
            Ok(Ok(response)) => match response.status().as_u16() {
                401 => Err(NotAnswering::Unauthorized),
                status @ (403 | 404 | 500..) => Err(NotAnswering::Status(status)),
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

/// Returns the path of a `file://` URL.
#[must_use]
pub(crate) fn file_path(url: &Url) -> Option<PathBuf> {
    (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten()
}

/// Returns the innermost cause of an error: `connection refused` is more helpful than `error sending request`.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}

fn build(offline: bool, retries: bool) -> ClientWithMiddleware {
    // The builder uses only constants, so it fails only if the operating system's root certificates cannot be loaded.
    let plain = reqwest::Client::builder()
        .user_agent(concat!("matenv/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(ANSWER_TIMEOUT)
        .read_timeout(Duration::from_secs(30))
        .build()
        .unwrap_or_default();
    // Without a readable store there are no credentials. A source that requires them then answers 401, which is
    // reported.
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
