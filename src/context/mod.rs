//! What serves a stage: settings, one HTTP client, and where events go. It goes first in every stage's arguments.

pub mod event;
pub(crate) mod interpreters;
pub mod settings;
pub mod sources;

use std::sync::{Arc, OnceLock};

use rattler_repodata_gateway::Gateway;
use tokio::sync::{Mutex, RwLock, Semaphore};

use crate::{
    context::{event::Events, settings::Settings},
    install::Need,
    names::EnvName,
    net::Client,
};
use interpreters::Interpreters;

/// What serves a stage.
#[derive(Clone)]
pub struct Context {
    /// What was typed and configured.
    pub settings: Arc<Settings>,
    /// The one HTTP client.
    pub client: Client,
    /// Where events go.
    pub events: Events,
    /// What several environments of one run share.
    pub shared: Arc<Shared>,
}

/// What several environments of one run share, so that nothing is asked, read or fetched twice.
pub struct Shared {
    /// The conda records that were read.
    pub gateway: OnceLock<Gateway>,
    /// This machine's Pythons.
    pub interpreters: Interpreters,
    /// Held while uv is fetched or the host's Python is packed.
    pub tools: Mutex<()>,
    /// One for each probe that may run at once: each loads hundreds of megabytes of libraries, and more of them than
    /// cores would only make all of them late.
    pub probes: Semaphore,
    /// What each environment of this run takes, conda's part and the wheels': they are written side by side.
    pub promised: std::sync::Mutex<Vec<(Need, Need)>>,
    /// Whole for who wants the machine for itself, the benchmark; shared by everybody else's work.
    pub machine: RwLock<()>,
}

impl Default for Shared {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            gateway: OnceLock::default(),
            interpreters: Interpreters::default(),
            tools: Mutex::default(),
            promised: std::sync::Mutex::default(),
            probes: Semaphore::new(cores.min(4)),
            machine: RwLock::default(),
        }
    }
}

impl Context {
    /// A context for one run.
    #[must_use]
    pub fn new(settings: Settings, events: Events) -> Self {
        let client = Client::new(settings.offline);
        Self {
            settings: Arc::new(settings),
            client,
            events,
            shared: Arc::default(),
        }
    }

    /// The same context for one of several environments: its events say which.
    #[must_use]
    pub fn about(&self, env: &EnvName) -> Self {
        Self {
            events: self.events.about(env),
            ..self.clone()
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
