use std::str::FromStr;

use url::Url;

use super::SourceName;
use crate::net::{Credentials, mask::masked, split};

/// The left side of a mirror: a source by name, or every URL that begins with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replaced {
    /// A named source.
    Source(SourceName),
    /// A URL prefix.
    Prefix(String),
}

/// The replacement that a mirror uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A URL (`https://`, `http://`, `file://`), without credentials. `{backend}` in it is replaced by the backend for
    /// the torch index.
    Url(String),
    /// Another source.
    Source(SourceName),
}

/// One `--mirror SOURCE=TARGET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The source or prefix that is replaced.
    pub replaced: Replaced,
    /// The replacement.
    pub target: Target,
    /// The credentials of the target.
    pub(crate) credentials: Option<(Url, Credentials)>,
}

/// An invalid mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The `=` is missing.
    #[error("invalid mirror `{0}`: expected SOURCE=TARGET")]
    NoTarget(String),
    /// The left side is neither a source nor a URL.
    #[error("`{0}` is neither a source (conda-forge, pypi, torch, nvidia) nor a URL prefix")]
    UnknownSource(String),
    /// The right side is neither a source nor a URL.
    #[error("`{0}` is neither a source (conda-forge, pypi, torch, nvidia) nor a URL")]
    UnknownTarget(String),
    /// Sources that replace each other, or a channel that is replaced by an index.
    #[error(
        "`{from}` cannot be replaced by `{to}`: one is a conda channel and the other a wheel index, or they replace each other"
    )]
    Impossible {
        /// The source to replace.
        from: SourceName,
        /// The source that replaces it.
        to: SourceName,
    },
}

impl FromStr for Mirror {
    type Err = MirrorError;

    fn from_str(text: &str) -> Result<Self, MirrorError> {
        // The prefix and the target may contain `=` in a query: split at the first `=` that is followed by a source
        // name or a URL.
        let (left, right) = text
            .match_indices('=')
            .map(|(at, _)| (&text[..at], &text[at + 1..]))
            .find(|(_, right)| right.parse::<SourceName>().is_ok() || right.contains("://"))
            .or_else(|| text.split_once('='))
            .ok_or_else(|| MirrorError::NoTarget(masked(text).into_owned()))?;
        let replaced = if let Ok(name) = left.parse() {
            Replaced::Source(name)
        } else if Url::parse(left).is_ok() && left.contains("://") {
            Replaced::Prefix(crate::net::public(left))
        } else {
            return Err(MirrorError::UnknownSource(masked(left).into_owned()));
        };
        let mut credentials = None;
        let target = if let Ok(name) = right.parse() {
            Target::Source(name)
        } else if let (Ok(url), true) = (Url::parse(right), right.contains("://")) {
            // Use the encoded form, as in every URL below it: a space in a folder name becomes `%20`.
            let (public, found) = split(&url);
            let url = public.as_str().replace("%7Bbackend%7D", "{backend}");
            credentials = found.map(|found| (public, found));
            Target::Url(url.trim_end_matches('/').to_owned())
        } else {
            return Err(MirrorError::UnknownTarget(masked(right).into_owned()));
        };
        if let (Replaced::Source(from), Target::Source(to)) = (&replaced, &target) {
            let (from, to) = (*from, *to);
            if from == to || (from == SourceName::CondaForge) != (to == SourceName::CondaForge) {
                return Err(MirrorError::Impossible { from, to });
            }
        }
        Ok(Self {
            replaced,
            target,
            credentials,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_mirrors_are_refused() {
        for bad in ["torch", "tosh=pypi", "torch=pipi", "torch=torch", "conda-forge=pypi"] {
            assert!(bad.parse::<Mirror>().is_err(), "{bad} was accepted");
        }
        assert!("https://a.example.org/x=http://127.0.0.1/y".parse::<Mirror>().is_ok());
    }
}
