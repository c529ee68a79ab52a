//! The one HTTP client: TLS with the operating system's roots, proxies, credentials, retries, offline.
//!
//! In: settings. Out: [`Client`], made on first use and then shared by every stage.
//! Absent on purpose: mirrors. URLs are rewritten before they get here ([`crate::sources`]).

use std::{sync::Arc, time::Duration};

use rattler_networking::{AuthenticationMiddleware, AuthenticationStorage, LazyClient, OfflineMiddleware};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};

use crate::settings::Settings;

/// A source that sends nothing for this long does not answer (design section 4).
pub const SILENCE: Duration = Duration::from_secs(5);

/// The client of every stage; made when it is first asked for, for a no-op needs none.
#[derive(Clone)]
pub struct Client(LazyClient);

impl Client {
    /// A client as `settings` want it.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let offline = settings.offline;
        Self(LazyClient::new(move || build(offline)))
    }

    /// The client itself.
    #[must_use]
    pub fn get(&self) -> &ClientWithMiddleware {
        self.0.client()
    }

    /// The form that rattler's crates take.
    #[must_use]
    pub fn lazy(&self) -> LazyClient {
        self.0.clone()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

fn build(offline: bool) -> ClientWithMiddleware {
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
    builder
        .with(RetryTransientMiddleware::new_with_policy(
            ExponentialBackoff::builder().build_with_max_retries(2),
        ))
        .with_arc(Arc::new(AuthenticationMiddleware::from_auth_storage(credentials)))
        .build()
}
