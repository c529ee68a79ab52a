//! The HTTP client: TLS with the operating system's root certificates, proxies, credentials, retries, offline mode.
//!
//! Output: [`Client`], which is created on first use and shared by every stage.
//! Mirrors are not handled here, on purpose: URLs are rewritten before they get here ([`crate::context::sources`]).
//! The credentials of mirrors are added to each request here, and the rest of the program does not see them.

mod credentials;
mod download;
pub(crate) mod mask;
mod page;
mod peek;
mod retry;
mod serve;

pub(crate) use download::{Download, DownloadError, Remote, STALE_AFTER, remove_stale};
pub(crate) use retry::{Delay, OnDelay, STALLED_AFTER};
pub(crate) use serve::FileServer;

pub(crate) use credentials::{Credentials, Keyring, holds_credentials, public, split};
pub(crate) use peek::{Trust, is_about_the_certificate, peek, peek_page};

use std::{path::PathBuf, sync::Arc, time::Duration};

use rattler_networking::{AuthenticationMiddleware, AuthenticationStorage, LazyClient, OfflineMiddleware};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use url::Url;

use crate::input::{self, Input};
use retry::{BUSY, LONGEST_WAIT, Retry, asked_to_wait};

/// A source that sends nothing for this long counts as not answering.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Number of redirects that a request follows.
const REDIRECTS: usize = 10;
/// Number of times that a check whether a source answers waits for a busy source.
const WAITS: u32 = 3;

/// The reason why a source does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAnswering {
    /// HTTP status 401: the source requires credentials.
    Unauthorized,
    /// Another HTTP error status, from the source or a proxy: 403, 404, 429, 5xx.
    Status(u16),
    /// No connection: DNS failed, connection refused, or no response within five seconds.
    NoAnswer(String),
}

/// The HTTP client of every stage. It is created on first use, because many commands need none.
#[derive(Clone)]
pub struct Client {
    retrying: LazyClient,
    single_attempt: LazyClient,
    on_delay: OnDelay,
}

impl Client {
    /// Returns a client that sends the credentials of `keyring`. If `offline` is set, it refuses every request. It
    /// calls `on_delay` when a request has to wait, with the URL, the name of its source if it is known, and the reason.
    #[must_use]
    pub(crate) fn new(
        offline: bool,
        keyring: Keyring,
        on_delay: impl Fn(&Url, Option<&str>, Delay) + Send + Sync + 'static,
    ) -> Self {
        let on_delay: OnDelay = Arc::new(on_delay);
        let told = Arc::clone(&on_delay);
        let other = keyring.clone();
        Self {
            retrying: LazyClient::new(move || build(offline, Some(Arc::clone(&told)), keyring.clone())),
            single_attempt: LazyClient::new(move || build(offline, None, other.clone())),
            on_delay,
        }
    }

    /// Returns the client that sends each request once.
    fn once(&self) -> &ClientWithMiddleware {
        self.single_attempt.client()
    }

    /// Reports that the request to `url` has to wait.
    fn delayed(&self, url: &Url, source: Option<&str>, delay: Delay) {
        (self.on_delay)(url, source, delay);
    }

    /// Returns the retrying client, in the form that rattler's crates need.
    #[must_use]
    pub fn lazy(&self) -> LazyClient {
        self.retrying.clone()
    }

    /// Returns the client that does not retry.
    pub(crate) fn single_attempt(&self) -> ClientWithMiddleware {
        self.single_attempt.client().clone()
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

    /// Checks whether `url` answers within [`ANSWER_TIMEOUT`]. It waits if a busy source says how long, and does not
    /// send the request again otherwise.
    ///
    /// # Errors
    /// The reason why it does not answer.
    pub async fn answers(&self, url: &str) -> Result<(), NotAnswering> {
        for _ in 0..WAITS {
            let response = self.answer(url).await?;
            match (asked_to_wait(&response), Url::parse(url)) {
                (Some(pause), Ok(url)) if pause <= LONGEST_WAIT => {
                    self.delayed(&url, None, Delay::Asked(pause));
                    tokio::time::sleep(pause).await;
                }
                _ => return status(&response),
            }
        }
        status(&self.answer(url).await?)
    }

    async fn answer(&self, url: &str) -> Result<reqwest::Response, NotAnswering> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.once().head(url).send()).await {
            Err(_) => Err(NotAnswering::NoAnswer("no response within 5 seconds".to_owned())),
            Ok(Err(error)) => Err(NotAnswering::NoAnswer(innermost(&error))),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// Waits until a busy source no longer answers 429 or 503, as long as it asks. Returns whether it answers.
    pub(crate) async fn wait_until_ready(&self, url: &str) -> bool {
        let response = self.retrying.client().head(url).send().await;
        response.is_ok_and(|response| !BUSY.contains(&response.status()))
    }
}

/// Returns the reason why a response with an HTTP error status is no answer.
fn status(response: &reqwest::Response) -> Result<(), NotAnswering> {
    match response.status().as_u16() {
        401 => Err(NotAnswering::Unauthorized),
        status @ (403 | 404 | 429 | 500..) => Err(NotAnswering::Status(status)),
        _ => Ok(()),
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
    mask::masked(&at.to_string()).into_owned()
}

/// Returns a client that sends failed requests again if `retries` is set.
fn build(offline: bool, retries: Option<OnDelay>, keyring: Keyring) -> ClientWithMiddleware {
    // The builder uses only constants, so it fails only if the operating system's root certificates cannot be loaded.
    let plain = reqwest::Client::builder()
        .user_agent(concat!("matenv/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(ANSWER_TIMEOUT)
        // After a redirect to another host, this header would show it the token in the path of the URL.
        .referer(false)
        .read_timeout(STALLED_AFTER)
        .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
        .build()
        .unwrap_or_default();
    // Without a readable store there are no credentials. A source that requires them then answers 401, which is
    // reported.
    let credentials = AuthenticationStorage::from_env_and_defaults().unwrap_or_else(|_| AuthenticationStorage::empty());
    let mut builder = ClientBuilder::new(plain);
    if offline {
        builder = builder.with_arc(Arc::new(OfflineMiddleware));
    }
    if let Some(on_delay) = retries {
        builder = builder.with(Retry { on_delay });
    }
    builder
        .with(keyring)
        .with_arc(Arc::new(AuthenticationMiddleware::from_auth_storage(credentials)))
        .build()
}
