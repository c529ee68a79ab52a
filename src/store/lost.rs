//! Environments whose link leads to no generation: somebody moved, renamed or deleted its folder, or its record.

use std::path::PathBuf;

use super::{At, Generation, Store, StoreError, link, names_in};
use crate::names::{EnvName, typed};

/// An environment that was installed, by what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The environment.
    pub env: EnvName,
    /// The link to its current generation.
    pub link: PathBuf,
    /// Where that leads.
    pub leads_to: PathBuf,
    /// The newest generation that is still in the store.
    pub newest: Option<Generation>,
}

impl Lost {
    /// What is wrong.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.leads_to.is_dir() {
            format!(
                "what makes the folder of `{}` an environment of matenv's is gone or damaged",
                self.env
            )
        } else {
            format!("the folder of `{}` is gone: it was moved or deleted", self.env)
        }
    }

    /// What shows it.
    #[must_use]
    pub fn evidence(&self) -> String {
        let (link, leads_to) = (self.link.display(), self.leads_to.display());
        if self.leads_to.is_dir() {
            format!("{link} leads to {leads_to}, in which share/matenv/generation.json is missing or damaged")
        } else {
            format!("{link} leads to {leads_to}, which is not there")
        }
    }

    /// What helps. Where no generation is left that names the manifest, the environment's name may be one.
    #[must_use]
    pub fn remedy(&self, has_manifest: bool) -> String {
        let env = &self.env;
        let again = match &self.newest {
            Some(newest) => typed(&newest.record.manifest, env),
            None if has_manifest => env.to_string(),
            None => format!("MANIFEST --name {env}"),
        };
        let back = if self.leads_to.is_dir() {
            ""
        } else {
            "move it back, or make it again: "
        };
        format!("{back}matenv install {again}   or   matenv remove {env}")
    }
}

impl Store {
    /// What is left of an environment whose link leads to no generation; `None` if it does, or there is no link.
    pub fn lost(&self, env: &EnvName) -> Result<Option<Lost>, StoreError> {
        let link = self.link(env);
        let At::Link(leads_to) = link::at(&link).map_err(StoreError::Read)? else {
            return Ok(None);
        };
        if self.current(env)?.is_some() {
            return Ok(None);
        }
        Ok(Some(Lost {
            env: env.clone(),
            link,
            leads_to,
            newest: self.generations(env)?.pop(),
        }))
    }

    /// Every such environment, by name. One that cannot be looked at leaves the others.
    pub fn all_lost(&self) -> Result<Vec<Lost>, StoreError> {
        let mut names: Vec<EnvName> = names_in(&self.home.join("envs"))?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        names.sort();
        let lost = |env: &EnvName| self.lost(env).inspect_err(|error| tracing::warn!("{error}")).ok()?;
        Ok(names.iter().filter_map(lost).collect())
    }
}
