//! What serves a stage: settings, one HTTP client, and where events go. It goes first in every stage's arguments.

use std::sync::Arc;

use crate::{event::Events, net::Client, settings::Settings};

/// What serves a stage.
#[derive(Debug, Clone)]
pub struct Context {
    /// What was typed and configured.
    pub settings: Arc<Settings>,
    /// The one HTTP client.
    pub client: Client,
    /// Where events go.
    pub events: Events,
}

impl Context {
    /// A context for one run.
    #[must_use]
    pub fn new(settings: Settings, events: Events) -> Self {
        let client = Client::new(&settings);
        Self {
            settings: Arc::new(settings),
            client,
            events,
        }
    }
}
