//! Who is examined, and how remedies name it.

use std::path::{Path, PathBuf};

use super::Described;
use crate::{
    certificate::Certificate,
    files::layout,
    install::{self, InstallError},
    names::EnvName,
    plan::Plan,
    store::Generation,
};

/// A prefix that is examined.
#[derive(Debug, Clone)]
pub(crate) struct Patient {
    /// Its folder.
    pub(crate) prefix: PathBuf,
    /// What matenv wrote down of it; absent for what matenv did not make.
    pub(crate) made: Option<Made>,
    /// CUDA's major version, if it is meant to run on an NVIDIA GPU of the machine that it is judged for.
    pub(crate) cuda: Option<u32>,
    /// What is typed after `matenv install` to make it for the machine that it is judged for; absent for what matenv did not make.
    pub(crate) typed: Option<String>,
}

/// What matenv wrote down of an environment.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) generation: Generation,
    pub(crate) plan: Plan,
    pub(crate) certificate: Certificate,
}

impl Patient {
    /// The current generation of an environment, judged for the machine that it was made for: this one, unless it is
    /// `described`.
    pub(crate) fn installed(generation: Generation, described: Option<&Described>) -> Result<Self, InstallError> {
        let plan = install::kept_plan(&generation)?;
        let certificate = Certificate::read(&generation.env, &generation.prefix)?;
        Ok(Self {
            prefix: generation.prefix.clone(),
            cuda: plan
                .backend
                .cuda_major()
                .filter(|_| described.is_some() || !certificate.cross),
            typed: Some(described.map_or_else(|| plan.typed(), |described| described.typed(&plan, certificate.cross))),
            made: Some(Made {
                generation,
                plan,
                certificate,
            }),
        })
    }

    /// A prefix that matenv did not make, of which nobody says that it needs a GPU.
    pub(crate) fn foreign(prefix: &Path) -> Self {
        Self {
            prefix: prefix.to_owned(),
            made: None,
            cuda: None,
            typed: None,
        }
    }

    pub(crate) fn env(&self) -> Option<&EnvName> {
        self.made.as_ref().map(|made| &made.generation.env)
    }

    /// What sentences call it.
    pub(crate) fn name(&self) -> String {
        match self.env() {
            Some(env) => env.to_string(),
            None => self.prefix.display().to_string(),
        }
    }

    /// Its Python.
    pub(crate) fn python(&self) -> PathBuf {
        layout::python(&self.prefix)
    }

    /// Whether it is meant to run on an NVIDIA GPU of the machine that it is judged for.
    pub(crate) fn needs_nvidia(&self) -> bool {
        self.cuda.is_some()
    }

    /// How to be rid of what a variable does.
    pub(crate) fn without(&self, variable: &str) -> String {
        let unset = if cfg!(windows) {
            format!("set {variable}=")
        } else {
            format!("unset {variable}")
        };
        match self.env() {
            Some(env) => format!("matenv run {env} -- python …   or   {unset}"),
            None => unset,
        }
    }
}
