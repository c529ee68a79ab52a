//! Reports on the terminal which source a command waits for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use url::Url;

use super::{event::Events, sources::Sources};
use crate::net::{Delay, STALLED_AFTER};

/// The same message is shown at most once in this time: requests to a source are often delayed together.
const ONCE_IN: Duration = Duration::from_secs(10);

/// Shows delays as warnings.
pub(super) struct Delays {
    events: Events,
    sources: Sources,
    shown: Mutex<BTreeMap<String, Instant>>,
}

impl Delays {
    pub(super) fn new(events: Events, sources: Sources) -> Self {
        Self {
            events,
            sources,
            shown: Mutex::default(),
        }
    }

    /// Shows that a request to `url` has to wait, unless the same was shown just now.
    pub(super) fn show(&self, url: &Url, source: Option<&str>, delay: Delay) {
        let source = source.map_or_else(|| place(&self.sources, url), |name| format!("the source `{name}`"));
        let (text, key) = match delay {
            Delay::Asked(pause) => (format!("{source} asks to wait {} s: waiting", pause.as_secs()), "asks"),
            Delay::Stalled => (
                format!("{source} sent nothing for {} s: trying again", STALLED_AFTER.as_secs()),
                "stalled",
            ),
            Delay::Cut => (
                format!("the connection to {source} was cut: continuing the download"),
                "cut",
            ),
        };
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let last = shown.insert(format!("{source} {key}"), now);
        if last.is_none_or(|last| now.duration_since(last) >= ONCE_IN) {
            self.events.warn(text);
        } else {
            tracing::debug!("{text}");
        }
    }
}

/// Returns the name of the source that `url` belongs to, or else the name of its host.
fn place(sources: &Sources, url: &Url) -> String {
    let hidden = sources.hide(url.as_str());
    match hidden.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((name, _)) => format!("the source `{name}`"),
        // The prefix of a mirror was replaced by the original one.
        None => match Url::parse(&hidden).ok().as_ref().and_then(Url::host_str) {
            Some(host) => format!("`{host}`"),
            None => "the source".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::context::event::Event;

    #[test]
    fn a_delay_names_the_source_and_not_its_mirror_and_is_shown_once() {
        let mirrors = [
            "pypi=http://127.0.0.1:1/simple",
            "https://a.example.org=http://127.0.0.1:2/files",
        ];
        let mirrors = mirrors.map(|text| text.parse().expect("a mirror"));
        let texts: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&texts);
        let events = Events::new(move |_, event| {
            if let Event::Warning { text } = event {
                seen.lock().expect("no panic").push(text);
            }
        });
        let delays = Delays::new(events, Sources::new(mirrors.to_vec(), None));
        let asked = Delay::Asked(Duration::from_secs(20));
        for (url, delay) in [
            ("http://127.0.0.1:1/simple/torch/", asked),
            ("http://127.0.0.1:1/simple/numpy/", asked),
            ("http://127.0.0.1:2/files/x.whl", Delay::Stalled),
            ("https://user:secret@b.example.org/x.whl", Delay::Cut),
        ] {
            delays.show(&url.parse().expect("a URL"), None, delay);
        }
        assert_eq!(
            *texts.lock().expect("no panic"),
            [
                "the source `pypi` asks to wait 20 s: waiting",
                "`a.example.org` sent nothing for 30 s: trying again",
                "the connection to `b.example.org` was cut: continuing the download",
            ]
        );
    }
}
