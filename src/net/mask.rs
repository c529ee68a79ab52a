//! Hides credentials in texts that other programs and libraries made: logs, error messages, the output of uv.
//!
//! Two ways, because each misses something: the secrets that [`hide`] was told of, wherever they are, and everything in
//! a text that looks like the credentials of a URL.

use std::{
    borrow::Cow,
    io::Write,
    sync::{PoisonError, RwLock},
};

/// Replaces a secret.
const MASK: &str = "****";

/// Shorter secrets are common words, and would be hidden in unrelated texts. They are still hidden in URLs.
const SHORTEST: usize = 5;

/// The secrets of this process, the longest first, so that no part of one stays.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Hides a secret in all later output.
pub(crate) fn hide(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    if !secrets.iter().any(|known| known == secret) {
        secrets.push(secret.to_owned());
        secrets.sort_by_key(|known| std::cmp::Reverse(known.len()));
    }
}

/// Returns `text` with `****` instead of each credential.
#[must_use]
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    replace(text, |_| MASK.to_owned())
}

/// Like [`masked`], but each byte becomes one `*`, so that positions in the text stay right.
#[must_use]
pub(crate) fn masked_in_place(text: &str) -> String {
    replace(text, |secret| "*".repeat(secret.len())).into_owned()
}

fn replace(text: &str, mask: impl Fn(&str) -> String) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for secret in SECRETS.read().unwrap_or_else(PoisonError::into_inner).iter() {
        if masked.contains(secret.as_str()) {
            masked = Cow::Owned(masked.replace(secret.as_str(), &mask(secret)));
        }
    }
    let places = places(&masked);
    if places.is_empty() {
        return masked;
    }
    let mut out = String::with_capacity(masked.len());
    let mut written = 0;
    for (from, to) in places {
        if from < written {
            continue;
        }
        out.push_str(&masked[written..from]);
        let secret = &masked[from..to];
        // A value that is already hidden keeps its form.
        let is_hidden = secret.bytes().all(|byte| byte == b'*');
        out.push_str(&if is_hidden { secret.to_owned() } else { mask(secret) });
        written = to;
    }
    out.push_str(&masked[written..]);
    Cow::Owned(out)
}

/// The keys whose values are hidden, in a query or in a configuration file.
const SECRET_KEYS: [&str; 6] = ["password", "passwd", "token", "secret", "api_key", "signature"];

/// Finds what looks like credentials, in order.
fn places(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (start, end) in words(text) {
        let part = &text[start..end];
        if let Some((from, at)) = user_part(part) {
            found.push((start + from, start + at));
        }
        if let Some(at) = part.find("/t/")
            && part[..at].contains("//")
            && !part[..at].contains("file://")
        {
            let from = at + 3;
            let to = part[from..].find('/').map_or(part.len(), |slash| from + slash);
            if to > from {
                found.push((start + from, start + to));
            }
        }
    }
    let lower = text.to_ascii_lowercase();
    for key in SECRET_KEYS {
        for (at, _) in lower.match_indices(key) {
            let after = &text[at + key.len()..];
            let value = after.trim_start_matches(['"', '\'']).trim_start();
            let Some(value) = value.strip_prefix('=') else { continue };
            let value = value.trim_start().trim_start_matches(['"', '\'']);
            let from = text.len() - value.len();
            let to = from
                + value
                    .find(|c: char| c.is_whitespace() || "\"'&".contains(c))
                    .unwrap_or(value.len());
            if to > from {
                found.push((from, to));
            }
        }
    }
    found.sort_unstable();
    found
}

/// Returns the range of user name and password in a word.
fn user_part(word: &str) -> Option<(usize, usize)> {
    let at = word.rfind('@')?;
    let before = &word[..at];
    let Some(slashes) = before.find("//") else {
        // Perhaps a URL with a typo: hide a pair, but not `git@example.org:a/b@v1`.
        let from = before.rfind('=').map_or(0, |equals| equals + 1);
        let is_pair = before.contains(':') && !before.contains('@');
        return (is_pair && from < at).then_some((from, at));
    };
    let from = slashes + 2;
    let user = &before[from..];
    // A `/` is in a password, or it ends the host in `https://example.org:80/a@v1`.
    let is_host = user.split_once('/').is_some_and(|(host, _)| {
        host.split_once(':')
            .is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
    });
    (!user.is_empty() && user != "git" && !is_host).then_some((from, at))
}

/// Returns the ranges between white space and quotes.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if character.is_whitespace() || "\"'`<>(),".contains(character) {
            if at > start {
                words.push((start, at));
            }
            start = at + character.len_utf8();
        }
    }
    if text.len() > start {
        words.push((start, text.len()));
    }
    words
}

/// A writer that hides credentials. Each call must pass whole lines, as the writers of logs do.
pub(crate) struct Masked<W>(pub(crate) W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(masked(text).as_bytes())?,
            Err(_) => self.0.write_all(masked(&String::from_utf8_lossy(bytes)).as_bytes())?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_urls_are_hidden() {
        for (text, hidden) in [
            (
                "GET https://u:pw@h.example.org/x?a=1",
                "GET https://****@h.example.org/x?a=1",
            ),
            ("'pypi=http:/u:pw@h/simple'", "'pypi=****@h/simple'"),
            ("https://tok@h.example.org", "https://****@h.example.org"),
            ("https://u:p/w@h.example.org/a", "https://****@h.example.org/a"),
            (
                "see https://h.example.org/t/tk-1/lab",
                "see https://h.example.org/t/****/lab",
            ),
            ("pypi = \"https://u:pw@h", "pypi = \"https://****@h"),
            ("password = \"pw\"", "password = \"****\""),
            ("https://h/a?token=xyz&b=1", "https://h/a?token=****&b=1"),
            ("git@example.org:a/b@v1", "git@example.org:a/b@v1"),
            ("https://example.org:80/a/b@v4.2", "https://example.org:80/a/b@v4.2"),
            ("ssh://git@example.org/a", "ssh://git@example.org/a"),
            ("torch@2.1 and a@b", "torch@2.1 and a@b"),
            ("/srv/t/data/x", "/srv/t/data/x"),
            ("file:///srv/t/data/x", "file:///srv/t/data/x"),
            ("tokens and passwords", "tokens and passwords"),
        ] {
            assert_eq!(masked(text), hidden);
            assert_eq!(masked_in_place(text).len(), text.len());
        }
    }

    #[test]
    fn known_secrets_are_hidden_everywhere() {
        hide("s3cr3t-of-this-test");
        assert_eq!(masked("a s3cr3t-of-this-test b"), "a **** b");
        let mut out = Vec::new();
        Masked(&mut out).write_all(b"x=s3cr3t-of-this-test\n").expect("written");
        assert_eq!(out, b"x=****\n");
    }
}
