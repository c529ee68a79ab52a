//! The context of a stage: settings, one HTTP client and the event sender. It is the first argument of every stage.

mod delay;
pub mod event;
pub(crate) mod interpreters;
pub mod settings;
#[cfg(test)]
pub(crate) mod skip;
pub mod sources;
mod user;

pub use user::user_name;

use std::sync::{Arc, OnceLock};

use rattler_repodata_gateway::Gateway;
use tokio::sync::{Mutex, RwLock, Semaphore};

use crate::{
    context::{delay::Delays, event::Events, settings::Settings},
    files::Need,
    names::EnvName,
    net::Client,
};
use interpreters::Interpreters;

/// The context of a stage.
#[derive(Clone)]
pub struct Context {
    /// The settings of this run.
    pub settings: Arc<Settings>,
    /// The one HTTP client.
    pub client: Client,
    /// The event sender.
    pub events: Events,
    /// State that the environments of one run share.
    pub shared: Arc<Shared>,
}

/// State that the environments of one run share, so that nothing is requested, read or downloaded twice.
pub struct Shared {
    /// The conda records that were already read.
    pub gateway: OnceLock<Gateway>,
    /// The Python interpreters of this machine.
    pub interpreters: Interpreters,
    /// Held while uv is downloaded or the host's Python is packed.
    pub tools: Mutex<()>,
    /// Set when the downloaded uv was compared with its recorded hash.
    pub checked_uv: OnceLock<()>,
    /// Limits the probes that run at once: each loads hundreds of megabytes of libraries, and more probes than cores
    /// would only delay all of them.
    pub probes: Semaphore,
    /// Disk space that each environment of this run needs, for its conda packages and its wheels, as several
    /// are written at once.
    pub reserved: std::sync::Mutex<Vec<(Need, Need)>>,
    /// Locked exclusively by a benchmark, which needs the whole machine, and shared by all other work.
    pub exclusive: RwLock<()>,
}

impl Default for Shared {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            gateway: OnceLock::default(),
            interpreters: Interpreters::default(),
            tools: Mutex::default(),
            checked_uv: OnceLock::default(),
            reserved: std::sync::Mutex::default(),
            probes: Semaphore::new(cores.min(4)),
            exclusive: RwLock::default(),
        }
    }
}

impl Context {
    /// Creates the context of one run.
    #[must_use]
    pub fn new(settings: Settings, events: Events) -> Self {
        let delays = Delays::new(events.clone(), settings.sources.clone());
        let keyring = settings.sources.keyring();
        let client = Client::new(settings.offline, keyring, move |url, source, delay| {
            delays.show(url, source, delay);
        });
        Self {
            settings: Arc::new(settings),
            client,
            events,
            shared: Arc::default(),
        }
    }

    /// Returns the same context for one of several environments. Its events carry the environment's name.
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
