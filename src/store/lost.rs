//! Environments whose link does not lead to a generation, because somebody moved, renamed or deleted its folder or its
//! record.

use std::path::PathBuf;

use super::{Generation, LinkState, Store, StoreError, link};
use crate::names::{EnvName, install_arguments};

/// An environment that was installed and is broken now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The environment.
    pub env: EnvName,
    /// The link to its current generation.
    pub link: PathBuf,
    /// The target of the link. The path of the link itself if the link is missing and its generations are not.
    pub target: PathBuf,
    /// The generation in the store that replaces it best, if there is one: the newest that is proven and readable.
    pub newest: Option<Generation>,
}

impl Lost {
    /// Returns a message that describes the problem.
    #[must_use]
    pub fn message(&self) -> String {
        if self.target == self.link {
            format!("the link to the files of `{}` is missing", self.env)
        } else if self.target.is_dir() {
            format!("matenv's record of `{}` is missing or damaged", self.env)
        } else {
            format!("the folder of `{}` is missing: it was moved or deleted", self.env)
        }
    }

    /// Returns the evidence: the link and its target.
    #[must_use]
    pub fn evidence(&self) -> String {
        let (link, target) = (self.link.display(), self.target.display());
        if let Some(newest) = self.newest.as_ref().filter(|_| self.target == self.link) {
            return format!("{link} does not exist, but {} does", newest.prefix.display());
        }
        if self.target.is_dir() {
            format!("{link} points to {target}, in which share/matenv/generation.json is missing or damaged")
        } else {
            format!("{link} points to {target}, which does not exist")
        }
    }

    /// Returns the commands that fix it. `has_manifest` is whether there is a manifest with the environment's name. It
    /// is used if no generation is left that names the real one.
    #[must_use]
    pub fn remedy(&self, has_manifest: bool) -> String {
        let env = &self.env;
        let again = match &self.newest {
            Some(newest) => install_arguments(&newest.record.manifest, env),
            None if has_manifest => env.to_string(),
            None => format!("MANIFEST --name {env}"),
        };
        let rollback = match &self.newest {
            Some(newest) if newest.is_proven() => format!("matenv rollback {env}   or   "),
            Some(newest) => format!("matenv rollback {env} --to {}   or   ", newest.number),
            None => String::new(),
        };
        let is_there = self.target.is_dir() || self.target == self.link;
        let back = match (is_there, &self.newest) {
            (true, _) => "",
            (false, None) => "move it back, or install it again: ",
            (false, Some(_)) => "move it back, or use another generation, or install it again: ",
        };
        format!("{back}{rollback}matenv install {again}   or   matenv remove {env}")
    }
}

impl Store {
    /// Returns the broken environment, or `None` if its link leads to a generation, or if there is neither a link nor a
    /// generation.
    pub fn lost(&self, env: &EnvName) -> Result<Option<Lost>, StoreError> {
        let link = self.link(env);
        let target = match link::inspect(&link).map_err(StoreError::Read)? {
            LinkState::Link(target) => target,
            // Somebody removed the link. A removal by matenv leaves a mark and is finished by the next command.
            LinkState::Nothing if !self.removing(env).exists() => link.clone(),
            LinkState::Nothing | LinkState::NotALink => return Ok(None),
        };
        if self.current(env)?.is_some() {
            return Ok(None);
        }
        let newest = self.newest_readable(env)?;
        let newest = match newest {
            None => self.generations(env)?.pop(),
            newest => newest,
        };
        if target == link && newest.is_none() {
            return Ok(None);
        }
        Ok(Some(Lost {
            env: env.clone(),
            link,
            target,
            newest,
        }))
    }

    /// Returns every broken environment, by name. Skips environments that cannot be read.
    pub fn all_lost(&self) -> Result<Vec<Lost>, StoreError> {
        let lost = |env: &EnvName| self.lost(env).inspect_err(|error| tracing::warn!("{error}")).ok()?;
        Ok(self.environments()?.iter().filter_map(lost).collect())
    }
}
