//! One parser for built-in and user TOML files. Its errors show the file, the line and the key.

use std::{ops::Range, path::PathBuf};

use serde::de::DeserializeOwned;

/// An error in a TOML file, with its position for an excerpt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", path.display(), self.place())]
pub struct TomlError {
    /// The file, or `built-in: NAME`.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// Byte range of the error in `text`, if known.
    pub span: Option<Range<usize>>,
    /// The error message, with the key.
    pub message: String,
}

impl TomlError {
    /// Returns the line of the error, counted from 1, if known.
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
    /// The file's path, or `built-in: NAME`.
    pub path: PathBuf,
    /// The file's text.
    pub text: String,
}

impl TomlFile {
    /// Creates a file from its path and its text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// Parses the file into a value.
    ///
    /// # Errors
    /// Fails on invalid syntax, an unknown key or a wrong type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, TomlError> {
        toml::from_str(&self.text).map_err(|error| self.error(error.span(), error.message()))
    }

    /// Creates an error in this file.
    pub fn error(&self, span: Option<Range<usize>>, message: impl Into<String>) -> TomlError {
        TomlError {
            path: self.path.clone(),
            text: self.text.clone(),
            span,
            message: message.into(),
        }
    }
}
