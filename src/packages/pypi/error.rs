use std::path::{Path, PathBuf};

use super::UnsafeWheel;
use crate::{
    context::sources::SourceName, lock::WheelConflict, names::requirement::package_of, plan::Plan, process::Ended,
};

/// An error while resolving or installing wheels.
#[derive(Debug, thiserror::Error)]
pub enum PypiError {
    /// An index does not answer.
    #[error("the index `{source_name}` does not answer: {because}")]
    Unreachable {
        /// Name of the index.
        source_name: SourceName,
        /// The reason.
        because: String,
    },
    /// An index requires credentials.
    #[error("the index `{source_name}` requires credentials")]
    Unauthorized {
        /// Name of the index.
        source_name: SourceName,
    },
    /// The URL of a mirror is invalid.
    #[error("invalid URL of `{source_name}`")]
    Url {
        /// Name of the index.
        source_name: SourceName,
        /// The cause.
        #[source]
        source: url::ParseError,
    },
    /// The requirements cannot be satisfied.
    #[error("failed to resolve the wheels\n{text}")]
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
    /// A resolved version is outside the manifest's bounds.
    #[error("resolved version {version} does not satisfy `{requirement}`")]
    FloorUndercut {
        /// The requirement.
        requirement: String,
        /// The resolved version.
        version: String,
    },
    /// A planned package is missing from the result.
    #[error("`{requirement}` is missing from the resolved packages")]
    Absent {
        /// The requirement.
        requirement: String,
    },
    /// torch or torchvision is from another index, or is another build, than planned.
    #[error("`{package}` {version} is not the `{backend}` build of the index `{source_name}`")]
    WrongBackend {
        /// The package.
        package: String,
        /// The resolved version.
        version: String,
        /// The planned backend.
        backend: String,
        /// The index that should serve it.
        source_name: SourceName,
    },
    /// Two wheels conflict with each other.
    #[error(transparent)]
    Disagree(#[from] Box<WheelConflict>),
    /// The torch from PyPI is used instead, and the planned hardware cannot run that build.
    #[error("{message}")]
    TorchUnfit {
        /// Which build it is, and why the hardware cannot run it.
        message: String,
    },
    /// A file does not match its hash.
    #[error("hash mismatch in a file from the index `{source_name}`\n{text}")]
    Integrity {
        /// Name of the index.
        source_name: SourceName,
        /// uv's message: the file and both hashes.
        text: String,
    },
    /// A wheel or sdist was refused before its installation, or before anything of it ran.
    #[error(transparent)]
    UnsafePackage(Box<UnsafeWheel>),
    /// uv itself refused a wheel, before anything of it ran.
    #[error("uv refuses a package\n{text}")]
    Refused {
        /// uv's message.
        text: String,
    },
    /// A file that the index lists could not be downloaded, or only in part.
    #[error("failed to download a file from the index `{source_name}`\n{text}")]
    Fetch {
        /// Name of the index.
        source_name: SourceName,
        /// uv's message.
        text: String,
    },
    /// A file was downloaded completely but cannot be unpacked.
    #[error("a file from the index `{source_name}` is damaged\n{text}")]
    Damaged {
        /// Name of the index.
        source_name: SourceName,
        /// uv's message.
        text: String,
    },
    /// uv's cache contains changed files, which cannot be downloaded again offline.
    #[error("uv's cache {} contains changed files of {packages} that cannot be downloaded offline", folder.display())]
    AlteredOffline {
        /// The packages.
        packages: String,
        /// The cache.
        folder: PathBuf,
    },
    /// uv's cache contains changed files, and uv did not remove them.
    #[error("uv failed to remove changed files of {packages} from its cache {}: {text}", folder.display())]
    AlteredKept {
        /// The packages.
        packages: String,
        /// The cache.
        folder: PathBuf,
        /// uv's message.
        text: String,
    },
    /// The environment's Python may not be executed in this folder.
    #[error("failed to start the environment's Python\n{text}")]
    NotStartable {
        /// The environment.
        prefix: PathBuf,
        /// uv's message.
        text: String,
    },
    /// A disk error: full, over quota, read-only, broken or no permission; or too many open files.
    #[error("failed to write the wheels\n{text}")]
    Disk {
        /// uv's message.
        text: String,
    },
    /// A signal ended uv.
    #[error("uv was stopped by another process or by the system ({how})")]
    Killed {
        /// The signal.
        how: String,
    },
    /// Wheels that were in uv's cache are not there any more. The next attempt downloads them.
    #[error("uv's cache no longer contains all wheels")]
    NotCached,
    /// The output of uv is invalid.
    #[error("failed to read uv's output: {0}")]
    Answer(String),
    /// uv failed for a reason that matenv does not recognize.
    #[error("uv failed ({how})\n{text}")]
    Uv {
        /// Exit code or signal.
        how: String,
        /// The end of uv's output.
        text: String,
    },
    /// A file could not be read or written, or uv could not be started.
    #[error("failed to run uv")]
    Io(#[source] std::io::Error),
}

impl From<UnsafeWheel> for PypiError {
    fn from(error: UnsafeWheel) -> Self {
        Self::UnsafePackage(Box::new(error))
    }
}

impl PypiError {
    /// Returns whether `--offline` is the cause: something is missing from uv's cache.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        let words = ["network was disabled", "Network connectivity is disabled"];
        matches!(self, Self::Unreachable { because, .. } if words.iter().any(|word| because.contains(word)))
    }

    /// Returns whether the cause may be a damaged file in uv's cache, which is fixed by downloading it again.
    #[must_use]
    pub(crate) fn may_be_the_cache(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::Integrity { .. }
            | Self::Fetch { .. }
            | Self::Damaged { .. }
            | Self::Uv { .. } => true,
            Self::Unreachable { .. }
            | Self::Unauthorized { .. }
            | Self::Url { .. }
            | Self::ExtraMissing { .. }
            | Self::FloorUndercut { .. }
            | Self::Absent { .. }
            | Self::WrongBackend { .. }
            | Self::Disagree(_)
            | Self::TorchUnfit { .. }
            | Self::AlteredOffline { .. }
            | Self::AlteredKept { .. }
            | Self::NotStartable { .. }
            | Self::Disk { .. }
            | Self::Killed { .. }
            | Self::NotCached
            | Self::UnsafePackage(_)
            | Self::Refused { .. }
            | Self::Answer(_)
            | Self::Io(_) => false,
        }
    }

    /// Returns the error with the source of the file that uv names, because uv itself does not name the index.
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
                .find(|wanted| subject.is_some() && package_of(&wanted.requirement) == subject);
            // A package that the plan does not name comes from PyPI: the other indexes serve only named packages.
            *source_name = asked.map_or(SourceName::Pypi, |wanted| wanted.source);
        }
        self
    }

    /// Returns the error for a failed run of uv, chosen by uv's standard error.
    pub(super) fn of_uv(prefix: &Path, ended: &Ended) -> Self {
        // What it printed before is not the cause.
        if ended.was_killed() {
            return Self::Killed { how: ended.how() };
        }
        Self::of_output(prefix, ended.how(), &ended.stderr)
    }

    fn of_output(prefix: &Path, how: String, stderr: &str) -> Self {
        let text = end_of_output(stderr);
        // The default, until `about` finds another.
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
            "Input/output error",
            "Too many open files",
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
            "429 Too Many Requests",
            "too many redirects",
            // After ten redirects, uv takes the next one for the page.
            "Missing `Content-Type` header",
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
        } else if says(&[
            "Script path must resolve to a file within",
            "Scripts must not use the reserved name",
            "Unknown wheel data type",
            "unsafe member path",
            "unsafe symbolic-link target",
            "unsafe hard-link target",
            "cannot extract unsupported member type",
        ]) {
            Self::Refused { text }
        } else if says(&["Failed to extract archive"]) {
            Self::Damaged { source_name, text }
        } else if says(&["No solution found", "unsatisfiable", "was not found in the"]) {
            Self::Conflict { text }
        } else {
            Self::Uv { how, text }
        }
    }
}

/// Returns the end of uv's output, without its progress lines.
fn end_of_output(stderr: &str) -> String {
    let from = stderr
        .lines()
        .position(|line| line.trim_start().starts_with('×') || line.trim_start().starts_with("error:"));
    let lines: Vec<&str> = stderr.lines().collect();
    let start = from.unwrap_or_else(|| lines.len().saturating_sub(20));
    lines[start..].join("\n").trim_end().to_owned()
}

/// Returns the package that uv's message is about, which is the one it names first: ``torch @ URL`` or
/// ``demo-app==2.0`` in quotes, the URL of a file, or the URL of a page.
fn subject(text: &str) -> Option<String> {
    let before_url = text.find("://").unwrap_or(text.len());
    let named = match text.find('`') {
        Some(quote) if quote < before_url => text[quote..].split('`').nth(1)?,
        _ => text.split_whitespace().find(|word| word.contains("://"))?,
    };
    let last = named.trim_end_matches('/').rsplit('/').next()?;
    let name = match last.split_once("==") {
        Some((name, _)) => name,
        // A file name begins with the package name, which contains no `-` there.
        None if named.contains('/') => last.split('-').next()?,
        None => last,
    };
    Some(name.replace('_', "-").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: a busy index was exit code 3, and a broken disk or too many open files were exit code 4.
    #[test]
    fn the_kind_of_an_error_follows_uvs_words() {
        let kind = |text: &str| PypiError::of_output(Path::new("/p"), "exit code 1".to_owned(), text);
        for text in [
            "error: failed to open file `/c/x`: Input/output error (os error 5)",
            "error: failed to open file `/c/x`: Too many open files (os error 24)",
        ] {
            assert!(matches!(kind(text), PypiError::Disk { .. }), "{text}");
        }
        for text in [
            "cause: HTTP status client error (429 Too Many Requests) for url (http://a.b/simple/x/)",
            "cause: error following redirect for url (http://a.b/x)\n  cause: too many redirects",
            "error: Missing `Content-Type` header for `http://a.b/simple/x/?again`",
        ] {
            assert!(matches!(kind(text), PypiError::Unreachable { .. }), "{text}");
        }
    }

    #[test]
    fn the_subject_of_a_uv_message_is_the_first_name_in_it() {
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
