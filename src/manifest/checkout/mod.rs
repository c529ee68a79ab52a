//! Installs a program from a folder or a git repository instead of a released wheel.
//!
//! Input: `--source ENV=PATH` or `ENV=URL[@REV]`, and the manifest's description of the source tree. Output: a
//! [`Checkout`] for the plan. A folder is used in place and installed editable. A repository is cloned below
//! `MATENV_HOME/src`, with one folder per commit, so that an older generation keeps its files.

mod git;
mod tree;

pub(crate) use tree::Kind;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    context::Context,
    manifest::Manifest,
    names::{EnvName, ProfileName},
};

/// A requested program source: the value of `--source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Name of the manifest that installs the program.
    pub env: EnvName,
    /// The folder or repository.
    pub place: Place,
}

/// The location of a program's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A local folder.
    Folder(PathBuf),
    /// A git repository.
    Git {
        /// The URL that git clones.
        url: String,
        /// A branch, tag or commit. `None` means the default branch of the repository.
        rev: Option<String>,
    },
}

/// An invalid `--source`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    /// The `=` is missing, or one side of it is empty.
    #[error("invalid source `{0}`: expected ENV=FOLDER or ENV=URL[@REV]")]
    NoPlace(String),
    /// A program would read the URL or the revision as an option.
    #[error("invalid source `{0}`: a URL or a revision cannot start with `-`")]
    Option(String),
    /// The left side is not a valid environment name.
    #[error(transparent)]
    Name(#[from] crate::names::InvalidName),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let no_place = || SourceError::NoPlace(text.to_owned());
        let (env, place) = text.split_once('=').ok_or_else(no_place)?;
        if env.is_empty() || place.is_empty() {
            return Err(no_place());
        }
        let place = Place::from(place);
        if let Place::Git { url, rev } = &place
            && [Some(url), rev.as_ref()]
                .into_iter()
                .flatten()
                .any(|word| word.starts_with('-'))
        {
            return Err(SourceError::Option(text.to_owned()));
        }
        Ok(Self {
            env: env.parse()?,
            place,
        })
    }
}

impl From<&str> for Place {
    /// Parses `URL[@REV]` if the text looks like a git URL (`https://…`, `file://…`, `git@host:path`), else a folder.
    fn from(text: &str) -> Self {
        let path_starts = match text.split_once("://") {
            Some((scheme, rest)) => rest.find('/').map(|slash| scheme.len() + 3 + slash),
            // git@host:path, but not C:\path
            None => text
                .split_once(':')
                .filter(|(host, _)| host.contains('@') && !host.contains(['/', '\\']))
                .map(|(host, _)| host.len()),
        };
        let Some(path_starts) = path_starts else {
            return Self::Folder(text.into());
        };
        let (before, path) = text.split_at(path_starts);
        let (path, rev) = match path.rsplit_once('@') {
            Some((path, rev)) if !rev.is_empty() => (path, Some(rev.to_owned())),
            _ => (path, None),
        };
        Self::Git {
            url: format!("{before}{path}"),
            rev,
        }
    }
}

/// A program's source on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkout {
    /// The distribution that it replaces.
    pub package: String,
    /// Path of the folder.
    pub path: PathBuf,
    /// The folder, or the URL of the repository without credentials.
    pub origin: String,
    /// Whether it is installed editable: the environment runs the files in the folder, with all later changes.
    pub editable: bool,
    /// The commit; `None` if the folder is not a git repository.
    pub commit: Option<String>,
    /// Whether files under version control differ from the commit.
    pub dirty: bool,
    /// How it is installed and started.
    pub kind: Kind,
}

impl Checkout {
    /// Returns the value for `--source ENV=` that gives the same source again.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.commit {
            Some(commit) if !self.editable => format!("{}@{commit}", self.origin),
            _ => self.origin.clone(),
        }
    }

    /// Returns whether uv builds and installs it.
    #[must_use]
    pub fn is_project(&self) -> bool {
        matches!(self.kind, Kind::Project { .. })
    }

    /// Returns the values that determine which packages are installed. The commit of an editable folder is not
    /// included, because its files may change.
    #[must_use]
    pub fn identity(&self) -> impl Serialize + '_ {
        let commit = self.commit.as_ref().filter(|_| !self.editable);
        (&self.package, &self.path, commit, &self.kind)
    }
}

impl fmt::Display for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(commit) = &self.commit {
            write!(f, " at {}", &commit[..commit.len().min(12)])?;
        }
        if self.dirty {
            f.write_str(" with changes")?;
        }
        Ok(())
    }
}

/// An error while getting a program's source.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The source is for an environment that is not being installed.
    #[error("`{env}` is not among the environments to install")]
    NotAsked {
        /// The environment.
        env: EnvName,
    },
    /// The manifest does not declare how to install its program from source.
    #[error("the manifest `{env}` does not declare how to install its program from source")]
    NotDeclared {
        /// The manifest.
        env: EnvName,
    },
    /// The folder does not exist.
    #[error("{} is not a folder", path.display())]
    NoFolder {
        /// The given path.
        path: PathBuf,
    },
    /// The folder contains neither the project nor its scripts.
    #[error("{} does not contain `{package}`: {because}", path.display())]
    NotTheProgram {
        /// The examined folder.
        path: PathBuf,
        /// The expected distribution.
        package: String,
        /// The missing or different part.
        because: String,
    },
    /// A requirements file has an invalid line.
    #[error("{}:{line}: {because}", path.display())]
    Requirements {
        /// The file.
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        /// The problem.
        because: String,
    },
    /// The URL contains credentials, which would be visible in process lists and in the clone's configuration.
    #[error("the URL given for {url} contains a password or a token")]
    Credentials {
        /// The URL without credentials.
        url: String,
    },
    /// Two sources are given for one environment.
    #[error("`{env}` has two sources")]
    Twice {
        /// The environment.
        env: EnvName,
    },
    /// git is not installed.
    #[error("git is not installed")]
    NoGit,
    /// git failed.
    #[error("git failed to fetch {what}: {because}")]
    Git {
        /// The repository or revision.
        what: String,
        /// The last line of git's error output.
        because: String,
    },
    /// A file could not be read or written.
    #[error("failed to read or write the source")]
    Io(#[source] std::io::Error),
}

/// Gets `source` for `profile`: inspects the folder, or clones the repository at its revision below `src`.
pub(crate) async fn get_source(
    ctx: &Context,
    manifest: &Manifest,
    profile: ProfileName,
    source: &Source,
    src: &Path,
) -> Result<Checkout, CheckoutError> {
    let declared = manifest.source.as_ref().ok_or_else(|| CheckoutError::NotDeclared {
        env: manifest.name.clone(),
    })?;
    let (path, origin, editable, commit, dirty) = match &source.place {
        Place::Folder(folder) => {
            let path = fs_err::canonicalize(folder)
                .ok()
                .filter(|path| path.is_dir())
                .ok_or_else(|| CheckoutError::NoFolder { path: folder.clone() })?;
            let (commit, dirty) = git::state(ctx, &path).await;
            let origin = path.display().to_string();
            (path, origin, true, commit, dirty)
        }
        Place::Git { url, rev } => {
            let (path, commit) = git::clone(ctx, src, url, rev.as_deref()).await?;
            (path, git::redacted(url), false, Some(commit), false)
        }
    };
    let mut left_out = Vec::new();
    let kind = tree::read_tree(&path, declared, profile, &mut left_out)?;
    for line in left_out {
        ctx.events.warn(line);
    }
    Ok(Checkout {
        package: declared.package.clone(),
        path,
        origin,
        editable,
        commit,
        dirty,
        kind,
    })
}

/// Removes the trees below `src` that are not in `used`.
///
/// # Errors
/// A folder that cannot be read or removed.
pub(crate) fn prune(src: &Path, used: &[PathBuf]) -> std::io::Result<()> {
    git::prune(src, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_git_url() {
        let git = |url: &str, rev: Option<&str>| Place::Git {
            url: url.to_owned(),
            rev: rev.map(str::to_owned),
        };
        for (text, place) in [
            ("https://example.org/a/b.git", git("https://example.org/a/b.git", None)),
            (
                "https://example.org/a/b@v4.2",
                git("https://example.org/a/b", Some("v4.2")),
            ),
            ("https://me@example.org/a/b", git("https://me@example.org/a/b", None)),
            (
                "https://me@example.org/a/b@x/y",
                git("https://me@example.org/a/b", Some("x/y")),
            ),
            (
                "git@example.org:a/b.git@main",
                git("git@example.org:a/b.git", Some("main")),
            ),
            ("git@example.org:a/b.git", git("git@example.org:a/b.git", None)),
            ("file:///srv/b.git@abc", git("file:///srv/b.git", Some("abc"))),
            ("/srv/X-AnyLabeling", Place::Folder("/srv/X-AnyLabeling".into())),
            ("../a@b", Place::Folder("../a@b".into())),
            ("C:\\src\\b", Place::Folder("C:\\src\\b".into())),
        ] {
            assert_eq!(Place::from(text), place, "{text}");
        }
    }

    #[test]
    fn incomplete_sources_are_refused() {
        for bad in ["x-anylabeling", "=x", "x=", "X Y=/a"] {
            assert!(bad.parse::<Source>().is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn a_url_or_revision_that_looks_like_an_option_is_refused() {
        for bad in ["x=--upload-pack=x@example.org:a", "x=https://example.org/a@--output=b"] {
            assert!(matches!(bad.parse::<Source>(), Err(SourceError::Option(_))), "{bad}");
        }
        assert!("x=-folder".parse::<Source>().is_ok());
    }
}
