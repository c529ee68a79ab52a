//! Sends a request again if that may help, and waits as long as a busy source asks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{Request, Response, StatusCode, header};
use reqwest_middleware::{Middleware, Next};
use reqwest_retry::{DefaultRetryableStrategy, Retryable, RetryableStrategy as _};
use url::Url;

/// The HTTP statuses of a source that has too much to do.
pub(super) const BUSY: [StatusCode; 2] = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
/// A connection on which nothing arrives for this long counts as stalled.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(30);
/// The longest single wait that a source may ask for.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(2);
/// The longest time that one request waits altogether.
const LONGEST_SUM: Duration = Duration::from_mins(5);
/// Number of times that a request is sent again if the source does not say when.
const TRIES: u32 = 3;
/// Number of times that a request is sent again if the source says when.
const TRIES_IF_ASKED: u32 = 8;

/// The reason why a command waits for a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// The source answered 429 or 503, and asked to wait.
    Asked(Duration),
    /// The source sent nothing for [`STALLED_AFTER`]. The request is sent again.
    Stalled,
    /// The connection was cut. The download continues where it stopped.
    Cut,
}

/// Receives the delays of all requests, with the URL that each is about, and the name of its source if it is known.
pub(crate) type OnDelay = Arc<dyn Fn(&Url, Option<&str>, Delay) + Send + Sync>;

/// Middleware that sends failed requests again.
pub(super) struct Retry {
    pub(super) on_delay: OnDelay,
}

#[async_trait::async_trait]
impl Middleware for Retry {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let url = request.url().clone();
        let started = Instant::now();
        let mut tries = 0;
        loop {
            // Only a streamed body cannot be sent twice, and no request has one.
            let Some(again) = request.try_clone() else {
                return next.run(request, extensions).await;
            };
            let sent = Instant::now();
            let result = next.clone().run(again, extensions).await;
            let asked = result.as_ref().ok().and_then(asked_to_wait);
            let Some(pause) = pause(&result, asked, tries) else {
                return result;
            };
            if started.elapsed() + pause > LONGEST_SUM {
                return result;
            }
            tries += 1;
            if asked.is_some() {
                (self.on_delay)(&url, None, Delay::Asked(pause));
            } else if result.is_err_and(|error| error.is_timeout()) && sent.elapsed() >= STALLED_AFTER {
                (self.on_delay)(&url, None, Delay::Stalled);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Returns how long to wait before the request is sent again, or `None` if it should not be.
fn pause(result: &reqwest_middleware::Result<Response>, asked: Option<Duration>, tries: u32) -> Option<Duration> {
    if !matches!(DefaultRetryableStrategy.handle(result), Some(Retryable::Transient)) {
        return None;
    }
    match asked {
        Some(asked) => (asked <= LONGEST_WAIT && tries < TRIES_IF_ASKED).then_some(asked),
        None => (tries < TRIES).then(|| backoff(tries)),
    }
}

/// Returns the pause before the next attempt: 1, 2, 4, 8 and at most 16 seconds.
pub(super) fn backoff(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(4))
}

/// Returns how long a busy source asks to wait (status 429 or 503 with `Retry-After`), at least one second.
pub(super) fn asked_to_wait(response: &Response) -> Option<Duration> {
    if !BUSY.contains(&response.status()) {
        return None;
    }
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    retry_after(text, Timestamp::now())
}

/// Returns the wait of a `Retry-After` header: a number of seconds, or the date until which to wait.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let seconds = if let Ok(seconds) = text.trim().parse::<u64>() {
        seconds
    } else {
        let until = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
        // A date in the past means that the wait is over.
        u64::try_from(until.as_second() - now.as_second()).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_or_a_date() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().expect("a time");
        for (text, seconds) in [
            ("20", Some(20)),
            (" 0 ", Some(1)),
            ("Sun, 29 Nov 2026 12:00:45 GMT", Some(45)),
            ("Sun, 29 Nov 2026 11:00:00 GMT", Some(1)),
            ("soon", None),
            ("-5", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(text, now), expected, "{text}");
        }
    }

    #[test]
    fn the_pause_grows_up_to_a_ceiling() {
        let pauses: Vec<u64> = (0..7).map(|tries| backoff(tries).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 16, 16]);
    }
}
