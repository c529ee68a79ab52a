//! A program from a folder or a git repository instead of a released wheel.
//!
//! In: `--source ENV=PATH` or `ENV=URL[@REV]`, and what the manifest says of such trees. Out: a [`Checkout`], which the
//! plan takes like any other fact. A folder stays the user's and is installed editable; a repository is cloned below
//! `MATENV_HOME/src`, one folder a commit, so that an older generation keeps the files that it was made with.

mod git;
mod tree;

pub use tree::Kind;

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

/// Where a program is to come from, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the manifest whose program it is.
    pub env: EnvName,
    /// The place.
    pub place: Place,
}

/// A place that holds a program's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A git repository.
    Git {
        /// What git clones.
        url: String,
        /// A branch, tag or commit; `None` means the repository's default branch.
        rev: Option<String>,
    },
}

/// A `--source` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No `=` in it, or nothing on one side of it.
    #[error("`{0}` is no source: write ENV=FOLDER or ENV=URL[@REV]")]
    NoPlace(String),
    /// The left side is no environment name.
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
        Ok(Self {
            env: env.parse()?,
            place: place.into(),
        })
    }
}

impl From<&str> for Place {
    /// `URL[@REV]` where it looks like what git clones (`https://…`, `file://…`, `git@host:path`), else a folder.
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

/// A program's source as it lies on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkout {
    /// The distribution whose place it takes.
    pub package: String,
    /// The folder.
    pub path: PathBuf,
    /// Where it comes from: the folder, or the repository's URL without credentials.
    pub origin: String,
    /// Whether the environment runs the folder's files as they are from now on.
    pub editable: bool,
    /// The commit; `None` if the folder is no git repository.
    pub commit: Option<String>,
    /// Whether files under version control differ from the commit.
    pub dirty: bool,
    /// How it is installed and started.
    pub kind: Kind,
}

impl Checkout {
    /// What is typed after `--source ENV=` to get it again.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.commit {
            Some(commit) if !self.editable => format!("{}@{commit}", self.origin),
            _ => self.origin.clone(),
        }
    }

    /// Whether uv builds and installs it.
    #[must_use]
    pub fn is_project(&self) -> bool {
        matches!(self.kind, Kind::Project { .. })
    }

    /// What decides which packages are installed: not the commit of an editable folder, whose files may change.
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

/// Why a program's source could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// It is for an environment that is not to be made.
    #[error("`{env}` is not among the environments to make")]
    NotAsked {
        /// The environment.
        env: EnvName,
    },
    /// The manifest does not say how its program is built from source.
    #[error("the manifest `{env}` does not say how its program is made from source")]
    NotDeclared {
        /// The manifest.
        env: EnvName,
    },
    /// There is no such folder.
    #[error("{} is not a folder", path.display())]
    NoFolder {
        /// What was named.
        path: PathBuf,
    },
    /// The folder holds neither a project nor scripts.
    #[error("{} holds no `{package}`: {because}", path.display())]
    NotTheProgram {
        /// The folder.
        path: PathBuf,
        /// The distribution that was expected.
        package: String,
        /// What is missing or different.
        because: String,
    },
    /// A requirements file has a line that makes no sense.
    #[error("{}:{line}: {because}", path.display())]
    Requirements {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        because: String,
    },
    /// A URL with a password in it, which would stand in process lists and in the clone's configuration.
    #[error("{url} was named with a password in it")]
    Credentials {
        /// The URL without them.
        url: String,
    },
    /// It is named twice.
    #[error("`{env}` has two sources")]
    Twice {
        /// The environment.
        env: EnvName,
    },
    /// There is no git.
    #[error("git is not installed")]
    NoGit,
    /// git refused.
    #[error("git cannot get {what}: {because}")]
    Git {
        /// The repository or revision.
        what: String,
        /// What git said last.
        because: String,
    },
    /// A file could not be read or written.
    #[error("cannot read or write the source")]
    Io(#[source] std::io::Error),
}

/// Get `source` for `profile`: look at the folder, or clone the repository at its revision below `src`.
pub async fn check_out(
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
    let kind = tree::look(&path, declared, profile, &mut left_out)?;
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

/// Remove the trees below `src` that none of `used` is.
///
/// # Errors
/// A folder that cannot be read or removed.
pub fn prune(src: &Path, used: &[PathBuf]) -> std::io::Result<()> {
    git::prune(src, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_what_git_clones() {
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
    fn half_a_source_is_refused() {
        for bad in ["x-anylabeling", "=x", "x=", "X Y=/a"] {
            assert!(bad.parse::<Source>().is_err(), "{bad} was accepted");
        }
    }
}
