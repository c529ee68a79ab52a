use std::path::{Path, PathBuf};

use super::check::name_of;
use crate::lock::Disagreement;
use crate::{context::sources::SourceName, plan::Plan};

/// Why the wheels could not be resolved or installed.
#[derive(Debug, thiserror::Error)]
pub enum PypiError {
    /// An index does not answer.
    #[error("the index `{source_name}` does not answer: {because}")]
    Unreachable {
        /// Which one.
        source_name: SourceName,
        /// What was seen.
        because: String,
    },
    /// An index wants credentials.
    #[error("the index `{source_name}` wants credentials")]
    Unauthorized {
        /// Which one.
        source_name: SourceName,
    },
    /// A mirror's URL cannot be used.
    #[error("the URL of `{source_name}` cannot be used")]
    Url {
        /// Which one.
        source_name: SourceName,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// The requirements cannot be satisfied.
    #[error("wheels cannot be resolved\n{text}")]
    Conflict {
        /// uv's explanation.
        text: String,
    },
    /// The resolved release has no such extra.
    #[error("`{package}` {version} has no extra `{extra}`")]
    ExtraMissing {
        /// The package.
        package: String,
        /// The release that was chosen.
        version: String,
        /// The extra.
        extra: String,
    },
    /// A bound of the manifest does not hold.
    #[error("`{requirement}` does not hold: the index gave {version}")]
    FloorUndercut {
        /// The requirement.
        requirement: String,
        /// What was chosen.
        version: String,
    },
    /// A planned package is not among the result.
    #[error("`{requirement}` is not among what was resolved")]
    Absent {
        /// The requirement.
        requirement: String,
    },
    /// torch or torchvision come from another index or another build than planned.
    #[error("`{package}` {version} is not the `{backend}` build of the index `{source_name}`")]
    WrongBackend {
        /// The package.
        package: String,
        /// What was chosen.
        version: String,
        /// What was planned.
        backend: String,
        /// The index that was to serve it.
        source_name: SourceName,
    },
    /// Wheels that contradict each other.
    #[error(transparent)]
    Disagree(#[from] Box<Disagreement>),
    /// PyPI's torch stands in, and the planned machine does not run its build.
    #[error("{message}")]
    TorchUnfit {
        /// Which build it is, and why not.
        message: String,
    },
    /// A file is not what the index says it is.
    #[error("a file from the index `{source_name}` is not what its hash says\n{text}")]
    Integrity {
        /// Which one.
        source_name: SourceName,
        /// uv's words: the file, both hashes.
        text: String,
    },
    /// A file that the index lists could not be fetched, or not to its end.
    #[error("a file from the index `{source_name}` cannot be fetched\n{text}")]
    Fetch {
        /// Which one.
        source_name: SourceName,
        /// uv's words.
        text: String,
    },
    /// A file came whole and cannot be unpacked.
    #[error("a file from the index `{source_name}` is damaged\n{text}")]
    Damaged {
        /// Which one.
        source_name: SourceName,
        /// uv's words.
        text: String,
    },
    /// uv's cache holds changed files, and without a network they cannot be fetched again.
    #[error("uv's cache {} holds changed files of {packages}, and offline they cannot be fetched again", folder.display())]
    AlteredOffline {
        /// The packages.
        packages: String,
        /// The cache.
        folder: PathBuf,
    },
    /// uv's cache holds changed files, and uv did not remove them.
    #[error("uv cannot remove changed files of {packages} from its cache {}: {text}", folder.display())]
    AlteredKept {
        /// The packages.
        packages: String,
        /// The cache.
        folder: PathBuf,
        /// What uv said.
        text: String,
    },
    /// The environment's own Python may not run where it lies.
    #[error("the environment's Python cannot be started\n{text}")]
    NotStartable {
        /// The environment.
        prefix: PathBuf,
        /// uv's words.
        text: String,
    },
    /// The disk is in the way.
    #[error("the wheels cannot be written\n{text}")]
    Disk {
        /// uv's words.
        text: String,
    },
    /// uv's answer makes no sense.
    #[error("uv's answer cannot be read: {0}")]
    Answer(String),
    /// uv failed in a way that has no name here.
    #[error("uv failed ({how})\n{text}")]
    Uv {
        /// Exit code or signal.
        how: String,
        /// Its last words.
        text: String,
    },
    /// A file could not be read or written, or uv not be started.
    #[error("cannot run uv")]
    Io(#[source] std::io::Error),
}

impl PypiError {
    /// Whether it lies at `--offline`: uv's cache lacks something.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        let words = ["network was disabled", "Network connectivity is disabled"];
        matches!(self, Self::Unreachable { because, .. } if words.iter().any(|word| because.contains(word)))
    }

    /// The same with the source of the file that uv names, for uv itself does not say which index it is about.
    pub(super) fn about(mut self, plan: &Plan) -> Self {
        if let Self::Unreachable {
            source_name,
            because: text,
        }
        | Self::Integrity { source_name, text }
        | Self::Fetch { source_name, text }
        | Self::Damaged { source_name, text } = &mut self
        {
            let subject = subject(text);
            let asked = plan
                .requirements
                .iter()
                .find(|wanted| subject.is_some() && name_of(&wanted.requirement) == subject);
            // What nobody asked for by name comes from PyPI: the other indexes are asked for named packages only.
            *source_name = asked.map_or(SourceName::Pypi, |wanted| wanted.source);
        }
        self
    }

    /// Sort a failed run of uv by what it said.
    pub(super) fn of_uv(prefix: &Path, how: String, stderr: &str) -> Self {
        let text = last_words(stderr);
        // Until `about` finds another.
        let source_name = SourceName::Pypi;
        let says = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
        if says(&["Hash mismatch", "hash mismatch", "Hash-checking is enabled"]) {
            Self::Integrity { source_name, text }
        } else if says(&["Failed to query Python interpreter at `"]) && says(&["Permission denied"]) {
            let prefix = prefix.to_owned();
            Self::NotStartable { prefix, text }
        } else if says(&[
            "No space left",
            "Disk quota exceeded",
            "Read-only file system",
            "Permission denied",
        ]) {
            Self::Disk { text }
        } else if says(&["401 Unauthorized", "lacking valid authentication"]) && !says(&["was not found"]) {
            Self::Unauthorized { source_name }
        } else if says(&[
            "error sending request",
            "Could not connect",
            "dns error",
            "Connection refused",
            "operation timed out",
            "Failed to download distribution due to network timeout",
            "HTTP status server error",
            "403 Forbidden",
            "network was disabled",
            "Network connectivity is disabled",
        ]) {
            Self::Unreachable {
                source_name,
                because: text,
            }
        } else if says(&[
            "error decoding response body",
            "Connection reset",
            "HTTP status client error (404",
        ]) {
            Self::Fetch { source_name, text }
        } else if says(&["Failed to extract archive"]) {
            Self::Damaged { source_name, text }
        } else if says(&["No solution found", "unsatisfiable", "was not found in the"]) {
            Self::Conflict { text }
        } else {
            Self::Uv { how, text }
        }
    }
}

/// What uv said at the end, without its progress.
fn last_words(stderr: &str) -> String {
    let from = stderr
        .lines()
        .position(|line| line.trim_start().starts_with('×') || line.trim_start().starts_with("error:"));
    let lines: Vec<&str> = stderr.lines().collect();
    let start = from.unwrap_or_else(|| lines.len().saturating_sub(20));
    lines[start..].join("\n").trim_end().to_owned()
}

/// The package that uv's words are about, which is what they name first: ``torch @ URL`` or ``demo-app==2.0`` in quotes, a
/// file's URL, or a page's.
fn subject(text: &str) -> Option<String> {
    let before_url = text.find("://").unwrap_or(text.len());
    let named = match text.find('`') {
        Some(quote) if quote < before_url => text[quote..].split('`').nth(1)?,
        _ => text.split_whitespace().find(|word| word.contains("://"))?,
    };
    let last = named.trim_end_matches('/').rsplit('/').next()?;
    let name = match last.split_once("==") {
        Some((name, _)) => name,
        // A file's name begins with the package's, which has no `-` in it there.
        None if named.contains('/') => last.split('-').next()?,
        None => last,
    };
    Some(name.replace('_', "-").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uv_is_about_is_what_it_quotes_first() {
        for (text, name) in [
            (
                "error: Failed to download `torch @ https://a.b/whl/cu130/torch-2.12.1%2Bcu130-cp313-cp313-linux_x86_64.whl`\n  \
                 cause: Hash mismatch",
                "torch",
            ),
            (
                "× Failed to download `demo-app==2.0`\n  cause: Failed to extract archive",
                "demo-app",
            ),
            (
                "error: Failed to fetch: https://pypi.nvidia.com/tensorrt-cu13-libs/tensorrt_cu13_libs-10.16.1.11-py2.py3-none-\
                 manylinux_2_28_x86_64.whl",
                "tensorrt-cu13-libs",
            ),
            ("error: Failed to fetch: https://a.b/whl/cu130/torch/", "torch"),
            (
                "× Failed to download `sympy==1.14.0`\n  help: `sympy` (v1.14.0) was included because `torch` (v2.12.1) depends on it",
                "sympy",
            ),
        ] {
            assert_eq!(subject(text).as_deref(), Some(name), "{text}");
        }
        let fetch =
            "error: Failed to fetch: http://a.b/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl.metadata\n  cause: `x`";
        assert_eq!(subject(fetch).as_deref(), Some("torch"));
        assert_eq!(subject("error: network was disabled"), None);
    }
}
