//! TOML files of ours and of users, read by one parser whose errors show the file, the line and the key.

use std::{ops::Range, path::PathBuf};

use serde::de::DeserializeOwned;

/// Where a fault in a TOML file lies, for a message with an excerpt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", path.display(), self.place())]
pub struct TomlError {
    /// The file, or `built-in: NAME`.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// Bytes of `text` at fault, where they are known.
    pub span: Option<Range<usize>>,
    /// What is wrong, naming the key.
    pub message: String,
}

impl TomlError {
    /// Line of the fault, counted from 1, where it is known.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        let start = self.span.as_ref()?.start;
        Some(self.text.get(..start)?.matches('\n').count() + 1)
    }

    fn place(&self) -> String {
        self.line().map(|line| format!(":{line}")).unwrap_or_default()
    }
}

/// A TOML file: its name and its text.
#[derive(Debug, Clone)]
pub struct TomlFile {
    /// Where it came from.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl TomlFile {
    /// A file of that name with that text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// The file as a value.
    ///
    /// # Errors
    /// Syntax, an unknown key, a wrong type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, TomlError> {
        toml::from_str(&self.text).map_err(|error| self.error(error.span(), error.message()))
    }

    /// An error in this file.
    pub fn error(&self, span: Option<Range<usize>>, message: impl Into<String>) -> TomlError {
        TomlError {
            path: self.path.clone(),
            text: self.text.clone(),
            span,
            message: message.into(),
        }
    }
}
